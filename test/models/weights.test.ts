/**
 * Owns: that a model's JSON builds the same model again, frozen parts too, and that weights find their places by name.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { matchWeights } from '../../src/common/weight_names.js';
import { buildModel } from '../../src/models/build.js';
import { resolveModelSource } from '../../src/models/load.js';
import { topologyJson } from '../../src/models/topology.js';
import { manifestOf, putWeights } from '../../src/models/weights.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const namesOf = (weights: tf.LayerVariable[]) => weights.map(({ originalName }) => originalName).sort();
const valuesOf = (model: tf.LayersModel) =>
  Object.fromEntries(model.weights.map((weight) => [weight.originalName, [...weight.read().dataSync()]]));

/** A base of dense and batch norm under a head, the base frozen as people do for transfer learning. */
function transferModel(frozen: boolean): tf.LayersModel {
  const base = tf.sequential({
    name: 'base',
    layers: [
      tf.layers.dense({ name: 'b1', units: 3, inputShape: [2] }),
      tf.layers.batchNormalization({ name: 'bn' }),
      tf.layers.dense({ name: 'b2', units: 2 }),
    ],
  });
  base.trainable = !frozen;
  return tf.sequential({ layers: [base, tf.layers.dense({ name: 'head', units: 1 })] });
}

describe('the JSON of a model', () => {
  it.each([true, false])('remembers whether a nested model is frozen (%s), which tfjs alone forgets', async (frozen) => {
    const model = transferModel(frozen);
    const again = await buildModel(tf, { kind: 'topology', name: 'm', topology: topologyJson(model) }, 1);
    expect(namesOf(again.trainableWeights as tf.LayerVariable[])).toEqual(namesOf(model.trainableWeights as tf.LayerVariable[]));
    expect(model.trainableWeights.length).toBe(frozen ? 2 : 8);
  });

  it('leaves the model and its own frozen layers as they are', async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ name: 'f', units: 1, inputShape: [1], trainable: false }),
        tf.layers.dense({ name: 't', units: 1 }),
      ],
    });
    expect(JSON.parse(topologyJson(model))).toEqual(model.toJSON(null, false));
    expect(model.trainableWeights.length).toBe(2);
  });
});

describe('inputs that no layer reads', () => {
  /** Two inputs of which the second alone is read. */
  const reader = (): tf.LayersModel => {
    const [unread, read] = [tf.input({ shape: [2], name: `u${count}` }), tf.input({ shape: [3], name: `r${count++}` })];
    return tf.model({ inputs: [unread, read], outputs: tf.layers.dense({ units: 1 }).apply(read) as tf.SymbolicTensor });
  };
  let count = 0;

  it.each(['of a model', 'of a model in a model'])('are there in the copy, in their order: %s', async (where) => {
    let model = reader();
    if (where !== 'of a model') {
      const inputs = [tf.input({ shape: [2], name: 'a' }), tf.input({ shape: [3], name: 'b' })];
      model = tf.model({ inputs, outputs: model.apply(inputs) as tf.SymbolicTensor });
    }
    const copy = await buildModel(tf, { kind: 'topology', name: 'm', topology: topologyJson(model) }, 1);
    expect(copy.inputNames).toEqual(model.inputNames);
    expect(copy.inputs.map(({ shape }) => shape)).toEqual([
      [null, 2],
      [null, 3],
    ]);
    expect((copy.predict([tf.ones([1, 2]), tf.ones([1, 3])]) as tf.Tensor).shape).toEqual([1, 1]);
  });
});

