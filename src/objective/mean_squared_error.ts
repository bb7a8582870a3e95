/** Owns: (output − target)², for each output. */
import { ANY_LABELS, NOT_NEGATIVE, type Loss } from './loss.js';

export const meanSquaredError: Loss = {
  labels: ANY_LABELS,
  sum: NOT_NEGATIVE,
  metrics: [],
  predicts: null,
  readsLogits: false,
  create:
    ({ tf }) =>
    (labels, output) => {
      const difference = tf.sub(output, labels);
      return tf.mul(difference, difference);
    },
};
