/**
 * Owns: what a replica's thread computes for kinds of models: the same over 1 shard and several where it must be, statistics per shard, keyed dropout,
 * initial weights from the seed alone. Does not: check numbers against other frameworks (test/golden).
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, it } from 'vitest';
import type { BucketLayout } from '../../../src/common/bucket_layout.js';
import type { MemoryDataset } from '../../../src/common/dataset.js';
import { datasetFromArrays } from '../../../src/data/arrays.js';
import type { LocalReplica } from '../../../src/worker/replica/local_replica.js';
import { openReplica } from '../../support/replica_under_test.js';
import { relativeDifference, stepOn } from '../../support/shards_on.js';
import { topologyOf } from '../../support/topology.js';

const open: LocalReplica[] = [];
afterEach(async () => {
  for (const replica of open.splice(0)) await replica.close();
});

/** A waving series per example; `examples` of them, labels counting up to 3. */
async function waves({ examples, shape }: { examples: number; shape: number[] }): Promise<MemoryDataset> {
  const size = shape.reduce((a, b) => a * b, 1);
  const split = {
    x: Float32Array.from({ length: examples * size }, (_, i) => Math.sin(1 + 0.7 * i + (i % 5))),
    y: Int32Array.from({ length: examples }, (_, i) => i % 3),
  };
  return datasetFromArrays({ name: 'waves', train: split, validation: split, inputShape: shape, classes: 3 });
}

async function replicaOf(
  model: tf.LayersModel,
  { examples = 12, compile = false, seed = 1, batchNorm = 'shard' as 'shard' | 'fixed' } = {},
): Promise<LocalReplica> {
  const dataset = await waves({ examples, shape: model.inputs[0].shape.slice(1) as number[] });
  const replica = await openReplica({ model: topologyOf(model), dataset, compile, seed, batchNorm });
  open.push(replica);
  return replica;
}

function slotOf({ slots }: BucketLayout, values: Float32Array, wanted: string): Float32Array {
  const { offset, size } = slots.find(({ name }) => name === wanted)!;
  return values.subarray(offset, offset + size);
}

const dense = (units: number, more: Partial<Parameters<typeof tf.layers.dense>[0]> = {}) => tf.layers.dense({ units, ...more });

