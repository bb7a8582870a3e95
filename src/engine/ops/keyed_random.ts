/**
 * Owns: random numbers that are a function of (key, step, example, element) alone, drawn in TensorFlow: so any slice of a batch, on any replica, gets
 * the numbers that the whole batch would. And who gives the keys: a training step, for as long as it runs a model's forward pass.
 * Does not: draw dropout masks (dropout.ts) or know layers (random_layers.ts).
 *
 *   counter   low 64 bits = example · blocksPerExample + block, high 64 bits = step; blocksPerExample = ⌈elements of an example / 4⌉
 *   element i of an example is number i mod 4 of block ⌊i / 4⌋, as TensorFlow's stateless ops make numbers of a block
 */
import type * as tfjs from '@tensorflow/tfjs';
import { sizeOf } from '../../common/shape_size.js';
import { tf } from '../backend/tfjs.js';
import { UsageError } from '../../common/errors.js';
import type { PhiloxKey } from '../../common/random.js';
import { TF_FLOAT, TF_INT32 } from '../capi/data_types.js';
import { ALGORITHM_PHILOX, counterTensor, keyTensor, sliceElements } from './dropout.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import { calledFunction, captureSite } from '../compile/record_error.js';
import { reshape, typeAttr, withRawOps } from '../backend/raw_ops.js';

export interface DropoutDraw {
  key: PhiloxKey;
  /** int32 [4]: step low word, step high word, index of the first example in the global batch, 0. */
  position: tfjs.Tensor;
}
/**
 * Gives each draw of a step a key of its own. `layer`: the Dropout layer that draws; undefined for every other draw (noise, masks of recurrent layers,
 * users' layers), which are told apart by their order in the step.
 */
export type DropoutProvider = (layer: tfjs.layers.Layer | undefined, rate: number) => DropoutDraw;

let current: DropoutProvider | undefined;

/** Random layers, `keyedRandom` and tf.multinomial in `body` draw keyed numbers; numbers drawn in JavaScript are refused. */
export function withDropout<Result>(provider: DropoutProvider, body: () => Result): Result {
  const outer = current;
  const plainRandom = Math.random;
  current = provider;
  Math.random = () => drawnInJavaScript(plainRandom);
  try {
    return body();
  } finally {
    current = outer;
    Math.random = plainRandom;
  }
}

/** The present step's provider; undefined outside of one. */
export function randomProvider(): DropoutProvider | undefined {
  return current;
}

function drawnInJavaScript(plain: () => number): number {
  const site = captureSite();
  const drawer = calledFunction(site);
  // Its kernel below takes keyed numbers; tfjs asks for a seed all the same.
  if (drawer === 'multinomial') return 0.5;
  // A recording says where.
  if (kernelBackend().binding.recorder !== undefined) return plain();
  throw new UsageError({
    code: 'LAYER_DRAWS_RANDOM',
    message: `${drawer ?? 'Math.random'} draws random numbers in JavaScript, which would depend on who computes`,
    next: "Draw them with keyedRandom of 'tfjs-parallel/engine'.",
  });
}

type Distribution = 'uniform' | 'normal';

/** float32 numbers, uniform in [0, 1) or normal of mean 0 and deviation 1. The first axis of `shape` counts examples. */
export function keyedNumbers(shape: readonly number[], distribution: Distribution, { key, position }: DropoutDraw): tfjs.Tensor {
  const [examples, ...rest] = shape;
  const elements = sizeOf(rest);
  if (examples * elements === 0) return tf.zeros([...shape]);
  const blocksPerExample = Math.ceil(elements / 4);
  return withRawOps((ops) => {
    const numbers = ops.one(
      distribution === 'uniform' ? 'StatelessRandomUniformV2' : 'StatelessRandomNormalV2',
      [
        ops.constant(Int32Array.of(examples, 4 * blocksPerExample), [2], TF_INT32),
        keyTensor(ops, key),
        counterTensor(ops, position, blocksPerExample),
        ops.constant(Int32Array.of(ALGORITHM_PHILOX), [], TF_INT32),
      ],
      [typeAttr('dtype', TF_FLOAT), typeAttr('Tshape', TF_INT32)],
    );
    return ops.keep(reshape(ops, sliceElements(ops, numbers, TF_FLOAT, examples, elements), TF_FLOAT, shape));
  });
}

export interface KeyedRandomOptions {
  /** `uniform`: from `minval` (default 0) to below `maxval` (default 1). `normal`: around `mean` (default 0) with `stddev` (default 1). */
  readonly distribution?: Distribution;
  readonly minval?: number;
  readonly maxval?: number;
  readonly mean?: number;
  readonly stddev?: number;
}

/**
 * Random numbers for a layer of one's own: float32 of `shape`, whose first axis counts the examples of the batch (1 gives all examples the same
 * numbers). In a training step they are a function of the run's seed, the step, the example and the place of the call in the model, so a run is the same
 * however it is cut into shards and replicas. Elsewhere, in plain tfjs too, they are tf.randomUniform's or tf.randomNormal's. Not differentiable.
 */
export function keyedRandom(shape: readonly number[], options: KeyedRandomOptions = {}): tfjs.Tensor {
  const { distribution = 'uniform', minval = 0, maxval = 1, mean = 0, stddev = 1 } = options;
  const provider = current;
  if (provider === undefined) {
    return distribution === 'uniform' ? tf.randomUniform([...shape], minval, maxval) : tf.randomNormal([...shape], mean, stddev);
  }
  return tf.tidy(() => {
    const draw = provider(undefined, 0);
    const numbers = keyedNumbers(shape, distribution, shape[0] === 1 ? forAllExamples(draw) : draw);
    const [scale, offset] = distribution === 'uniform' ? [maxval - minval, minval] : [stddev, mean];
    return tf.add(tf.mul(numbers, scale), offset);
  });
}

/** The draw of the batch's first example, for what all examples share. */
export function forAllExamples({ key, position }: DropoutDraw): DropoutDraw {
  return { key, position: tf.mul(position, tf.tensor1d([1, 1, 0, 1], 'int32')) };
}
