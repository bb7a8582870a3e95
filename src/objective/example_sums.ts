/** Owns: values of n examples made into one number: the mean of each example's, summed over the examples, by their weights and masks where there are any. */
import type * as tfjs from '@tensorflow/tfjs';

/** Which of an output's values count. */
export interface Counted {
  /** `[n]`: by how much each example counts. */
  readonly weight?: tfjs.Tensor;
  readonly mask?: Mask;
}

export interface Mask {
  /** Bool, `[n, …]` of the output's first axes: the positions that count. */
  readonly positions: tfjs.Tensor;
  /** Scalar: examples of the global batch over its positions that count, so that the sum over examples, divided by them, is the mean over positions. */
  readonly scale: tfjs.Tensor;
}

export function sumOverExamples(tf: typeof tfjs, values: tfjs.Tensor, { weight, mask }: Counted = {}): tfjs.Scalar {
  if (mask !== undefined && covers(mask, values)) {
    const weights = weight === undefined ? null : tf.reshape(weight, [-1, ...mask.positions.shape.slice(1).map(() => 1)]);
    const counted = maskedPositions(tf, values, mask);
    return tf.mul(tf.sum(weights === null ? counted : tf.mul(counted, weights)), mask.scale);
  }
  if (weight === undefined) return tf.sum(meanOfExample(tf, values));
  return tf.sum(tf.mul(meanOfExample(tf, values), weight));
}

/** The mean of each position's values; 0 where it does not count, whatever it would be there. */
export function maskedPositions(tf: typeof tfjs, values: tfjs.Tensor, { positions }: Mask): tfjs.Tensor {
  const { rank, shape } = positions;
  const each = values.rank === rank ? values : tf.mean(tf.reshape(values, [...shape, -1]), rank);
  return tf.where(positions, each, tf.zerosLike(each));
}

/** Whether the values have one for each position. */
export function covers({ positions }: Mask, { shape }: tfjs.Tensor): boolean {
  return shape.length >= positions.rank && positions.shape.every((extent, axis) => extent === shape[axis]);
}

function meanOfExample(tf: typeof tfjs, values: tfjs.Tensor): tfjs.Tensor {
  return values.rank === 1 ? values : tf.mean(tf.reshape(values, [values.shape[0], -1]), 1);
}