describe.each([{ compile: true }, { compile: false }])('a replica (compiled: $compile)', ({ compile }) => {
  it('adds regularization losses once per step, however many shards', async () => {
    const model = (strength: number) =>
      tf.sequential({
        layers: [
          dense(4, { inputShape: [2], ...(strength !== 0 && { kernelRegularizer: tf.regularizers.l2({ l2: strength }) }) }),
          dense(3),
        ],
      });
    const plain = await stepOn(await replicaOf(model(0), { compile }), { rows: 12, shards: 1 });
    const replica = await replicaOf(model(0.5), { compile });
    const one = await stepOn(replica, { rows: 12, shards: 1 });
    const three = await stepOn(replica, { rows: 12, shards: 3 });
    const { initial } = await replica.describe();
    const kernel = initial.slice(0, 8);
    // loss sum + 12 · 0.5 · Σw², gradient + 12 · 2 · 0.5 · w: divided by the batch of 12 they count once.
    const squares = kernel.reduce((sum, w) => sum + w * w, 0);
    expect(one.lossSum - plain.lossSum).toBeCloseTo(6 * squares, 3);
    expect(three.lossSum).toBeCloseTo(one.lossSum, 3);
    kernel.forEach((w, i) => expect(one.gradient[i] - plain.gradient[i]).toBeCloseTo(12 * w, 3));
    expect(relativeDifference(one.gradient, three.gradient)).toBeLessThan(1e-5);
    expect(three.results.map(({ examples }) => examples)).toEqual([4, 4, 4]);
  });

  it('drops the same elements over 1 shard and 4, others in the next step, and other than the plain model', async () => {
    const model = (rate: number) =>
      tf.sequential({ layers: [dense(32, { inputShape: [5], activation: 'tanh' }), tf.layers.dropout({ rate }), dense(3)] });
    const replica = await replicaOf(model(0.25), { compile, examples: 13 });
    const one = await stepOn(replica, { rows: 13, shards: 1 });
    const four = await stepOn(replica, { rows: 13, shards: 4 });
    expect(four.results.map(({ examples }) => examples)).toEqual([4, 3, 3, 3]);
    expect(relativeDifference(one.gradient, four.gradient)).toBeLessThan(1e-5);
    expect(four.lossSum).toBeCloseTo(one.lossSum, 3);
    const later = await stepOn(replica, { rows: 13, shards: 1, step: 1 });
    const far = await stepOn(replica, { rows: 13, shards: 1, step: 2 ** 32 });
    const undropped = await stepOn(await replicaOf(model(0), { compile, examples: 13 }), { rows: 13, shards: 1 });
    const losses = [one, later, far, undropped].map(({ lossSum }) => lossSum);
    expect(new Set(losses).size).toBe(4);
  });

  it('moves the statistics of a batch norm at each of its uses in a step, in turn, and keeps dropout masks apart', async () => {
    const input = tf.input({ shape: [4] });
    const shared = tf.layers.batchNormalization({ name: 'shared' });
    const drop = tf.layers.dropout({ name: 'drop', rate: 0.5 });
    const first = shared.apply(input) as tf.SymbolicTensor;
    const second = shared.apply(tf.layers.activation({ activation: 'relu' }).apply(input)) as tf.SymbolicTensor;
    const branch = (name: string) =>
      dense(4, { name, kernelInitializer: 'identity' }).apply(drop.apply(first) as tf.SymbolicTensor) as tf.SymbolicTensor;
    const sum = tf.layers.add().apply([branch('a'), branch('b'), second]) as tf.SymbolicTensor;
    const outputs = dense(3, { name: 'out' }).apply(sum) as tf.SymbolicTensor;
    const replica = await replicaOf(tf.model({ inputs: input, outputs }), { compile, examples: 6 });
    const { train } = await waves({ examples: 6, shape: [4] });
    const { results, gradient } = await stepOn(replica, { rows: 6, shards: 1 });
    const mean = (c: number, read: (x: number) => number) =>
      [0, 1, 2, 3, 4, 5].reduce((total, row) => total + read(train.inputs.x[row * 4 + c]), 0) / 6;
    for (let c = 0; c < 4; c++) {
      // tfjs calls the branch behind relu first: from 0 to 0.01 · a, then to 0.99 · 0.01 · a + 0.01 · b, which one update gives with 0.99 · a + b.
      const [a, b] = [mean(c, (x) => Math.max(x, 0)), mean(c, (x) => x)];
      expect(results[0].statistics![c]).toBeCloseTo(0.99 * a + b, 5);
      // From 1: 0.99² · 1 + 0.99 · 0.01 · a + 0.01 · b = 0.99 · 1 + 0.01 · s, so s = 0.99 · a + b − 0.99.
      const spread = (read: (x: number) => number) => mean(c, (x) => read(x) ** 2) - mean(c, read) ** 2;
      const s = 0.99 * spread((x) => Math.max(x, 0)) + spread((x) => x) - 0.99;
      expect(results[0].statistics![4 + c]).toBeCloseTo(s, 5);
    }
    const { layout } = await replica.describe();
    // Both branches get the same error back: with one mask for both calls their gradients would be equal.
    expect(relativeDifference(slotOf(layout, gradient, 'a/kernel'), slotOf(layout, gradient, 'b/kernel'))).toBeGreaterThan(0.1);
    const before = await replica.memory();
    for (let step = 1; step < 4; step++) await stepOn(replica, { rows: 6, shards: 2, step });
    expect(await replica.memory()).toEqual(before);
  });
});

