/** Owns: fitDataset() on a real replica beside tfjs's own, and what it does where tfjs's goes wrong. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, expect, it } from 'vitest';
import { fit, fitDataset, release, type BatchSource } from '../../../src/index.js';

const ROWS = 26;
const XS = Array.from({ length: ROWS }, (_, i) => [Math.sin(i * 1.3), Math.cos(i * 0.7)]);
const YS = XS.map(([a, b]) => [a * b]);
const batches = () => tf.data.zip({ xs: tf.data.array(XS), ys: tf.data.array(YS) } as never).batch(8);
const QUIET = { devices: ['CPU:0'], threadsPerWorker: 1, verbose: 0 } as const;

function model(): tf.Sequential {
  const dense = (units: number, more: object): tf.layers.Layer =>
    tf.layers.dense({ units, kernelInitializer: tf.initializers.glorotUniform({ seed: units }), ...more });
  const made = tf.sequential({ layers: [dense(5, { activation: 'tanh', inputShape: [2] }), dense(1, {})] });
  made.compile({ optimizer: tf.train.adam(0.02), loss: 'meanSquaredError', metrics: ['mae'] });
  return made;
}

function classifier(): tf.Sequential {
  const made = tf.sequential({
    layers: [tf.layers.dense({ units: 2, inputShape: [2], activation: 'softmax', kernelInitializer: 'ones' })],
  });
  made.compile({ optimizer: tf.train.sgd(0.5), loss: 'categoricalCrossentropy' });
  return made;
}

afterAll(() => release());

it("has tfjs's history, logs and calls, and takes batches of other values and sizes without opening replicas again", async () => {
  const [theirs, ours] = [model(), model()];
  const told: string[][] = [[], []];
  const callbacks = (into: string[]): tf.CustomCallbackArgs => ({
    onBatchBegin: (batch, logs) => void into.push(`begin ${batch} ${JSON.stringify(logs)}`),
    onBatchEnd: (batch, logs) => void into.push(`end ${batch} ${Object.keys(logs!).join()} ${String(logs!.size)}`),
    onEpochEnd: (epoch, logs) => void into.push(`epoch ${epoch} ${Object.keys(logs!).join()}`),
  });
  const asked = { epochs: 2, validationData: batches() } as const;
  const wanted = await theirs.fitDataset(batches(), { ...asked, callbacks: callbacks(told[0]) } as never);
  const before = tf.memory().numTensors;
  const found = await fitDataset(ours, batches(), {
    ...QUIET,
    ...(asked as { epochs: 2; validationData: BatchSource }),
    callbacks: callbacks(told[1]),
  });
  // The two moments of four weights.
  expect(tf.memory().numTensors).toBe(before + 8);
  expect(told[1]).toEqual(told[0]);
  expect(told[1]).toContain('end 3 batch,size,loss,mae 2');
  for (const [name, values] of Object.entries(wanted.history))
    values.forEach((value, at) => expect(found.history[name][at], `${name} ${at}`).toBeCloseTo(value as number, 5));

  const repeated = { epochs: 2, batchesPerEpoch: 5 };
  const wantedMore = await theirs.fitDataset(batches().repeat(), repeated as never);
  const foundMore = await fitDataset(ours, batches().repeat(), { ...QUIET, ...repeated });
  wantedMore.history.loss.forEach((value, at) => expect(foundMore.history.loss[at]).toBeCloseTo(value as number, 5));
});

it('takes labels of [n] for what fit takes them, and arrays for tensors', async () => {
  const [one, other] = [model(), model()];
  const flat = YS.map(([y]) => y);
  const whole = await fit(one, XS, tf.tensor1d(flat), { ...QUIET, shuffle: false, batchSize: ROWS });
  const source = {
    iterator: () => {
      const left = [{ xs: XS, ys: Float32Array.from(flat) }];
      const next = () => Promise.resolve({ value: left.pop() ?? null, done: left.length === 0 });
      return Promise.resolve({ next });
    },
  };
  const streamed = await fitDataset(other, source, { ...QUIET, epochs: 1 });
  expect(streamed.history).toEqual(whole.history);
  expect(streamed.run.weightsSha256).toBe(whole.run.weightsSha256);
});

it('takes batches that grow, and weights of classes, as tfjs does', async () => {
  const growing = (): unknown => ({
    iterator: () => {
      let at = 0;
      const next = () => {
        const size = 2 + at * 3;
        const xs = tf.tensor2d(XS.slice(0, size));
        const ys = tf.oneHot(tf.tensor1d(Int32Array.from({ length: size }, (_, row) => row % 2)), 2).toFloat();
        return Promise.resolve({ value: at++ < 3 ? { xs, ys } : null, done: at > 3 });
      };
      return Promise.resolve({ next });
    },
  });
  const [theirs, ours] = [classifier(), classifier()];
  const asked = { epochs: 2, classWeight: { 0: 1, 1: 3 } };
  const wanted = await theirs.fitDataset(growing() as never, asked);
  const found = await fitDataset(ours, growing() as BatchSource, { ...QUIET, ...asked });
  wanted.history.loss.forEach((value, at) => expect(found.history.loss[at]).toBeCloseTo(value as number, 5));
});

it('trains several outputs, and reads what it validates on after each epoch, by an iterator of its own', async () => {
  const made = (): tf.LayersModel => {
    const x = tf.input({ shape: [2] });
    const head = (name: string, seed: number) =>
      tf.layers
        .dense({ units: 1, name, kernelInitializer: tf.initializers.glorotUniform({ seed }) })
        .apply(x) as tf.SymbolicTensor;
    const two = tf.model({ inputs: x, outputs: [head('a', 1), head('b', 2)] });
    two.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    return two;
  };
  let iterators = 0;
  const source = (factor: number): BatchSource => ({
    iterator: () => {
      iterators += 1;
      // Batch after batch another value, so that a batch read twice or left out shows.
      const left = [3, 2, 1].map((by) => ({
        xs: XS.map(([a, b]) => [a * by, b]),
        ys: { a: tf.tensor2d(YS).mul(factor * by), b: YS.map(([y]) => y - by) },
      }));
      return Promise.resolve({ next: () => Promise.resolve({ value: left.pop() ?? null, done: left.length === 0 }) });
    },
  });
  const own = made();
  const { history } = await fitDataset(own, source(1), { ...QUIET, epochs: 2, validationData: source(2), validationBatches: 2 });
  expect(iterators).toBe(4);
  expect(Object.keys(history)).toEqual(['val_loss', 'val_a_loss', 'val_b_loss', 'loss', 'a_loss', 'b_loss']);
  // Of the weights at the end: what tfjs's own model says of the same two batches.
  const [a, b] = [1, 2].map((by) => {
    const outputs = own.predict(tf.tensor2d(XS.map(([x, y]) => [x * by, y]))) as tf.Tensor[];
    const targets = [tf.tensor2d(YS).mul(2 * by), tf.tensor2d(YS).sub(by)];
    return outputs.map((output, at) => tf.losses.meanSquaredError(targets[at], output).dataSync()[0]);
  });
  expect(history.val_a_loss[1]).toBeCloseTo((a[0] + b[0]) / 2, 4);
  expect(history.val_b_loss[1]).toBeCloseTo((a[1] + b[1]) / 2, 4);
  expect(history.val_loss[1]).toBeCloseTo((a[0] + a[1] + b[0] + b[1]) / 2, 4);
});

it('refuses what is no dataset, and ends where one is out of batches', async () => {
  const own = model();
  const refusal = async (source: unknown, options: object): Promise<string> => {
    const asked = { ...QUIET, epochs: 1, ...options };
    const error = await fitDataset(own, source as BatchSource, asked).catch((reason: unknown) => reason);
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  };
  const weighted = tf.data.array([{ xs: [1, 2], ys: [1], sampleWeight: 2 }]).batch(1);
  expect([
    await refusal(batches(), { epochs: undefined }),
    await refusal(3, {}),
    await refusal(tf.data.array([]), {}),
    await refusal(tf.data.array([1, 2]), {}),
    await refusal(weighted, {}),
    await refusal(batches(), { batchSize: 3 }),
    await refusal(batches(), { batchesPerEpoch: 0.5 }),
    await refusal(batches(), { runDir: 'runs' }),
    await refusal(batches(), { validationData: [1] }),
    await refusal(batches(), { epochs: 3, batchesPerEpoch: 4 }),
  ]).toMatchInlineSnapshot(`
    [
      "OPTION_INVALID: epochs must be given, as tfjs wants it, found undefined",
      "OPTION_INVALID: the dataset must be a tf.data.Dataset, or an object with iterator(), found 3",
      "DATA_EMPTY: the dataset has no batch",
      "DATA_ARRAYS: the dataset gives no { xs, ys }, where xs are a batch's rows and ys their targets; zip() makes them of two",
      "DATA_ARRAYS: the dataset gives sampleWeight beside xs and ys: fit() takes weights of examples, of arrays",
      "OPTION_REFUSED: fitDataset() does not take batchSize: batches are the dataset's own: dataset.batch(32)",
      "OPTION_INVALID: batchesPerEpoch must be a whole number of at least 1, found 0.5",
      "OPTION_REFUSED: fitDataset() does not take runDir: nothing is kept of it; train({ data: dataset, runDir }) keeps states and models",
      "DATA_ARRAYS: validationData is neither [x, y] nor a dataset; weights of validation examples are not taken",
      "DATA_EMPTY: the dataset has no batch left for epoch 2",
    ]
  `);
});
