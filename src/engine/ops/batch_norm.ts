/**
 * Owns: batch normalization in training as one TensorFlow op with its gradient. Does not: hold moving statistics (training_ops.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { sizeOf } from '../../common/shape_size.js';
import { tf } from '../backend/tfjs.js';
import { TF_FLOAT } from '../capi/data_types.js';
import { boolAttr, floatAttr, stringAttr, typeAttr, withRawOps } from '../backend/raw_ops.js';

export interface NormalizedBatch {
  normalized: tfjs.Tensor;
  mean: tfjs.Tensor1D;
  /** Σ(x − mean)² / n, as tfjs, Keras and MXNet use it. */
  biasedVariance: tfjs.Tensor1D;
}

interface BatchNormArguments {
  gamma: tfjs.Tensor1D;
  beta: tfjs.Tensor1D;
  epsilon: number;
}

/**
 * Normalizes over all axes but the last: (x − mean) / sqrt(biased variance + epsilon) · gamma + beta. Differentiable in x, gamma and beta;
 * mean and variance are not (they are for the moving statistics). float32, rank 2 or more, at least one element.
 */
export function batchNormLastAxis(x: tfjs.Tensor, { gamma, beta, epsilon }: BatchNormArguments): NormalizedBatch {
  const channels = x.shape[x.shape.length - 1];
  const count = x.size / channels;
  let mean: tfjs.Tensor | undefined;
  let unbiased: tfjs.Tensor | undefined;
  const attributes = [
    typeAttr('T', TF_FLOAT),
    typeAttr('U', TF_FLOAT),
    floatAttr('epsilon', epsilon),
    stringAttr('data_format', 'NHWC'),
  ];
  const op = tf.customGrad((input: unknown, scale: unknown, offset: unknown, save: unknown) => {
    const empty = tf.tensor1d([], 'float32');
    const [y, batchMean, batchVariance, ...reserved] = withRawOps((ops) =>
      ops
        .run(
          'FusedBatchNormV3',
          [input, scale, offset, empty, empty] as tfjs.Tensor[],
          [...attributes, floatAttr('exponential_avg_factor', 1), boolAttr('is_training', true)],
          6,
        )
        .map((output) => ops.keep(output)),
    );
    mean = tf.keep(batchMean);
    unbiased = tf.keep(batchVariance);
    (save as (tensors: tfjs.Tensor[]) => void)([input as tfjs.Tensor, scale as tfjs.Tensor, ...reserved]);
    const gradFunc = (dy: tfjs.Tensor, saved: tfjs.Tensor[]): tfjs.Tensor[] =>
      withRawOps((ops) =>
        ops
          .run('FusedBatchNormGradV3', [dy, ...saved], [...attributes, boolAttr('is_training', true)], 5)
          .slice(0, 3)
          .map((output) => ops.keep(output)),
      );
    return { value: y, gradFunc };
  });
  const flat = tf.reshape(x, asFourAxes(x.shape)) as tfjs.Tensor4D;
  const normalized = tf.reshape(op(flat, gamma, beta), x.shape);
  // The op reports the unbiased variance, with n − 1 (at least 1) in the denominator.
  const biasedVariance = tf.mul(kept(unbiased), Math.max(count - 1, 1) / count) as tfjs.Tensor1D;
  unbiased?.dispose();
  const result = kept(mean).clone() as tfjs.Tensor1D;
  mean?.dispose();
  return { normalized, mean: result, biasedVariance };
}

function kept(tensor: tfjs.Tensor | undefined): tfjs.Tensor {
  if (tensor === undefined) throw new Error('internal: batch norm ran');
  return tensor;
}

/** [n, ..., c] as [n, 1, rest, c]; the op's kernels want four axes. */
function asFourAxes(shape: readonly number[]): [number, number, number, number] {
  if (shape.length === 4) return shape as [number, number, number, number];
  const rest = sizeOf(shape.slice(1, -1));
  return [shape[0], 1, rest, shape[shape.length - 1]];
}

/** The same for any axis, from tfjs's own ops. */
export function batchNormComposed(x: tfjs.Tensor, axis: number, { gamma, beta, epsilon }: BatchNormArguments): NormalizedBatch {
  const others = x.shape.map((_, index) => index).filter((index) => index !== axis);
  const along = x.shape.map((extent, index) => (index === axis ? extent : 1));
  const { mean, variance } = tf.moments(x, others, true);
  const scaled = tf.mul(tf.sub(x, mean), tf.mul(tf.rsqrt(tf.add(variance, epsilon)), tf.reshape(gamma, along)));
  return {
    normalized: tf.add(scaled, tf.reshape(beta, along)),
    mean: tf.reshape(mean, [-1]) as tfjs.Tensor1D,
    biasedVariance: tf.reshape(variance, [-1]) as tfjs.Tensor1D,
  };
}
