/**
 * Every layer with weights, trained in bf16 beside float32: what differs is no more than rounding the inputs and outputs of products explains.
 *
 * bfloat16 has 8 significant bits: one rounding is off by at most 2^-8 of the number. A gradient is a sum over examples and positions, so with r
 * roundings on its way it is off by at most r · 2^-8 · Σ|term|. For layers that are linear with positive kernels, Σ|term| is the gradient for |inputs|
 * and |weights of the loss|; for the others it is added up from the gradients of single rows. A sum that was itself made in bfloat16 stops at 256
 * equal terms, 87 % short of 2,000.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setNativeDefaults } from '../../../src/engine/capi/ffi.js';
import { bfloat16Support, installEngine, intoFloat32, type Engine } from '../../../src/engine/index.js';
import { irregular, values } from '../../support/gradient_checks.js';

const ROUNDING = 2 ** -8;
/** float32 sums of 2,000 terms in another order: 2,000 · 2^-24 of Σ|term|. */
const FLOAT32 = 2000 * 2 ** -24;
const EQUAL_ROWS = 2000;
const RANDOM_ROWS = 24;

interface Case {
  name: string;
  input: number[];
  layers: () => tf.layers.Layer[];
  /** Roundings on the way to a gradient, of a bias and of other weights. A product rounds two inputs and its output. */
  roundings: { bias: number; others: number };
  linear: boolean;
  /** Whole numbers below this, for embeddings. */
  tokens?: number;
  /** Rows that are all equal have no variance. */
  normalizes?: boolean;
}

const positive = tf.initializers.randomUniform({ minval: 0.25, maxval: 0.75, seed: 1 });
const start = { kernelInitializer: positive, biasInitializer: 'ones' } as const;
const dense = (units = 4): tf.layers.Layer => tf.layers.dense({ units, ...start });
const followed = (layers: tf.layers.Layer[]): tf.layers.Layer[] => [...layers, tf.layers.flatten(), dense(2)];

/** The layer alone, where what reaches its bias was rounded once at most, and with a dense layer after it, whose product adds three roundings. */
const linear = (name: string, input: number[], layer: () => tf.layers.Layer, others = 3): Case[] => [
  { name, input, linear: true, layers: () => [layer()], roundings: { bias: 1, others } },
  {
    name: `${name}, a dense layer after it`,
    input,
    linear: true,
    layers: () => followed([layer()]),
    roundings: { bias: 4, others: others + 3 },
  },
];
/** The same in every run: a kernel drawn anew may give outputs next to a kink, or nearly equal ones, and roundings decide what follows. */
const fixed = { kernelInitializer: tf.initializers.orthogonal({ gain: 1, seed: 2 }) };
const fixedCell = { ...fixed, recurrentInitializer: tf.initializers.orthogonal({ gain: 1, seed: 3 }) };
/** Three steps of two products each, forward and backward. */
const recurrent = (name: string, layer: () => tf.layers.Layer): Case => ({
  name,
  input: [3, 4],
  linear: false,
  layers: () => [layer()],
  roundings: { bias: 36, others: 36 },
});
const curved = (name: string, input: number[], layers: () => tf.layers.Layer[], normalizes = false): Case => ({
  name: `${name} between products`,
  input,
  linear: false,
  layers: () => followed(layers()),
  roundings: { bias: 12, others: 12 },
  normalizes,
});
/** Means are taken from what is normalized and from its gradients: twice the roundings. */
const normalizing = (...of: Parameters<typeof curved>): Case => ({ ...curved(...of), roundings: { bias: 24, others: 24 } });

const ACTIVATIONS = ['tanh', 'sigmoid', 'relu', 'elu', 'selu', 'softplus', 'relu6', 'swish'] as const;

/** The layer, and what it was given added to what it gives, as a layer. */
function residual(layer: tf.layers.Layer, input: number[]): tf.layers.Layer {
  const inputs = tf.input({ shape: input });
  return tf.model({
    inputs,
    outputs: tf.layers.add().apply([layer.apply(inputs), inputs] as tf.SymbolicTensor[]) as tf.SymbolicTensor,
  });
}

