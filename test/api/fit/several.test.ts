/**
 * Owns: fit() of models of several inputs and outputs, and weights of examples and classes, beside tfjs's own model.fit and by what must be equal.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, it } from 'vitest';
import { fit, release, type FitOptions } from '../../../src/index.js';

const ROWS = 24;
const wave = (count: number, by: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * by));
const LEFT = tf.tensor(wave(ROWS * 3, 0.7), [ROWS, 3]);
const RIGHT = tf.tensor(wave(ROWS * 2, 1.3), [ROWS, 2]);
const CLASSES = Int32Array.from({ length: ROWS }, (_, row) => (row * 7) % 3);
const KIND = tf.oneHot(tf.tensor1d(CLASSES, 'int32'), 3).toFloat();
const SIZE = tf.tensor(wave(ROWS * 2, 0.4), [ROWS, 2]);
const OPTIONS: FitOptions = {
  ...{ devices: ['CPU:0'], shards: 2, threadsPerWorker: 1, verbose: 0, shuffle: false, batchSize: 8, epochs: 2 },
};
const OF_TFJS = { epochs: 2, batchSize: 8, shuffle: false, verbose: 0 } as const;

const dense = (units: number, seed: number, more: object = {}) =>
  tf.layers.dense({ units, kernelInitializer: tf.initializers.glorotUniform({ seed }), ...more });

/** Two towers with two heads. */
function model(): tf.LayersModel {
  const [left, right] = [tf.input({ shape: [3], name: 'left' }), tf.input({ shape: [2], name: 'right' })];
  const towers = [dense(4, 1, { activation: 'tanh' }).apply(left), dense(4, 2, { activation: 'tanh' }).apply(right)];
  const both = tf.layers.concatenate().apply(towers as tf.SymbolicTensor[]);
  const kind = dense(3, 3, { activation: 'softmax', name: 'kind' }).apply(both) as tf.SymbolicTensor;
  const size = dense(2, 4, { name: 'size' }).apply(both) as tf.SymbolicTensor;
  const made = tf.model({ inputs: [left, right], outputs: [kind, size], name: 'towers' });
  made.compile({ optimizer: tf.train.sgd(0.1), loss: { kind: 'categoricalCrossentropy', size: 'meanSquaredError' } });
  return made;
}

/** One of each. */
function classifier(): tf.LayersModel {
  const made = tf.sequential({ layers: [dense(3, 5, { activation: 'softmax', inputShape: [3] })] });
  made.compile({ optimizer: tf.train.sgd(0.1), loss: 'categoricalCrossentropy' });
  return made;
}

const flat = (of: tf.LayersModel): number[] => of.getWeights().flatMap((weight) => [...weight.dataSync()]);

function expectClose(found: readonly number[], wanted: readonly number[]): void {
  expect(found.length).toBe(wanted.length);
  found.forEach((value, at) => expect(value, String(at)).toBeCloseTo(wanted[at], 4));
}

afterAll(() => release());

describe('fit() of two inputs and two outputs', () => {
  it.each<[string, Parameters<typeof fit>[1], Parameters<typeof fit>[2]]>([
    ['by name', { right: RIGHT, left: LEFT }, { size: SIZE, kind: KIND }],
    ['in the order of the model', [LEFT, RIGHT], [KIND, SIZE]],
  ])('%s trains as tfjs does', async (_, x, y) => {
    const [ours, own] = [model(), model()];
    const { history } = await fit(ours, x, y, OPTIONS);
    const wanted = await own.fit({ left: LEFT, right: RIGHT }, { kind: KIND, size: SIZE }, OF_TFJS);
    expect(Object.keys(history).sort()).toEqual(Object.keys(wanted.history).sort());
    for (const [name, values] of Object.entries(wanted.history)) expectClose(history[name] as number[], values as number[]);
    expectClose(flat(ours), flat(own));
  });

  it('says what is missing or too much, by name', async () => {
    const refusal = async (x: Parameters<typeof fit>[1], y: Parameters<typeof fit>[2]): Promise<string> =>
      fit(model(), x, y, OPTIONS).then(
        () => 'taken',
        (error: Error) => error.message,
      );
    expect(await refusal(LEFT, [KIND, SIZE])).toContain('a list, or a record of left, right');
    expect(await refusal({ left: LEFT }, [KIND, SIZE])).toContain('x has no right');
    expect(await refusal([LEFT, RIGHT], { kind: KIND, sice: SIZE })).toContain('y has sice');
    expect(await refusal([LEFT, RIGHT.slice(0, 9)], [KIND, SIZE])).toContain('x.right 9');
  });

  it('of other rows in a second call judges those, too', async () => {
    const ours = model();
    await fit(ours, [LEFT, RIGHT], [KIND, SIZE], { ...OPTIONS, epochs: 1 });
    const wrong = fit(ours, [LEFT, RIGHT], [Int32Array.from(CLASSES, (index) => index + 1), SIZE], { ...OPTIONS, epochs: 1 });
    await expect(wrong).rejects.toThrow();
    const { history } = await fit(ours, [LEFT, RIGHT], [KIND, SIZE], { ...OPTIONS, epochs: 1 });
    expect(history.loss).toHaveLength(1);
  });

  it('follows loss weights that are others in a second call', async () => {
    const [warm, anew] = [model(), model()];
    const asked = { ...OPTIONS, epochs: 1, lossWeights: ['kind=0', 'size=3'] };
    await fit(warm, [LEFT, RIGHT], [KIND, SIZE], { ...OPTIONS, epochs: 1 });
    anew.setWeights(warm.getWeights());
    await fit(warm, [LEFT, RIGHT], [KIND, SIZE], asked);
    await fit(anew, [LEFT, RIGHT], [KIND, SIZE], asked);
    expect(flat(warm)).toEqual(flat(anew));
  });
});