describe('weights', () => {
  const model = () =>
    tf.sequential({
      layers: [
        tf.layers.dense({ name: 'a', units: 2, inputShape: [2], useBias: false }),
        tf.layers.dense({ name: 'b', units: 2, useBias: false }),
      ],
    });
  const values = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  it('go where their names say, whatever the order', () => {
    const built = model();
    putWeights(tf, built, {
      values,
      manifest: [
        { name: 'b/kernel', shape: [2, 2] },
        { name: 'a/kernel', shape: [2, 2] },
      ],
    });
    expect(valuesOf(built)).toEqual({ 'a/kernel': [5, 6, 7, 8], 'b/kernel': [1, 2, 3, 4] });
  });

  it('go by position where none are named, and nowhere where the names are others', () => {
    const built = model();
    putWeights(tf, built, { values });
    expect(valuesOf(built)).toEqual({ 'a/kernel': [1, 2, 3, 4], 'b/kernel': [5, 6, 7, 8] });
    const manifest = ['x', 'y'].map((name) => ({ name, shape: [2, 2] }));
    expect(() => putWeights(tf, model(), { values, manifest })).toThrow(
      "the model's a/kernel [2, 2], b/kernel [2, 2] without a saved weight, the file's x [2, 2], y [2, 2] without a place",
    );
  });

  it.each([
    ['the model’s before them', ['net/b/kernel', 'net/a/kernel']],
    ['that of an inner layer behind them', ['b/dense_1/kernel', 'a/dense/kernel']],
    ['TensorFlow’s output number', ['b/kernel:0', 'a/kernel:0']],
  ])('are found by names with %s', (_, names) => {
    const built = model();
    putWeights(tf, built, { values, manifest: names.map((name) => ({ name, shape: [2, 2] })) });
    expect(valuesOf(built)).toEqual({ 'a/kernel': [5, 6, 7, 8], 'b/kernel': [1, 2, 3, 4] });
  });

  it('go nowhere where a name could mean two layers', () => {
    const manifest = ['a/b/kernel', 'c/kernel'].map((name) => ({ name, shape: [2, 2] }));
    expect(() => putWeights(tf, model(), { values, manifest })).toThrow('without a saved weight');
  });

  it('of a frozen nested model survive the way through its JSON', async () => {
    const original = transferModel(true);
    const copy = await buildModel(tf, { kind: 'topology', name: 'm', topology: topologyJson(original) }, 1);
    const from = manifestOf(original);
    const flat = Float32Array.from(original.weights.flatMap((weight) => [...weight.read().dataSync()]));
    putWeights(tf, copy, { values: flat, manifest: from });
    expect(valuesOf(copy)).toEqual(valuesOf(original));
  });

  it('are refused where they are too few, too many, or of another shape', () => {
    expect(() => putWeights(tf, model(), { values: values.slice(1) })).toThrow("it holds 7 values, its weights' shapes want 8");
    const manifest = [
      { name: 'a/kernel', shape: [4, 1] },
      { name: 'b/kernel', shape: [2, 2] },
    ];
    expect(() => putWeights(tf, model(), { values, manifest })).toThrow(
      "the model's a/kernel [2, 2] has another shape than the file's a/kernel [4, 1]",
    );
  });
});

