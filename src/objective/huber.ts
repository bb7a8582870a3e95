/** Owns: Huber's loss with δ = 1: half the square of a difference up to 1, its size less a half beyond. Source: Huber 1964; Keras's keras.losses.Huber. */
import { ANY_LABELS, NOT_NEGATIVE, type Loss } from './loss.js';

export const huber: Loss = {
  labels: ANY_LABELS,
  sum: NOT_NEGATIVE,
  metrics: [],
  predicts: null,
  readsLogits: false,
  create:
    ({ tf }) =>
    (labels, output) => {
      const size = tf.abs(tf.sub(output, labels));
      // min(a, 1) · (a − min(a, 1) / 2): both branches in one, without a gradient of 0 · ∞ in the one that is not taken.
      const near = tf.minimum(size, 1);
      return tf.mul(near, tf.sub(size, tf.mul(near, 0.5)));
    },
};
