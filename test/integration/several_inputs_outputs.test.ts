/**
 * Owns: models of several inputs and outputs, weights of examples and masks, in runs: the weights after some steps, and the values told, are those of plain
 * tfjs's own operations with the loss as Keras defines it; the same bits on one replica and on two.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';
import { train, type TrainedRun } from '../../src/api/library.js';
import type { TrainOptions } from '../../src/api/train_options.js';
import { temporaryFolder } from '../support/temporary_folder.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const N = 10;
const BATCH = 5;
const RATE = 0.2;
const STEPS = 4;
const wave = (count: number, by: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * by));
const dense = (units: number, seed: number, over: object = {}) =>
  tf.layers.dense({ units, kernelInitializer: tf.initializers.glorotUniform({ seed }), ...over });

type Feeds = Record<string, tf.Tensor>;
type LossOf = (outputs: tf.Tensor[], rows: Feeds) => tf.Scalar;

/** Steps of sgd over the rows in order, with tfjs's own gradients. */
function truth(model: tf.LayersModel, data: Feeds, inputs: string[], loss: LossOf): { model: tf.LayersModel; losses: number[] } {
  const variables = model.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const first = (step * BATCH) % N;
    const rows = Object.fromEntries(Object.entries(data).map(([name, of]) => [name, of.slice(first, BATCH)]));
    const value = tf.train.sgd(RATE).minimize(
      () => {
        const given = inputs.map((name) => rows[name]);
        const outputs = model.apply(given.length === 1 ? given[0] : given, { training: true }) as tf.Tensor | tf.Tensor[];
        return loss([outputs].flat(), rows);
      },
      true,
      variables,
    );
    losses.push(value!.dataSync()[0]);
  }
  return { model, losses };
}

async function run(over: Partial<TrainOptions> & Pick<TrainOptions, 'model' | 'data'>, shards: number): Promise<TrainedRun> {
  return train({
    ...{ batch: BATCH, epochs: STEPS / 2, learningRate: RATE, shuffle: false, shards, workers: shards, threadsPerWorker: 1 },
    ...{ gpus: 'none', runDir: await temporaryFolder() },
    ...over,
  });
}

