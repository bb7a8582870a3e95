/** Owns: −z·log p − (1−z)·log(1−p) for each output, where p is the sigmoid of a logit, or a probability that the model gives. */
import type * as tfjs from '@tensorflow/tfjs';
import { NOT_NEGATIVE, PROBABILITIES, type Loss, type ObjectiveParts } from './loss.js';
import { PROBABILITY_EPSILON } from './softmax_cross_entropy.js';

export const sigmoidCrossEntropy: Loss = {
  labels: { indices: 'never', values: PROBABILITIES },
  sum: NOT_NEGATIVE,
  metrics: ['accuracy'],
  predicts: 'each',
  readsLogits: true,
  create: (parts) => (labels, output) => parts.fused.sigmoidCrossEntropy(labels, logOdds(parts, output)),
};

/** The log-odds of a probability are the logit of the same distribution. */
export function logOdds({ tf, kind }: ObjectiveParts, output: tfjs.Tensor): tfjs.Tensor {
  if (kind === 'unknown') return output;
  const p = tf.clipByValue(output, PROBABILITY_EPSILON, 1 - PROBABILITY_EPSILON);
  return tf.sub(tf.log(p), tf.log(tf.sub(1, p)));
}
