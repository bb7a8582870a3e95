/**
 * Owns: precision and recall of outputs at one half: true positives among those predicted, and among those that are. Closed from sums over the global batch,
 * 0 where there is none. As Keras reads them, of every output; tfjs's own count only outputs of exactly 1.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { counts, countTrue, type Metric, type MetricParts } from './metric.js';
import { predictedShares, wantedShares } from './predicted_shares.js';
import { product } from './shapes.js';

export const precision = ratioTo(({ predicted }) => predicted);
export const recall = ratioTo(({ positive }) => positive);

function ratioTo(whole: (of: { predicted: tfjs.Tensor; positive: tfjs.Tensor }) => tfjs.Tensor): Metric {
  return {
    readsMask: true,
    describe: ({ outputShape }) => ({ ...counts(product(outputShape), 2), value: 'ratio', direction: 'max' }),
    create: (parts: MetricParts) => (labels, output, mask) => {
      const { tf } = parts;
      const predicted = tf.greater(predictedShares(parts, output), 0.5);
      const positive = tf.greater(wantedShares(parts, labels), 0.5);
      return [countTrue(tf, tf.logicalAnd(predicted, positive), mask), countTrue(tf, whole({ predicted, positive }), mask)];
    },
  };
}
