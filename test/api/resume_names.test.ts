/**
 * Owns: that a run goes on with a model that the same code makes again, whose layers tfjs numbers otherwise, to the bits of the undisturbed run; and that
 * names which somebody gave, or by which labels find their output, still count.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, it } from 'vitest';
import { fit, release, train, type TrainOptions } from '../../src/index.js';
import { failure } from '../support/failure.js';
import { temporaryFolder } from '../support/temporary_folder.js';

afterAll(() => release());

const seeded = (seed: number) => ({ kernelInitializer: tf.initializers.glorotUniform({ seed }) });
const dense = (units: number, more: object = {}): tf.layers.Layer => tf.layers.dense({ units, ...seeded(units), ...more });
const X = Float32Array.from({ length: 30 }, (_, i) => Math.sin(i * 1.7));
const Y = Int32Array.from({ length: 10 }, (_, i) => (X[i * 3] > 0 ? 1 : 0));
const SET = { x: X, y: Y };
const DATA = { name: 'sides', train: SET, validation: SET, inputShape: [3] };

/** Nobody's names: those of a dropout, a batch norm, a frozen layer in a model in the model, and a wrapped one are in the topology or in weights. */
function unnamed(): tf.LayersModel {
  const input = tf.input({ shape: [3] });
  const frozen = dense(5, { inputShape: [6], trainable: false });
  const inner = tf.sequential({ layers: [frozen, tf.layers.batchNormalization(), tf.layers.dropout({ rate: 0.3 })] });
  const each = tf.layers.timeDistributed({ layer: dense(3) });
  const steps = tf.layers.reshape({ targetShape: [5, 1] });
  const lstm = tf.layers.lstm({ units: 2, ...seeded(7), recurrentInitializer: tf.initializers.glorotUniform({ seed: 8 }) });
  const both = tf.layers.bidirectional({ layer: lstm as tf.RNN, mergeMode: 'concat' });
  const layers = [dense(6, { activation: 'tanh' }), inner, steps, each, both, dense(2)];
  return tf.model({ inputs: input, outputs: layers.reduce((value, layer) => layer.apply(value) as tf.SymbolicTensor, input) });
}

const options = async (model: tf.LayersModel, more: object = {}): Promise<TrainOptions> => ({
  ...{ model, data: DATA, batch: 4, shards: 2, epochs: 3, workers: 1, threadsPerWorker: 1, learningRate: 0.1 },
  ...{ optimizer: { momentum: 0.9 }, runDir: await temporaryFolder(), saveAbove: 0, ...more },
});
const namesOf = (model: tf.LayersModel): string[] => model.layers.map(({ name }) => name);

describe('a run is gone on with', () => {
  it.each(['train', 'train, with the best weights of three starts'])('by a model made again: %s', async (which) => {
    const more = which === 'train' ? {} : { earlyStopping: { patience: 5, restoreBest: true }, histograms: 1 };
    const wanted = await train(await options(unnamed(), more));
    const model = unnamed();
    const { runFolder: resume } = await train(await options(model, { ...more, maxSteps: 4 }));
    const names = namesOf(model);
    const second = unnamed();
    expect(namesOf(second)).not.toEqual(names);
    await train({ model: second, data: DATA, resume, maxSteps: 7 });
    const third = unnamed();
    const resumed = await train({ model: third, data: DATA, resume, maxSteps: null } as unknown as TrainOptions);
    expect(resumed.end).toMatchObject({ steps: 9 });
    expect(resumed.weightsSha256).toBe(wanted.weightsSha256);
    expect(resumed.history.at(-1)).toEqual(wanted.history.at(-1));
    expect(third.getWeights().map((weight) => [...weight.dataSync()])).toEqual(
      wanted.model.getWeights().map((weight) => [...weight.dataSync()]),
    );
    // The folder's names stay those that it began with.
    for (const kept of ['last', 'best']) {
      const saved = JSON.parse(await readFile(join(resume, 'checkpoints', kept, 'model.json'), 'utf8')) as {
        modelTopology: { config: { layers: { name: string }[] } };
      };
      expect(saved.modelTopology.config.layers.map(({ name }) => name)).toEqual(names);
    }
  });

  it('by fit(), of a sequential model whose layers are counted from one digit to two', async () => {
    const compiled = (): tf.LayersModel => {
      const model = tf.sequential({ layers: [dense(4, { inputShape: [3], activation: 'tanh' }), dense(3), dense(2)] });
      model.compile({ optimizer: tf.train.adam(0.05), loss: 'sparseCategoricalCrossentropy', metrics: ['acc'] });
      return model;
    };
    const inputs = tf.tensor2d(X, [10, 3]);
    const labels = tf.tensor1d(Y, 'float32');
    const asked = { devices: ['CPU:0'], verbose: 0, batchSize: 4, epochs: 2 } as const;
    const wanted = await fit(compiled(), inputs, labels, asked);
    const stop = new AbortController();
    const first = await fit(compiled(), inputs, labels, {
      ...{ ...asked, runDir: await temporaryFolder(), signal: stop.signal },
      observer: (event) => void (event.type === 'step' && event.step === 2 && stop.abort()),
    });
    for (let made = 0; made < 9; made++) dense(1);
    const resumed = await fit(compiled(), inputs, labels, { ...asked, resume: first.run.runFolder! });
    expect(resumed.run.weightsSha256).toBe(wanted.run.weightsSha256);
    expect(resumed.history).toEqual(wanted.history);
  });
});

