/** Owns: the refusal of losses that read off the graph whether outputs are probabilities, where it does not say. */
import { UsageError } from '../common/errors.js';
import type { Loss } from './loss.js';

/** Of an opaque output. @throws UsageError LOSS_UNFIT for a loss that takes probabilities or logits, by the graph */
export function requireSaid({ name, loss }: { name: string; loss: Loss }): void {
  if (!loss.readsLogits || loss.fromLogits) return;
  const ofProbabilities =
    loss.predicts === 'class' ? 'categoricalCrossentropy or sparseCategoricalCrossentropy' : 'binaryCrossentropy';
  throw new UsageError({
    code: 'LOSS_UNFIT',
    message: `${name} takes logits, or probabilities where the graph says so, and the model ends in a layer of which it does not: one of your own, or one that computes with probabilities`,
    next: `Choose --loss ${name}_from_logits where it gives logits, ${ofProbabilities} where it gives probabilities.`,
  });
}
