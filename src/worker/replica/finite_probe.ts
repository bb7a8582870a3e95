/** One number that tells of many whether they are finite, computed where they are. */
import type * as tfjs from '@tensorflow/tfjs';

/** The sum of all: finite only if each of them is. Not finite also where they are and their sum is beyond float32. */
export function finiteProbe(tf: typeof tfjs, values: readonly tfjs.Tensor[]): tfjs.Tensor {
  return values.map((value) => tf.sum(value)).reduce((sum, value) => tf.add(sum, value));
}