describe('a resume is refused, with cause and cure, where', () => {
  const named = (first: string, dropout: string): tf.LayersModel =>
    tf.sequential({
      layers: [dense(4, { inputShape: [3], name: first }), tf.layers.dropout({ rate: 0.1, name: dropout }), dense(2)],
    });

  it('a name that was given is another', async () => {
    const { runFolder: resume } = await train(await options(named('hidden', 'noise'), { maxSteps: 4 }));
    const start = `start a new run from its weights with initFrom: '${resume}'`;
    expect(await failure(train({ model: named('middle', 'noise'), data: DATA, resume }))).toMatchObject({
      code: 'RESUME_MODEL_DIFFERS',
      message: expect.stringContaining('hidden there is called middle here') as string,
      next: expect.stringMatching(/name: 'hidden'/) as string,
    });
    // Also of a layer without weights, which no tensor names.
    const { message, next } = await failure(train({ model: named('hidden', 'other'), data: DATA, resume }));
    expect(message).toContain('noise there is called other here');
    expect(next).toContain(`or ${start}`);
    expect((await train({ model: named('hidden', 'noise'), data: DATA, resume, maxSteps: 5 })).end.steps).toBe(5);
  });

  it('layers that tfjs numbered were made in another order', async () => {
    const made = (lastFirst: boolean): tf.LayersModel => {
      const more = { useBias: false };
      const last = lastFirst ? dense(3, more) : null;
      const layers = [dense(3, { ...more, inputShape: [3] }), dense(3, more)];
      return tf.sequential({ layers: last === null ? layers : [layers[0], last] });
    };
    const data = { ...DATA, train: { x: X, y: X }, validation: null, labelShape: [3] };
    const more = { data, loss: 'mse', maxSteps: 4 };
    const { runFolder: resume } = await train(await options(made(false), more));
    const { code, message } = await failure(train({ model: made(true), data, resume }));
    expect(code).toBe('RESUME_MODEL_DIFFERS');
    expect(message).toContain('these were made in another order');
  });

  it('labels find several outputs by such names; with the names that they had it goes on', async () => {
    const made = (names: readonly (string | undefined)[] = []): tf.LayersModel => {
      const input = tf.input({ shape: [3] });
      const outputs = [0, 1].map((at) => dense(1, { name: names[at] }).apply(input) as tf.SymbolicTensor);
      return tf.model({ inputs: input, outputs });
    };
    const y = [X.slice(0, 10), X.slice(10, 20)];
    const data = { name: 'two', train: { x: X, y }, inputShape: [3], labelShape: [[1], [1]] };
    const more = { data, loss: 'mse' };
    const wanted = await train(await options(made(), more));
    const first = made();
    const { runFolder: resume } = await train(await options(first, { ...more, maxSteps: 4 }));
    const { code, message, next } = await failure(train({ model: made(), data, resume }));
    expect(code).toBe('RESUME_MODEL_DIFFERS');
    expect(message).toMatch(
      /dense_Dense\d+ there is called dense_Dense\d+ here, dense_Dense\d+ there is called dense_Dense\d+ here: a model of several outputs finds/,
    );
    expect(next).toContain(`name: '${first.outputNames[0]}'`);
    const resumed = await train({ model: made(first.outputNames), data, resume });
    expect(resumed.weightsSha256).toBe(wanted.weightsSha256);
  });
});