const CASES: Case[] = [
  ...linear('dense', [5], () => dense()),
  ...linear('dense on rank 3', [7, 5], () => dense()),
  ...linear('TimeDistributed(dense)', [7, 5], () => tf.layers.timeDistributed({ layer: dense() })),
  ...linear('conv1d', [50, 3], () => tf.layers.conv1d({ filters: 4, kernelSize: 3, ...start })),
  ...linear('conv2d', [6, 6, 3], () => tf.layers.conv2d({ filters: 4, kernelSize: 3, ...start })),
  ...linear('conv2d with a relu', [6, 6, 3], () => {
    const biasInitializer = tf.initializers.constant({ value: 99 });
    return tf.layers.conv2d({ filters: 4, kernelSize: 3, ...start, biasInitializer, activation: 'relu' });
  }),
  ...linear('conv2d whose kernel is frozen', [6, 6, 3], () =>
    frozenKernel(tf.layers.conv2d({ filters: 4, kernelSize: 3, ...start })),
  ),
  ...linear('conv2dTranspose', [4, 4, 3], () => tf.layers.conv2dTranspose({ filters: 4, kernelSize: 3, ...start })),
  ...linear('conv3d', [4, 4, 4, 2], () => tf.layers.conv3d({ filters: 3, kernelSize: 2, ...start })),
  // Of places that meet nothing but padding the gradient is 0.
  ...linear('conv1d wider than its map', [2, 3], () =>
    tf.layers.conv1d({ filters: 4, kernelSize: 5, strides: 3, padding: 'same', ...start }),
  ),
  ...linear('conv2d wider than its map', [2, 2, 3], () =>
    tf.layers.conv2d({ filters: 4, kernelSize: 4, strides: 3, padding: 'same', ...start }),
  ),
  ...linear('conv3d wider than its map', [2, 2, 2, 8], () =>
    tf.layers.conv3d({ filters: 8, kernelSize: 3, padding: 'same', ...start }),
  ),
  ...linear('depthwiseConv2d wider than its map', [2, 2, 3], () =>
    tf.layers.depthwiseConv2d({
      ...{ kernelSize: 3, strides: 3, padding: 'same', depthwiseInitializer: positive, biasInitializer: 'ones' },
    }),
  ),
  ...linear('depthwiseConv2d', [6, 6, 3], () =>
    tf.layers.depthwiseConv2d({ kernelSize: 3, depthwiseInitializer: positive, biasInitializer: 'ones' }),
  ),
  ...linear(
    'separableConv2d',
    [6, 6, 3],
    () =>
      tf.layers.separableConv2d({ filters: 4, kernelSize: 3, depthwiseInitializer: positive, pointwiseInitializer: positive }),
    6,
  ),
  { ...linear('embedding', [5], () => tf.layers.embedding({ inputDim: 9, outputDim: 4 }))[1], tokens: 9 },
  // Large enough, in 2,000 rows, for loops (src/engine/lowering/fused_loops.ts).
  ...ACTIVATIONS.map((activation) =>
    curved(`conv2d with ${activation}`, [6, 6, 3], () => [
      tf.layers.conv2d({ filters: 8, kernelSize: 3, padding: 'same', activation, ...fixed }),
      tf.layers.conv2d({ filters: 8, kernelSize: 3, padding: 'same', ...fixed }),
    ]),
  ),
  curved('wide dense with a residual', [40], () => [
    tf.layers.dense({ units: 128, activation: 'relu', ...fixed }),
    residual(tf.layers.dense({ units: 128, ...fixed }), [128]),
  ]),
  curved('prelu', [6], () => [tf.layers.dense({ units: 4, ...fixed }), tf.layers.prelu({ alphaInitializer: 'ones' })]),
  normalizing(
    'batchNormalization',
    [6, 6, 3],
    () => [tf.layers.conv2d({ filters: 4, kernelSize: 3, useBias: false, ...fixed }), tf.layers.batchNormalization()],
    true,
  ),
  normalizing('layerNormalization', [6], () => [tf.layers.dense({ units: 4, ...fixed }), tf.layers.layerNormalization()]),
  recurrent('simpleRNN', () => tf.layers.simpleRNN({ units: 3, ...fixedCell })),
  recurrent('gru', () => tf.layers.gru({ units: 3, ...fixedCell })),
  recurrent('lstm', () => tf.layers.lstm({ units: 3, ...fixedCell })),
  recurrent('Bidirectional(lstm)', () =>
    tf.layers.bidirectional({ layer: tf.layers.lstm({ units: 3, ...fixedCell }) as tf.RNN, mergeMode: 'concat' }),
  ),
];