function furthest(model: tf.LayersModel, wanted: tf.LayersModel): number {
  const differences = model
    .getWeights()
    .map((weight, at) => tf.max(tf.abs(tf.sub(weight, wanted.getWeights()[at]))).dataSync()[0]);
  return Math.max(...differences);
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
/** Of weights near 1 after a few float32 steps, in another order of adding. */
const ROUNDING = 2e-6;

function twoTowers(): tf.LayersModel {
  const [left, right] = [tf.input({ shape: [3], name: 'left' }), tf.input({ shape: [2], name: 'right' })];
  const towers = [dense(4, 1, { activation: 'tanh' }).apply(left), dense(4, 2, { activation: 'tanh' }).apply(right)];
  const both = tf.layers.concatenate().apply(towers as tf.SymbolicTensor[]);
  return tf.model({ inputs: [left, right], outputs: dense(1, 3).apply(both) as tf.SymbolicTensor });
}

it('two towers, by name in another order than the model has, and as a list', async () => {
  const [left, right, y] = [wave(N * 3, 0.7), wave(N * 2, 1.3), wave(N, 0.4)];
  const feeds = { left: tf.tensor(left, [N, 3]), right: tf.tensor(right, [N, 2]), y: tf.tensor(y, [N, 1]) };
  const wanted = truth(twoTowers(), feeds, ['left', 'right'], ([output], rows) => tf.losses.meanSquaredError(rows.y, output));
  const named = { train: { x: { right, left }, y }, inputShape: { left: [3], right: [2] } };
  const listed = { train: { x: [left, right], y }, inputShape: [[3], [2]] };
  const runs: TrainedRun[] = [];
  for (const [data, shards] of [
    [named, 1],
    [named, 2],
    [listed, 2],
  ] as const)
    runs.push(await run({ model: twoTowers(), data, loss: 'mse' }, shards));
  for (const { model, history } of runs) {
    expect(furthest(model, wanted.model)).toBeLessThan(ROUNDING);
    expect(history[1].loss).toBeCloseTo(mean(wanted.losses.slice(2)), 5);
  }
  expect(runs[2].weightsSha256).toBe(runs[1].weightsSha256);
  const alone = await run({ model: twoTowers(), data: named, loss: 'mse', workers: 1 }, 2);
  expect(alone.weightsSha256).toBe(runs[1].weightsSha256);
});

function twoHeads(): tf.LayersModel {
  const input = tf.input({ shape: [3] });
  const body = dense(5, 1, { activation: 'tanh' }).apply(input) as tf.SymbolicTensor;
  const kind = dense(3, 2, { activation: 'softmax', name: 'kind' }).apply(body) as tf.SymbolicTensor;
  const size = dense(2, 3, { name: 'size' }).apply(body) as tf.SymbolicTensor;
  return tf.model({ inputs: input, outputs: [kind, size] });
}

it('two heads with losses, loss weights and metrics of their own, and weights of examples', async () => {
  const [x, size] = [wave(N * 3, 0.7), wave(N * 2, 1.1)];
  const kind = Int32Array.from({ length: N }, (_, row) => (row * 7) % 3);
  const weights = Float32Array.from({ length: N }, (_, row) => (row % 4) / 2);
  const feeds = {
    x: tf.tensor(x, [N, 3]),
    kind: tf.tensor1d(kind, 'int32'),
    size: tf.tensor(size, [N, 2]),
    weights: tf.tensor1d(weights),
  };
  const parts: number[][] = [];
  const wanted = truth(twoHeads(), feeds, ['x'], ([ofKind, ofSize], rows) => {
    const share = tf.sum(tf.mul(ofKind, tf.oneHot(rows.kind as tf.Tensor1D, 3)), 1);
    const first = tf.mean(tf.mul(tf.neg(tf.log(share)), rows.weights));
    const second = tf.mean(tf.abs(tf.sub(ofSize, rows.size)));
    const right = tf.mean(tf.cast(tf.equal(tf.argMax(ofKind, 1), rows.kind), 'float32'));
    parts.push([first.dataSync()[0], second.dataSync()[0], right.dataSync()[0]]);
    return tf.add(first, tf.mul(second, 0.3));
  });
  const y = { kind, size };
  const data = { train: { x, y, weights: { kind: weights } }, validation: { x, y }, inputShape: [3] };
  const loss = 'kind=softmax_cross_entropy, size=meanAbsoluteError';
  const options = { data, loss, lossWeights: ['size=0.3'], metrics: ['kind=accuracy', 'size=mse'] };
  // The same, as people write it.
  const written = {
    ...{ loss: { kind: 'softmax_cross_entropy', size: 'meanAbsoluteError' }, lossWeights: [1, 0.3] },
    metrics: { kind: 'accuracy', size: ['mse'] },
  };
  const runs = [await run({ model: twoHeads(), ...options }, 1), await run({ model: twoHeads(), ...options, ...written }, 2)];
  for (const { model, history } of runs) {
    expect(furthest(model, wanted.model)).toBeLessThan(ROUNDING);
    const names = ['loss', 'kind_loss', 'size_loss', 'kind_acc', 'size_mse'];
    expect(Object.keys(history[0]).sort()).toEqual([...names, ...names.map((name) => `val_${name}`)].sort());
    for (const [epoch, values] of history.entries()) {
      const [ofKind, ofSize, right] = [0, 1, 2].map((at) => mean(parts.slice(2 * epoch, 2 * epoch + 2).map((part) => part[at])));
      expect(values.kind_loss).toBeCloseTo(ofKind, 5);
      expect(values.size_loss).toBeCloseTo(ofSize, 5);
      expect(values.loss).toBeCloseTo(ofKind + 0.3 * ofSize, 5);
      // Metrics are of all examples alike, as Keras's metrics (its weighted_metrics are not).
      expect(values.kind_acc).toBeCloseTo(right, 6);
      expect(values.val_loss).toBeCloseTo(values.val_kind_loss! + 0.3 * values.val_size_loss!, 5);
    }
  }
  // What the model itself was compiled with says the same; the weights of losses are the run's.
  const compiled = twoHeads();
  compiled.compile({
    optimizer: 'sgd',
    loss: { size: 'meanAbsoluteError', kind: 'sparseCategoricalCrossentropy' },
    metrics: { kind: 'acc' },
  });
  const { history } = await run({ model: compiled, data }, 1);
  const own = Object.keys(history[0]).filter((name) => !name.startsWith('val_'));
  expect(own).toEqual(['loss', 'kind_loss', 'size_loss', 'kind_acc']);
});

/** Sequences of 2 to 4 of 4 steps; the others are zeros, which Masking takes out. */
const STEPS_OF = Array.from({ length: N }, (_, row) => 2 + (row % 3));
const sequences = wave(N * 4 * 2, 0.9).map((value, i) => (Math.floor(i / 2) % 4 < STEPS_OF[Math.floor(i / 8)] ? value : 0));

function maskedLstm(): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.masking({ maskValue: 0, inputShape: [4, 2] }),
      tf.layers.lstm({
        ...{ units: 3, returnSequences: true, recurrentActivation: 'sigmoid' as const },
        kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }),
        recurrentInitializer: tf.initializers.orthogonal({ gain: 1, seed: 2 }),
      }),
      tf.layers.timeDistributed({ layer: dense(3, 3, { activation: 'softmax' }), name: 'each' }),
    ],
  });
}