describe('a replica', () => {
  const compile = true;

  it('gives shards without examples to nobody', async () => {
    const replica = await replicaOf(tf.sequential({ layers: [dense(3, { inputShape: [2] })] }), { compile });
    const one = await stepOn(replica, { rows: 2, shards: 1 });
    const five = await stepOn(replica, { rows: 2, shards: 5 });
    expect(five.results.map(({ id, examples }) => [id.shard, examples])).toEqual([
      [0, 1],
      [1, 1],
    ]);
    expect(relativeDifference(one.gradient, five.gradient)).toBeLessThan(1e-6);
  });

  it('takes batch norm statistics of each shard by itself, biased', async () => {
    const model = tf.sequential({ layers: [tf.layers.batchNormalization({ inputShape: [2] }), dense(3)] });
    const replica = await replicaOf(model, { compile, examples: 5 });
    const { train } = await waves({ examples: 5, shape: [2] });
    const { results } = await stepOn(replica, { rows: 5, shards: 2 });
    const wanted = [
      [0, 1, 2],
      [3, 4],
    ].map((rows) => {
      const means = [0, 1].map((c) => rows.reduce((sum, row) => sum + train.inputs.x[row * 2 + c], 0) / rows.length);
      const variances = [0, 1].map(
        (c) => rows.reduce((sum, row) => sum + (train.inputs.x[row * 2 + c] - means[c]) ** 2, 0) / rows.length,
      );
      return [...means, ...variances];
    });
    results.forEach(({ statistics }, shard) => wanted[shard].forEach((value, i) => expect(statistics![i]).toBeCloseTo(value, 5)));
  });

  it.each([
    {
      name: 'LSTM',
      model: () => tf.sequential({ layers: [tf.layers.lstm({ units: 4, inputShape: [5, 2] }), dense(3)] }),
    },
    {
      name: 'bidirectional GRU and a layer at each step',
      model: () =>
        tf.sequential({
          layers: [
            tf.layers.bidirectional({
              layer: tf.layers.gru({ units: 3, returnSequences: true }) as tf.RNN,
              mergeMode: 'concat',
              inputShape: [4, 2],
            }),
            tf.layers.timeDistributed({ layer: dense(2, { activation: 'tanh' }) }),
            tf.layers.flatten(),
            dense(3, { activation: 'softmax' }),
          ],
        }),
    },
    {
      name: 'nested residual network with a frozen layer',
      model: () => {
        const inner = tf.sequential({
          name: 'inner',
          layers: [tf.layers.dense({ name: 'i', units: 4, activation: 'relu', inputShape: [4] })],
        });
        const input = tf.input({ shape: [4] });
        const sum = tf.layers.add().apply([input, inner.apply(input) as tf.SymbolicTensor]) as tf.SymbolicTensor;
        const frozen = dense(4, { trainable: false }).apply(sum) as tf.SymbolicTensor;
        return tf.model({ inputs: input, outputs: dense(3).apply(frozen) as tf.SymbolicTensor });
      },
    },
  ])('learns with a model of kind: $name', async ({ model }) => {
    const replica = await replicaOf(model(), { compile });
    const { layout, initial } = await replica.describe();
    const one = await stepOn(replica, { rows: 12, shards: 1 });
    const three = await stepOn(replica, { rows: 12, shards: 3 });
    expect(relativeDifference(one.gradient, three.gradient)).toBeLessThan(1e-5);
    for (const { name, offset, size } of layout.slots.slice(0, layout.trainedSlots))
      expect(
        one.gradient.subarray(offset, offset + size).some((value) => value !== 0),
        name,
      ).toBe(true);
    const weights = initial.slice();
    let lossSum = one.lossSum;
    for (let version = 1; version <= 3; version++) {
      const { gradient } = await stepOn(replica, { rows: 12, shards: 1, parameters: weights, version });
      gradient.forEach((g, i) => (weights[i] -= (0.1 * g) / 12));
      const next = await stepOn(replica, { rows: 12, shards: 1, parameters: weights, version: version + 100 });
      expect(next.lossSum).toBeLessThan(lossSum);
      lossSum = next.lossSum;
    }
  });
});

