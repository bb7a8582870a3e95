/** Owns: predict(), evaluate() and evaluateDataset() on real replicas beside tfjs's own, and that the number of replicas changes no bit. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, it } from 'vitest';
import { evaluate, evaluateDataset, fit, predict, release } from '../../../src/index.js';

const ROWS = 21;
const wave = (count: number, by: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * by));
const LEFT = tf.tensor(wave(ROWS * 3, 0.7), [ROWS, 3]);
const RIGHT = tf.tensor(wave(ROWS * 2, 1.3), [ROWS, 2]);
const KIND = tf.oneHot(tf.tensor1d(Int32Array.from({ length: ROWS }, (_, row) => (row * 7) % 3)), 3).toFloat();
const SIZE = tf.tensor(wave(ROWS * 2, 0.4), [ROWS, 2]);
const ONE = { devices: ['CPU:0'], threadsPerWorker: 1 };
const TWO = { devices: ['CPU:0', 'CPU:0'], threadsPerWorker: 1 };

const dense = (units: number, seed: number, more: object = {}) =>
  tf.layers.dense({ units, kernelInitializer: tf.initializers.glorotUniform({ seed }), ...more });

/** Two towers with two heads. */
function towers(): tf.LayersModel {
  const [left, right] = [tf.input({ shape: [3], name: 'left' }), tf.input({ shape: [2], name: 'right' })];
  const sides = [dense(4, 1, { activation: 'tanh' }).apply(left), dense(4, 2, { activation: 'tanh' }).apply(right)];
  const both = tf.layers.concatenate().apply(sides as tf.SymbolicTensor[]);
  const kind = dense(3, 3, { activation: 'softmax', name: 'kind' }).apply(both) as tf.SymbolicTensor;
  const size = dense(2, 4, { name: 'size' }).apply(both) as tf.SymbolicTensor;
  return tf.model({ inputs: [left, right], outputs: [kind, size], name: 'towers' });
}