it('a masked LSTM learns from the steps that are there, whose loss is their mean over the whole batch, as in Keras', async () => {
  const y = Int32Array.from({ length: N * 4 }, (_, at) => (at * 5) % 3);
  const mask = tf.tensor(
    STEPS_OF.flatMap((steps) => [0, 1, 2, 3].map((step) => (step < steps ? 1 : 0))),
    [N, 4],
  );
  const feeds = { x: tf.tensor(sequences, [N, 4, 2]), y: tf.tensor2d(y, [N, 4], 'int32'), mask };
  const accuracies: number[] = [];
  const wanted = truth(maskedLstm(), feeds, ['x'], ([output], rows) => {
    const share = tf.sum(tf.mul(output, tf.oneHot(rows.y as tf.Tensor2D, 3)), -1);
    const right = tf.mul(tf.cast(tf.equal(tf.argMax(output, -1), rows.y), 'float32'), rows.mask);
    accuracies.push(tf.div(tf.sum(right), tf.sum(rows.mask)).dataSync()[0]);
    return tf.div(tf.sum(tf.mul(tf.neg(tf.log(share)), rows.mask)), tf.sum(rows.mask)) as tf.Scalar;
  });
  const data = { train: { x: sequences, y }, validation: { x: sequences, y }, inputShape: [4, 2], labelShape: [4] };
  const options = { data, loss: 'sparseCategoricalCrossentropy', metrics: ['acc', 'mse'] };
  const one = await run({ model: maskedLstm(), ...options }, 1);
  const two = await run({ model: maskedLstm(), ...options }, 2);
  const alone = await run({ model: maskedLstm(), ...options, workers: 1 }, 2);
  for (const { model, history } of [one, two]) {
    expect(furthest(model, wanted.model)).toBeLessThan(ROUNDING);
    for (const [epoch, values] of history.entries()) {
      expect(values.loss).toBeCloseTo(mean(wanted.losses.slice(2 * epoch, 2 * epoch + 2)), 5);
      expect(values.acc).toBeCloseTo(mean(accuracies.slice(2 * epoch, 2 * epoch + 2)), 6);
    }
  }
  expect(alone.weightsSha256).toBe(two.weightsSha256);
});

/** The sum and the product of masked sequences: tfjs's mask of both is one that nothing can read. */
function maskedSum(): tf.LayersModel {
  const entry = tf.input({ shape: [4, 2] });
  const kept = tf.layers.masking({ maskValue: 0 }).apply(entry);
  const [a, b] = [dense(3, 4).apply(kept), dense(3, 5, { activation: 'tanh' }).apply(kept)] as tf.SymbolicTensor[];
  const both = [tf.layers.add().apply([a, b]), tf.layers.multiply().apply([a, b])] as tf.SymbolicTensor[];
  return tf.model({ inputs: entry, outputs: dense(2, 6).apply(tf.layers.average().apply(both)) as tf.SymbolicTensor });
}

it('a mask goes through layers that add, multiply and average', async () => {
  const y = wave(N * 4 * 2, 0.6);
  const counted = STEPS_OF.flatMap((steps) => [0, 1, 2, 3].map((step) => (step < steps ? 1 : 0)));
  const feeds = { x: tf.tensor(sequences, [N, 4, 2]), y: tf.tensor(y, [N, 4, 2]), mask: tf.tensor(counted, [N, 4]) };
  const wanted = truth(maskedSum(), feeds, ['x'], ([output], rows) => {
    const each = tf.mean(tf.squaredDifference(output, rows.y), -1);
    return tf.div(tf.sum(tf.mul(each, rows.mask)), tf.sum(rows.mask)) as tf.Scalar;
  });
  const data = { train: { x: sequences, y }, inputShape: [4, 2], labelShape: [4, 2] };
  const { model, history } = await run({ model: maskedSum(), data, loss: 'mse' }, 2);
  expect(furthest(model, wanted.model)).toBeLessThan(ROUNDING);
  expect(history[0].loss).toBeCloseTo(mean(wanted.losses.slice(0, 2)), 5);
});