function frozenKernel(layer: tf.layers.Layer): tf.layers.Layer {
  const build = layer.build.bind(layer);
  layer.build = (shape) => {
    build(shape);
    (layer as unknown as { kernel: { trainable: boolean } }).kernel.trainable = false;
  };
  return layer;
}

/** Of every trained weight, of Σ output · weight. */
type Gradients = { name: string; values: number[] }[];

describe('layers in bf16', () => {
  let engine: Engine;
  let computed: boolean;
  beforeAll(() => {
    // Without it processors without AVX-512 would compute in float32; with it, their matrix products are bfloat16 by Eigen's kernels.
    setNativeDefaults({ TF_ENABLE_ONEDNN_OPTS: '1' });
    engine = installEngine({ precision: 'bf16', intraOpThreads: 1 });
    const support = bfloat16Support(engine);
    computed = support.computed;
    if (!computed) console.log(`skipped: bf16 is not computed here: ${support.reason}`);
  });
  afterAll(() => engine.dispose());

  const gradientsOf = (model: tf.LayersModel, compiled: boolean, x: tf.Tensor, weights: tf.Tensor): Gradients => {
    const variables = model.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
    const f = (input: tf.Tensor, weight: tf.Tensor): tf.Tensor[] => {
      const loss = (): tf.Scalar => tf.sum(tf.mul(intoFloat32(model.apply(input, { training: true }) as tf.Tensor), weight));
      const { grads } = tf.variableGrads(loss, variables);
      return variables.map(({ name }) => grads[name]);
    };
    const run = compiled ? engine.compile(f, { verify: false, fuse: true }) : f;
    const results = run(x, weights).map(values);
    if ('dispose' in run) (run as { dispose(): void }).dispose();
    return model.trainableWeights.map(({ originalName }, index) => ({ name: originalName, values: results[index] }));
  };
  const absoluteSums = (item: Case, model: tf.LayersModel, x: tf.Tensor, weights: tf.Tensor): Gradients => {
    if (item.linear) return gradientsOf(model, false, tf.abs(x), tf.abs(weights));
    const rows = Array.from({ length: x.shape[0] }, (_, row) =>
      gradientsOf(model, false, tf.slice(x, row, 1), tf.slice(weights, row, 1)),
    );
    return rows[0].map(({ name, values: first }, index) => ({
      name,
      values: first.map((_, at) => rows.reduce((sum, row) => sum + Math.abs(row[index].values[at]), 0)),
    }));
  };
  const requireClose = ({ roundings: { bias, others } }: Case, got: Gradients, wanted: Gradients, sizes: Gradients): void => {
    wanted.forEach(({ name, values: exact }, index) => {
      const off = Math.hypot(...got[index].values.map((value, at) => value - exact[at]));
      const limit = ((name.includes('bias') ? bias : others) * ROUNDING + FLOAT32) * Math.hypot(...sizes[index].values);
      expect(off, `${name}: |difference| ${off}, |gradient| ${Math.hypot(...exact)}`).toBeLessThanOrEqual(limit);
    });
  };
  const modelOf = ({ input, layers }: Case): tf.LayersModel => {
    const symbol = tf.input({ shape: input });
    const isFlat = (layer: tf.layers.Layer, { shape }: tf.SymbolicTensor): boolean =>
      layer.getClassName() === 'Flatten' && shape.length < 3;
    const output = layers().reduce(
      (tensor, layer) => (isFlat(layer, tensor) ? tensor : (layer.apply(tensor) as tf.SymbolicTensor)),
      symbol,
    );
    return tf.model({ inputs: symbol, outputs: output });
  };
  const rowsOf = ({ input, tokens }: Case, rows: number): tf.Tensor => {
    const x = irregular([rows, ...input]);
    return tokens === undefined ? x : tf.floor(tf.mul(tf.abs(x), tokens - 0.001));
  };
  const lossWeights = (model: tf.LayersModel, rows: number): tf.Tensor =>
    irregular([rows, ...model.outputs[0].shape.slice(1).map((extent) => extent ?? 1)]);
  const repeated = (rows: tf.Tensor): tf.Tensor =>
    tf.tile(rows, [EQUAL_ROWS / rows.shape[0], ...rows.shape.slice(1).map(() => 1)]);

  describe.each(CASES)('$name', (item) => {
    it('adds the gradients of 2,000 equal rows', ({ skip }) => {
      if (!computed) skip();
      tf.tidy(() => {
        const model = modelOf(item);
        const distinct = item.normalizes ? 2 : 1;
        const x = repeated(tf.abs(rowsOf(item, distinct)));
        const weights = repeated(tf.abs(lossWeights(model, distinct)));
        const wanted = gradientsOf(model, false, x, weights);
        requireClose(item, gradientsOf(model, true, x, weights), wanted, wanted);
      });
    });

    it('adds the gradients of 24 rows that differ', ({ skip }) => {
      if (!computed || item.normalizes) skip();
      tf.tidy(() => {
        const model = modelOf(item);
        const x = rowsOf(item, RANDOM_ROWS);
        const weights = lossWeights(model, RANDOM_ROWS);
        const [wanted, sizes] = [gradientsOf(model, false, x, weights), absoluteSums(item, model, x, weights)];
        requireClose(item, gradientsOf(model, true, x, weights), wanted, sizes);
      });
    });
  });

  it('a loss is the sum of what float32 gives for the outputs: 2,000 times 0.1 is 200, and not 256 times', ({ skip }) => {
    if (!computed) skip();
    tf.tidy(() => {
      const weight = tf.variable(tf.tensor2d([[0.1]]));
      const loss = engine.compile((x: tf.Tensor2D) => tf.sum(tf.relu(tf.matMul(x, weight as tf.Tensor2D))), { verify: false });
      const [sum] = values(loss(tf.ones([2000, 1])));
      expect(Math.abs(sum - 200)).toBeLessThanOrEqual(2 * ROUNDING * 200);
      loss.dispose();
      weight.dispose();
    });
  });

  it.each([15, 16, 26])('a maximum over a square of %i hands its gradient on to the largest value alone', (side) => {
    tf.tidy(() => {
      // Whole numbers up to 256, which bfloat16 has exactly; the largest is there once.
      const [largest, channels] = [256, 4];
      const row = Float32Array.from({ length: side * side }, (_, at) => (at === side ? largest : (at * 7) % 100));
      const x = tf.tile(tf.tensor4d(row, [1, side, side, 1]), [channels, 1, 1, 1]) as tf.Tensor4D;
      const gradient = tf.grad((weight: tf.Tensor) => {
        const products = tf.relu(tf.conv2d(x, weight as tf.Tensor4D, 1, 'valid'));
        const pooled = tf.reshape(tf.maxPool(products, side, side, 'valid'), [channels, channels]) as tf.Tensor2D;
        return tf.sum(intoFloat32(tf.matMul(pooled, tf.ones([channels, 1]))));
      });
      const compiled = engine.compile((weight: tf.Tensor) => gradient(weight), { verify: false });
      expect(values(compiled(tf.ones([1, 1, 1, channels])))).toEqual(Array(channels).fill(channels * largest));
      compiled.dispose();
    });
  });

  it('an optimizer inside of a compiled function moves a weight of 1 by 0.001, which bfloat16 could not', ({ skip }) => {
    if (!computed) skip();
    const weight = tf.variable(tf.tensor2d([[1]]), true, 'bf16_moved');
    const optimizer = tf.train.sgd(0.001);
    const step = engine.compile(
      (x: tf.Tensor2D) => optimizer.minimize(() => tf.sum(tf.matMul(x, weight as tf.Tensor2D)), true, [weight]),
      { verify: false },
    );
    const x = tf.tensor2d([[1]]);
    step(x)?.dispose();
    expect(Math.abs(values(weight)[0] - 0.999)).toBeLessThanOrEqual(2 ** -24 + 0.001 * ROUNDING);
    step.dispose();
    tf.dispose([weight, x]);
  });
});
