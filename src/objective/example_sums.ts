/** Owns: values of n examples made into one number: the mean of each example's, summed over the examples. */
import type * as tfjs from '@tensorflow/tfjs';

export function sumOverExamples(tf: typeof tfjs, values: tfjs.Tensor): tfjs.Scalar {
  return tf.sum(values.rank === 1 ? values : tf.mean(tf.reshape(values, [values.shape[0], -1]), 1));
}