describe('initial weights', () => {
  const build = () =>
    tf.sequential({
      layers: [
        dense(8, { inputShape: [6] }),
        dense(8, { kernelInitializer: 'orthogonal', biasInitializer: 'randomNormal' }),
        dense(8, { kernelInitializer: 'heNormal', name: 'same_each_time' }),
        dense(3, { kernelInitializer: tf.initializers.randomUniform({ minval: -1, maxval: 1, seed: 7 }), name: 'own_seed' }),
      ],
    });
  const initialOf = async (seed: number): Promise<Float32Array> =>
    (await (await replicaOf(build(), { seed })).describe()).initial;

  it('come from the seed alone, seed 0 included, and are the same in two replicas', async () => {
    const [zero, zeroAgain, one] = [await initialOf(0), await initialOf(0), await initialOf(1)];
    expect(zeroAgain).toEqual(zero);
    expect(relativeDifference(zero, one)).toBeGreaterThan(0.1);
    // 6 · 8 + 8, then 8 · 8: no two layers start with the same numbers.
    expect(zero.slice(0, 8)).not.toEqual(zero.slice(56, 64));
    // An initializer with a seed of its own keeps it: the last layer's kernel is the same whatever the run's seed.
    const own = (initial: Float32Array) => initial.slice(-27, -3);
    expect(own(zero)).toEqual(own(one));
  });

  it('differ between layers that use one initializer', async () => {
    const twins = tf.sequential({
      layers: [dense(4, { inputShape: [4], useBias: false }), dense(4, { useBias: false }), dense(3)],
    });
    const { initial } = await (await replicaOf(twins)).describe();
    expect(initial.slice(0, 16)).not.toEqual(initial.slice(16, 32));
  });
});

it('is refused at opening, with the code and exit code intact, where the data does not fit the model', async () => {
  const model = topologyOf(tf.sequential({ layers: [dense(3, { inputShape: [4] })] }));
  const refused = await openReplica({ model, dataset: await waves({ examples: 3, shape: [5] }) }).catch(
    (error: unknown) => error,
  );
  expect(refused).toMatchObject({
    code: 'MODEL_INPUT_SHAPE',
    exitCode: 2,
    message: 'the model takes examples of [4], those of waves are [5]',
  });
  const labels = await openReplica({
    model: topologyOf(tf.sequential({ layers: [dense(2, { inputShape: [4] })] })),
    dataset: await waves({ examples: 3, shape: [4] }),
  }).catch((error: unknown) => error);
  expect(labels).toMatchObject({
    code: 'LABELS_SHAPE',
    exitCode: 2,
    message: 'the model tells 2 classes apart, the labels have 3, counted from 0',
  });
});

it('keeps masks and statistics of two nested models with layers of one name apart', async () => {
  const part = (tag: string) =>
    tf.sequential({
      name: tag,
      layers: [
        dense(16, { name: `${tag}_d`, inputShape: [16], kernelInitializer: 'identity' }),
        tf.layers.dropout({ name: 'drop', rate: 0.5 }),
      ],
    });
  const input = tf.input({ shape: [16] });
  const minus = tf.layers
    .dense({ name: 'minus', units: 16, kernelInitializer: 'identity', useBias: false })
    .apply(part('b').apply(input)) as tf.SymbolicTensor;
  const sum = tf.layers.add().apply([part('a').apply(input) as tf.SymbolicTensor, minus]) as tf.SymbolicTensor;
  const replica = await replicaOf(
    tf.model({ inputs: input, outputs: dense(3, { name: 'out' }).apply(sum) as tf.SymbolicTensor }),
    { examples: 4 },
  );
  const { gradient } = await stepOn(replica, { rows: 4, shards: 1 });
  const { layout } = await replica.describe();
  // Both branches start as the identity: with equal masks their gradients would be equal.
  expect(relativeDifference(slotOf(layout, gradient, 'a_d/kernel'), slotOf(layout, gradient, 'b_d/kernel'))).toBeGreaterThan(0.1);
});