/** Dropout and a batch norm, which differ in training. */
function sides({ compiled = true } = {}): tf.Sequential {
  const made = tf.sequential({
    name: 'sides',
    layers: [
      dense(8, 5, { activation: 'relu', inputShape: [3] }),
      tf.layers.batchNormalization({}),
      tf.layers.dropout({ rate: 0.5 }),
      dense(3, 6, { activation: 'softmax' }),
    ],
  });
  if (compiled) made.compile({ optimizer: tf.train.adam(0.05), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return made;
}

const valuesOf = (given: tf.Tensor | tf.Tensor[]): number[] => [given].flat().flatMap((one) => [...one.dataSync()]);

function expectClose(found: readonly number[], wanted: readonly number[]): void {
  expect(found.length).toBe(wanted.length);
  found.forEach((value, at) => expect(value, String(at)).toBeCloseTo(wanted[at], 5));
}

afterAll(() => release());

describe('predict()', () => {
  it("gives tfjs's outputs, of several in the model's order, to the same bits on one replica and on two", async () => {
    const [one, two] = [towers(), towers()];
    const first = (await predict(one, [LEFT, RIGHT], { ...ONE, batchSize: 4 })) as tf.Tensor[];
    const second = await predict(two, { right: RIGHT, left: LEFT }, { ...TWO, batchSize: 4 });
    expect(valuesOf(second)).toEqual(valuesOf(first));
    expect(first.map(({ shape }) => shape)).toEqual([
      [ROWS, 3],
      [ROWS, 2],
    ]);
    expectClose(valuesOf(first), valuesOf(one.predict([LEFT, RIGHT])));
  });

  it('takes a model that is not compiled, arrays of every kind, and the weights of that moment', async () => {
    const own = sides({ compiled: false });
    const before = await predict(own, LEFT, ONE);
    expectClose(valuesOf(before), valuesOf(own.predict(LEFT) as tf.Tensor));
    expect(valuesOf(await predict(own, LEFT.dataSync(), ONE))).toEqual(valuesOf(before));
    expect(valuesOf(await predict(own, LEFT.arraySync() as number[][], ONE))).toEqual(valuesOf(before));
    own.setWeights(own.getWeights().map((weight) => weight.mul(2)));
    expectClose(valuesOf(await predict(own, LEFT, ONE)), valuesOf(own.predict(LEFT) as tf.Tensor));
  });

  it('takes sequences of any length, int32 tokens, and refuses those that an embedding does not have', async () => {
    const embedding = tf.layers.embedding({
      ...{ inputDim: 5, outputDim: 2, maskZero: true, inputShape: [null] as unknown as number[] },
      embeddingsInitializer: tf.initializers.randomUniform({ minval: -1, maxval: 1, seed: 3 }),
    });
    const own = tf.sequential({
      layers: [embedding, tf.layers.simpleRNN({ units: 2, kernelInitializer: 'ones', recurrentInitializer: 'identity' })],
    });
    for (const tokens of [tf.tensor2d([[1, 2, 0]], [1, 3], 'int32'), tf.tensor2d([[4, 1, 3, 2, 0]], [1, 5])])
      expectClose(valuesOf(await predict(own, tokens, ONE)), valuesOf(own.predict(tokens) as tf.Tensor));
    await expect(
      predict(
        own,
        tf.tensor2d([
          [1, 2],
          [3, 5],
        ]),
        ONE,
      ),
    ).rejects.toMatchObject({
      code: 'TOKEN_OUT_OF_RANGE',
      message: 'example 1 of x has the token 5 at position 1; embedding ' + embedding.name + ' has rows for 0 … 4',
    });
  });

  it('in calls at once serves one after the other, and hands NaN on as tfjs does', async () => {
    const own = sides();
    const broken = Float32Array.of(NaN, 1, 2);
    const [a, b, c] = await Promise.all([predict(own, LEFT, ONE), predict(own, LEFT), predict(own, broken)]);
    expect(valuesOf(b)).toEqual(valuesOf(a));
    expect(valuesOf(c)).toEqual([NaN, NaN, NaN]);
  });
});

describe('evaluate()', () => {
  it("gives tfjs's scalars over replicas that fit() shares, without opening them again", async () => {
    const own = sides();
    const said: string[] = [];
    const options = { onProgress: (line: string) => void said.push(line) };
    await fit(own, LEFT, KIND, { ...TWO, shards: 1, verbose: 0, epochs: 1 });
    const wanted = own.evaluate(LEFT, KIND) as tf.Scalar[];
    expectClose(valuesOf(await evaluate(own, LEFT, KIND, options)), valuesOf(wanted));
    expectClose(valuesOf(await predict(own, LEFT, options)), valuesOf(own.predict(LEFT) as tf.Tensor));
    // Adam's memory goes on after both.
    const [twice, whole] = [sides(), sides()];
    const quiet = { ...ONE, verbose: 0, shuffle: false } as const;
    await fit(twice, LEFT, KIND, { ...quiet, epochs: 1 });
    await evaluate(twice, LEFT.slice(0, 5), KIND.slice(0, 5));
    await predict(twice, LEFT);
    const second = await fit(twice, LEFT, KIND, { ...quiet, initialEpoch: 1, epochs: 2 });
    const both = await fit(whole, LEFT, KIND, { ...quiet, epochs: 2 });
    expect(second.run.weightsSha256).toBe(both.run.weightsSha256);
  });

  it('gives the same bits on one replica and on two, one scalar where there is only a loss, and weighs examples', async () => {
    const own = sides();
    const one = await evaluate(own, LEFT, KIND, { ...ONE, batchSize: 4 });
    const two = await evaluate(own, LEFT, KIND, { ...TWO, batchSize: 4 });
    expect(valuesOf(two)).toEqual(valuesOf(one));
    own.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy' });
    const alone = (await evaluate(own, LEFT, KIND, ONE)) as tf.Scalar;
    expect(alone.shape).toEqual([]);
    const double = (await evaluate(own, LEFT, KIND, { sampleWeight: new Float32Array(ROWS).fill(2) })) as tf.Scalar;
    expect(double.dataSync()[0]).toBeCloseTo(2 * alone.dataSync()[0], 5);
  });

  it('of several outputs gives each loss under its own name, where tfjs shifts them', async () => {
    const own = towers();
    own.compile({ optimizer: 'sgd', loss: ['categoricalCrossentropy', 'meanSquaredError'] });
    const found = valuesOf(await evaluate(own, [LEFT, RIGHT], [KIND, SIZE], ONE));
    const [kind, size] = (own.predict([LEFT, RIGHT]) as tf.Tensor[]).map((output) => output);
    const losses = [
      tf.metrics.categoricalCrossentropy(KIND, kind).mean().dataSync()[0],
      tf.losses.meanSquaredError(SIZE, size).dataSync()[0],
    ];
    expectClose(found, [losses[0] + losses[1], ...losses]);
    const weighed = valuesOf(await evaluate(own, [LEFT, RIGHT], [KIND, SIZE], { lossWeights: { kind: 0, size: 3 } }));
    expect(weighed[0]).toBeCloseTo(3 * losses[1], 5);
  });

  it('reads a dataset, its iterator, or so many batches, as tfjs does', async () => {
    const own = sides();
    const rows = { xs: tf.data.array(LEFT.arraySync() as number[][]), ys: tf.data.array(KIND.arraySync() as number[][]) };
    const batches = (): tf.data.Dataset<tf.TensorContainer> => tf.data.zip(rows).batch(4);
    const wanted = valuesOf(await own.evaluateDataset(batches() as never, {}));
    const before = tf.memory().numTensors;
    const found = await evaluateDataset(own, batches(), ONE);
    expectClose(valuesOf(found), wanted);
    expect(tf.memory().numTensors).toBe(before + 2);
    expectClose(valuesOf(await evaluateDataset(own, await batches().iterator(), ONE)), wanted);
    const two = valuesOf(await own.evaluateDataset(batches() as never, { batches: 2 }));
    expectClose(valuesOf(await evaluateDataset(own, batches(), { ...ONE, batches: 2 })), two);
  });
});

it('refuses what it cannot do, by name', async () => {
  const own = sides();
  const bare = sides({ compiled: false });
  const calls: (() => Promise<unknown>)[] = [
    () => predict(3 as never, LEFT),
    () => predict(own, LEFT, { batch: 3 } as never),
    () => predict(own, LEFT, { batchSize: 0.5 }),
    () => predict(own, tf.zeros([0, 3])),
    () => predict(towers(), [LEFT, RIGHT.slice(0, 3)]),
    () => evaluate(bare, LEFT, KIND),
    () => evaluate(own, LEFT, KIND.slice(0, 3), ONE),
    () => evaluate(own, LEFT, KIND, { steps: 3 } as never),
    () => evaluate(own, LEFT, KIND.sub(1), ONE),
    () => evaluateDataset(own, 3 as never),
    async () => {
      const training = fit(own, LEFT, KIND, { ...ONE, verbose: 0 });
      await predict(own, LEFT).finally(() => training);
    },
  ];
  const answers: string[] = [];
  for (const call of calls) {
    const { code, message } = (await call().catch((reason: unknown) => reason)) as { code: string; message: string };
    answers.push(`${code}: ${message}`);
  }
  expect(answers).toMatchInlineSnapshot(`
    [
      "OPTION_INVALID: predict() takes a tf.LayersModel, found number",
      "OPTION_UNKNOWN: predict() has no option batch",
      "OPTION_INVALID: batchSize must be a whole number of at least 1, found 0.5",
      "DATA_ARRAYS: x has no rows",
      "DATA_ARRAYS: x has 21 rows, x.right 3",
      "MODEL_NOT_COMPILED: evaluate() judges by the loss and metrics that the model is compiled with, and this one is not compiled",
      "DATA_ARRAYS: x has 21 rows, y 3",
      "OPTION_REFUSED: evaluate() does not take steps: tfjs throws for it; all rows are evaluated",
      "DATA_LABELS: the arrays given: label 0 of the train set is -1 in value 1, and categoricalCrossentropy wants shares from 0 to 1 in the rows of labels",
      "OPTION_INVALID: the dataset must be a tf.data.Dataset, or an object with iterator(), found 3",
      "FIT_BUSY: the model sides is being trained by another call, whose replicas predict() would need",
    ]
  `);
});

describe('after a fit() that a callback stopped inside an epoch', () => {
  it.each(['predict', 'evaluate'] as const)('%s() has the weights that it ended with', async (call) => {
    const model = sides();
    let batches = 0;
    const onBatchEnd = (): void => {
      if (++batches === 4) model.stopTraining = true;
    };
    const X = tf.tensor(wave(64 * 3, 0.7), [64, 3]);
    const Y = tf.oneHot(tf.tensor1d(Int32Array.from({ length: 64 }, (_, row) => row % 3)), 3).toFloat();
    await fit(model, X, Y, { ...ONE, batchSize: 8, epochs: 2, shards: 1, verbose: 0, callbacks: { onBatchEnd } });
    expect(batches).toBe(4);
    const found = call === 'predict' ? await predict(model, X, ONE) : await evaluate(model, X, Y, ONE);
    const wanted = call === 'predict' ? model.predict(X) : model.evaluate(X, Y);
    expectClose(valuesOf(found as tf.Tensor), valuesOf(wanted as tf.Tensor));
  });
});