describe('weights', () => {
  it('of classes count as in tfjs', async () => {
    const [ours, own] = [classifier(), classifier()];
    const classWeight = { 0: 1, 1: 0, 2: 2.5 };
    await fit(ours, LEFT, KIND, { ...OPTIONS, classWeight });
    await own.fit(LEFT, KIND, { ...OF_TFJS, classWeight });
    expectClose(flat(ours), flat(own));
  });

  it('of examples are those of their classes where they are the same numbers, and no example counts with weight 0', async () => {
    const table = [1, 0, 2.5];
    const [byClass, byExample, split] = [classifier(), classifier(), classifier()];
    const sampleWeight = Float32Array.from(CLASSES, (index) => table[index]);
    const first = await fit(byClass, LEFT, KIND, { ...OPTIONS, classWeight: { ...table } });
    const second = await fit(byExample, LEFT, KIND, { ...OPTIONS, sampleWeight });
    expect(second.run.weightsSha256).toBe(first.run.weightsSha256);
    // The last rows are validated on, and their weights are not needed.
    await fit(split, LEFT, KIND, { ...OPTIONS, sampleWeight, validationSplit: 1 / 3 });
    const before = flat(classifier());
    const none = classifier();
    await fit(none, LEFT, KIND, { ...OPTIONS, sampleWeight: new Float32Array(ROWS) });
    expect(flat(none)).toEqual(before);
  });

  it('of a second call take the place of the first ones', async () => {
    const [warm, anew] = [classifier(), classifier()];
    const weights = [Float32Array.from(CLASSES), Float32Array.from(CLASSES, (index) => 2 - index)];
    for (const sampleWeight of weights) await fit(warm, LEFT, KIND, { ...OPTIONS, epochs: 1, sampleWeight });
    await fit(anew, LEFT, KIND, { ...OPTIONS, epochs: 1, sampleWeight: weights[0] });
    await release(anew);
    anew.compile({ optimizer: tf.train.sgd(0.1), loss: 'categoricalCrossentropy' });
    await fit(anew, LEFT, KIND, { ...OPTIONS, epochs: 1, sampleWeight: weights[1] });
    expect(flat(warm)).toEqual(flat(anew));
  });

  it('that cannot be are refused by name', async () => {
    const refusal = async (options: FitOptions): Promise<string> =>
      fit(classifier(), LEFT, KIND, { ...OPTIONS, ...options }).then(
        () => 'taken',
        (error: Error) => error.message,
      );
    expect(await refusal({ sampleWeight: new Float32Array(3) })).toContain('sampleWeight is [3], wanted [24]');
    expect(await refusal({ sampleWeight: new Float32Array(ROWS).fill(-1) })).toContain('sampleWeight[0] is -1');
    expect(await refusal({ classWeight: { 0: 1, 1: 1 } })).toContain('no weight for class 2');
    // Nothing of these would count.
    for (const [given, told] of [
      [new Map([[0, 2]]), 'classWeight is a Map, wanted a weight by class: { 0: 1, 1: 5 }'],
      [{}, 'classWeight is {}, wanted'],
      ['balanced', 'classWeight is "balanced", wanted'],
    ] as const)
      expect(await refusal({ classWeight: given as never })).toContain(told);
  });
});
