/** Owns: which class an output says an example is, and with what probability. Does not: compare it with a label. */
import type * as tfjs from '@tensorflow/tfjs';
import type { MetricParts } from './metric.js';
import { predictedShares } from './predicted_shares.js';

/** Of one for each example: the largest of several shares, or yes and no. Null where the output tells no classes. */
export function classesTold({
  labels,
  classes,
  positions,
}: {
  /** As TargetFacts has them. */
  readonly labels: string;
  readonly classes: number;
  readonly positions: readonly number[];
}): number | null {
  if (positions.length > 0) return null;
  if (labels === 'shares') return classes >= 2 ? classes : null;
  return labels === 'yes_no' && classes === 1 ? 2 : null;
}

/** float32 [2 × n]: classes, then their probabilities. */
export function tellClasses(parts: MetricParts, output: tfjs.Tensor): tfjs.Tensor {
  const { tf, predicts } = parts;
  const shares = predictedShares({ ...parts, readsLogits: true }, output);
  if (predicts === 'class') return tf.concat([tf.cast(tf.argMax(shares, -1), 'float32'), tf.max(shares, -1)]);
  const yes = tf.reshape(shares, [-1]);
  return tf.concat([tf.cast(tf.greater(yes, 0.5), 'float32'), tf.maximum(yes, tf.sub(1, yes))]);
}
