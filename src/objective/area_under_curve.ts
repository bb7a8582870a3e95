/**
 * Owns: the area under the receiver operating characteristic, from how many positives and negatives lie above each of 200 thresholds: sums, so that it
 * does not depend on the shards. Source: Keras's AUC, whose thresholds and trapezoids these are.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { counts, underMask, type Metric, type MetricParts } from './metric.js';
import { predictedShares, wantedShares } from './predicted_shares.js';
import { product } from './shapes.js';

const THRESHOLDS = 200;
const BEYOND = 1e-7;

export const areaUnderCurve: Metric = {
  readsMask: true,
  describe: ({ outputShape }) => ({ ...counts(product(outputShape), 2 * THRESHOLDS), value: 'area', direction: 'max' }),
  create: (parts: MetricParts) => (labels, output, mask) => {
    const { tf } = parts;
    const inner = Array.from({ length: THRESHOLDS - 2 }, (_, i) => (i + 1) / (THRESHOLDS - 1));
    const thresholds = tf.tensor2d([-BEYOND, ...inner, 1 + BEYOND], [THRESHOLDS, 1]);
    const above = tf.greater(tf.reshape(predictedShares(parts, output), [1, -1]), thresholds);
    const positive = tf.greater(wantedShares(parts, labels), 0.5);
    const count = (of: tfjs.Tensor): tfjs.Tensor => {
      const counted = tf.reshape(underMask(tf, of, mask), [1, -1]);
      return tf.sum(tf.cast(tf.logicalAnd(above, counted), 'int32'), 1);
    };
    return [count(positive), count(tf.logicalNot(positive))];
  },
};
