/** Owns: −Σ label · log share, where the shares are the softmax of logits, or probabilities that the model gives, over their sum. */
import { NOT_NEGATIVE, SHARES, type Loss, type ObjectiveParts } from './loss.js';
import type * as tfjs from '@tensorflow/tfjs';

/** Keras's guard against log(0) (keras/backend, epsilon). */
export const PROBABILITY_EPSILON = 1e-7;
const LARGEST_FLOAT32 = 3.4028234663852886e38;

export const softmaxCrossEntropy: Loss = {
  labels: { indices: 'allowed', values: SHARES },
  sum: NOT_NEGATIVE,
  metrics: ['accuracy'],
  predicts: 'class',
  readsLogits: true,
  create: (parts) => (labels, output) => {
    const { tf, fused, indices } = parts;
    const logits = classLogits(parts, output);
    const classes = output.shape[output.shape.length - 1];
    if (output.rank === 2) return fused.softmaxCrossEntropy(labels, logits as tfjs.Tensor2D);
    // One distribution for each position.
    const rows = tf.reshape(logits, [-1, classes]) as tfjs.Tensor2D;
    const values = fused.softmaxCrossEntropy(tf.reshape(labels, indices ? [-1] : [-1, classes]), rows);
    return tf.reshape(values, output.shape.slice(0, -1));
  },
};

/** Logits of the distribution: the logarithm of probabilities is one, and the softmax divides by their sum where that is not 1, as that of sigmoids. */
export function classLogits({ tf, kind }: ObjectiveParts, output: tfjs.Tensor): tfjs.Tensor {
  if (kind === 'unknown') return output;
  // Dropout scales what it leaves, sums add up: such shares may pass 1.
  const most = kind === 'softmax' ? 1 : LARGEST_FLOAT32;
  return tf.log(tf.clipByValue(output, PROBABILITY_EPSILON, most));
}