/** Masked steps before ones that are not masked, along time: tfjs can join no such masks. */
function masksAlongTime(): tf.LayersModel {
  const [masked, plain] = [tf.input({ shape: [4, 2], name: 'masked' }), tf.input({ shape: [3, 2], name: 'plain' })];
  const kept = tf.layers.masking({ maskValue: 0 }).apply(masked);
  const all = tf.layers.concatenate({ axis: 1 }).apply([kept, plain] as tf.SymbolicTensor[]);
  return tf.model({ inputs: [masked, plain], outputs: dense(2, 4).apply(all) as tf.SymbolicTensor });
}

it('masked and unmasked steps are joined along time', async () => {
  const [after, y] = [wave(N * 3 * 2, 0.4), wave(N * 7 * 2, 0.6)];
  const counted = STEPS_OF.flatMap((steps) => [0, 1, 2, 3, 4, 5, 6].map((step) => (step < steps || step > 3 ? 1 : 0)));
  const feeds = {
    ...{ masked: tf.tensor(sequences, [N, 4, 2]), plain: tf.tensor(after, [N, 3, 2]) },
    ...{ y: tf.tensor(y, [N, 7, 2]), mask: tf.tensor(counted, [N, 7]) },
  };
  // The truth hears of no mask: a dense layer takes each step by itself.
  const unmasked = (): tf.LayersModel => {
    const [masked, plain] = [tf.input({ shape: [4, 2], name: 'masked' }), tf.input({ shape: [3, 2], name: 'plain' })];
    const all = tf.layers.concatenate({ axis: 1 }).apply([masked, plain]) as tf.SymbolicTensor;
    return tf.model({ inputs: [masked, plain], outputs: dense(2, 4).apply(all) as tf.SymbolicTensor });
  };
  const wanted = truth(unmasked(), feeds, ['masked', 'plain'], ([output], rows) => {
    const each = tf.mean(tf.squaredDifference(output, rows.y), -1);
    return tf.div(tf.sum(tf.mul(each, rows.mask)), tf.sum(rows.mask)) as tf.Scalar;
  });
  const data = {
    train: { x: { masked: sequences, plain: after }, y },
    inputShape: { masked: [4, 2], plain: [3, 2] },
    labelShape: [7, 2],
  };
  const { model, history } = await run({ model: masksAlongTime(), data, loss: 'mse' }, 2);
  expect(furthest(model, wanted.model)).toBeLessThan(ROUNDING);
  expect(history[0].loss).toBeCloseTo(mean(wanted.losses.slice(0, 2)), 5);
});

it('what does not go together is refused by name', async () => {
  const x = new Float32Array(N * 3);
  const y = { kind: new Int32Array(N), size: new Float32Array(N * 2) };
  const base = { data: { train: { x, y }, inputShape: [3] }, loss: 'kind=softmax_cross_entropy, size=mse' };
  const refusal = async (over: Partial<TrainOptions>): Promise<string> => {
    const error: unknown = await run({ model: twoHeads(), ...base, ...over }, 1).catch((thrown: unknown) => thrown);
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  };
  expect(await refusal({ data: { train: { x, y: y.kind }, inputShape: [3] } })).toBe(
    'MODEL_INPUTS: the model has 2 outputs (kind, size), arrays has 1 array of labels (y)',
  );
  expect(await refusal({ data: { train: { x, y: { sort: y.kind, size: y.size } }, inputShape: [3] } })).toBe(
    'MODEL_INPUTS: the model has 2 outputs (kind, size), arrays has 2 arrays of labels (sort, size)',
  );
  expect(await refusal({ loss: 'kind=softmax_cross_entropy, seize=mse' })).toBe(
    "OUTPUT_UNKNOWN: the loss mse is for the output seize, and the model's outputs are kind, size",
  );
  expect(await refusal({ lossWeights: ['size=much'] })).toMatch(/^OPTION_INVALID: lossWeights must be a list of output=weight/);
  expect(await refusal({ lossWeights: [1, 0.5, 2] })).toBe(
    "LOSS_WEIGHT: loss_weights has 1, 0.5, 2, and the model's outputs are kind, size",
  );
  expect(await refusal({ loss: 'kind=softmax_cross_entropy' })).toMatch(/^LOSS_NEEDED: /);
  const weights = Float32Array.from({ length: N }, (_, row) => (row === 2 ? -1 : 1));
  expect(await refusal({ data: { train: { x, y, weights }, inputShape: [3] } })).toBe(
    'DATA_ARRAYS: arrays: train.weights[2] is -1, wanted a number of at least 0',
  );
});
