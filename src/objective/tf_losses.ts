/** Owns: losses that only tf.losses has, for each output: tfjs's own functions, told not to reduce. */
import { NOT_NEGATIVE, PROBABILITIES, type Loss } from './loss.js';

const yesOrNo = {
  labels: { indices: 'never', values: PROBABILITIES },
  metrics: ['accuracy'],
  predicts: 'each',
  readsLogits: false,
} as const;

/** max(0, 1 − (2z − 1)·x) for labels z of 0 and 1. */
export const hingeLoss: Loss = {
  ...yesOrNo,
  sum: NOT_NEGATIVE,
  create:
    ({ tf }) =>
    (labels, output) =>
      tf.losses.hingeLoss(labels, output, undefined, tf.Reduction.NONE),
};

/** −z·log(p + ε) − (1−z)·log(1−p + ε). */
export const logLoss: Loss = {
  ...yesOrNo,
  sum: { kind: 'real', least: -1e-6, most: null },
  create:
    ({ tf }) =>
    (labels, output) =>
      tf.losses.logLoss(labels, output, undefined, undefined, tf.Reduction.NONE),
};
