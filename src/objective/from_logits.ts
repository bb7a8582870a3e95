/** Owns: the cross-entropies of outputs that are logits whatever the graph says: `fromLogits` in so many words, and tf.losses's own. */
import type { Loss } from './loss.js';
import { sigmoidCrossEntropy } from './sigmoid_cross_entropy.js';
import { softmaxCrossEntropy } from './softmax_cross_entropy.js';

export const sigmoidCrossEntropyFromLogits = fromLogits(sigmoidCrossEntropy);
export const softmaxCrossEntropyFromLogits = fromLogits(softmaxCrossEntropy);

function fromLogits(loss: Loss): Loss {
  return { ...loss, fromLogits: true, create: (parts) => loss.create({ ...parts, kind: 'unknown' }) };
}