describe("names that carry the model's own", () => {
  const match = (wanted: string[], found: string[]): string => {
    const named = (names: string[]) => names.map((name) => ({ name, shape: [2, 2] }));
    const result = matchWeights(named(wanted), named(found));
    return result.kind === 'matched' ? result.places.map((at) => found[at]).join(' ') : result.difference;
  };

  it('find their places where a layer is called like the model', () => {
    const found = ['dense/dense_1/kernel', 'dense/dense/kernel', 'dense/dense_2/kernel:0'];
    expect(match(['dense/kernel', 'dense_1/kernel', 'dense_2/kernel'], found)).toBe(
      'dense/dense/kernel dense/dense_1/kernel dense/dense_2/kernel:0',
    );
    expect(match(found, ['dense/kernel', 'dense_1/kernel', 'dense_2/kernel'])).toBe('dense_1/kernel dense/kernel dense_2/kernel');
  });

  it('are not taken off both sides, where the cells of other layers would be the same', () => {
    const cells = (layer: string): string[] => [0, 1].map((at) => `${layer}/RNNCell_${at}/kernel`);
    expect(match(cells('rnn'), cells('rnn_1'))).toMatch(/^the model's rnn\/RNNCell_0\/kernel \[2, 2\], .* without a place$/);
  });
});

describe('a model.json', () => {
  /** Writes a file as tensorflowjs_converter does: weights layer by layer, moving statistics between trained ones. */
  async function converted(): Promise<{ path: string; original: tf.LayersModel }> {
    const original = tf.sequential({
      layers: [
        tf.layers.dense({
          name: 'd',
          units: 2,
          inputShape: [2],
          kernelInitializer: 'randomNormal',
          biasInitializer: 'randomNormal',
        }),
        tf.layers.batchNormalization({
          name: 'n',
          movingMeanInitializer: 'randomNormal',
          movingVarianceInitializer: 'randomNormal',
        }),
        tf.layers.dense({ name: 'e', units: 2, biasInitializer: 'randomNormal' }),
      ],
    });
    const inLayerOrder = original.layers.flatMap((layer) => layer.weights as tf.LayerVariable[]);
    const folder = await temporaryFolder();
    await mkdir(folder, { recursive: true });
    const weights = inLayerOrder.map((weight) => ({ name: weight.originalName, shape: weight.shape, dtype: 'float32' }));
    await writeFile(
      join(folder, 'model.json'),
      JSON.stringify({ modelTopology: original.toJSON(null, false), weightsManifest: [{ paths: ['w.bin'], weights }] }),
    );
    await writeFile(
      join(folder, 'w.bin'),
      new Uint8Array(Float32Array.from(inLayerOrder.flatMap((weight) => [...weight.read().dataSync()])).buffer),
    );
    return { path: join(folder, 'model.json'), original };
  }

  it('whose weights lie layer by layer is read by their names', async () => {
    const { path, original } = await converted();
    const source = await resolveModelSource(path);
    expect(valuesOf(await buildModel(tf, source, 1))).toEqual(valuesOf(original));
  });

  it('with a weight that is NaN is refused, and the value named', async () => {
    const { path } = await converted();
    const values = new Float32Array(20);
    values[19] = NaN;
    await writeFile(join(path, '..', 'w.bin'), values);
    await expect(resolveModelSource(path)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(/value \d+ of weight \S+ is NaN: nothing can be trained from there$/) as string,
    });
  });

  it('that is missing, no JSON, or with too few bytes is refused with exit code 2', async () => {
    const { path } = await converted();
    await writeFile(join(path, '..', 'w.bin'), new Uint8Array(40));
    await expect(resolveModelSource(path)).rejects.toMatchObject({
      exitCode: 2,
      code: 'MODEL_INVALID',
      message: `${path} is not a tf.LayersModel file: its weights hold 40 bytes, the manifest says 80`,
    });
    await writeFile(path, '<!doctype html>');
    await expect(resolveModelSource(path)).rejects.toMatchObject({ exitCode: 2, code: 'MODEL_INVALID' });
    await expect(resolveModelSource(`${path}.json`)).rejects.toMatchObject({ exitCode: 2, code: 'MODEL_NOT_FOUND' });
    await expect(resolveModelSource('resnet')).rejects.toMatchObject({ exitCode: 2, code: 'MODEL_UNKNOWN' });
  });
});

describe('a model module', () => {
  async function refusal(text: string): Promise<string> {
    const folder = await temporaryFolder({ 'model.mjs': text });
    const source = await resolveModelSource(join(folder, 'model.mjs'));
    const error = await buildModel(tf, { ...source, name: './model.mjs' } as typeof source, 1).catch((reason: unknown) => reason);
    const { exitCode, code, message } = error as { exitCode: number; code: string; message: string };
    return `${exitCode} ${code}: ${message}`.replaceAll(folder, '.');
  }

  it('that cannot make a model is refused, with what it did', async () => {
    expect(await refusal('export function createModel() { throw new RangeError("no units"); }')).toBe(
      '2 MODEL_INVALID: ./model.mjs is not a usable tf.LayersModel: createModel(tf) failed: RangeError: no units (./model.mjs:1:39)',
    );
    expect(await refusal('')).toBe('2 MODEL_NO_EXPORT: ./model.mjs exports nothing; wanted a function createModel(tf)');
    expect(await refusal('export const createModels = () => 2;')).toBe(
      '2 MODEL_NO_EXPORT: ./model.mjs exports createModels; wanted a function createModel(tf)',
    );
    expect(await refusal('export const createModel = () => ({ weights: [] });')).toBe(
      '2 MODEL_INVALID: ./model.mjs is not a usable tf.LayersModel: createModel(tf) returned no tf.LayersModel',
    );
    expect(await refusal('export const createModel = (')).toMatch(
      /^2 MODEL_INVALID: \.\/model\.mjs is not a usable tf\.LayersModel: /,
    );
  });

  it('that is not there is refused', async () => {
    await expect(resolveModelSource('/nowhere/model.mjs')).rejects.toMatchObject({ exitCode: 2, code: 'MODEL_NOT_FOUND' });
  });
});
