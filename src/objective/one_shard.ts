/** Owns: the refusal of shards where a function of the objective needs the whole batch. */
import { UsageError } from '../common/errors.js';
import type { ObjectiveDescription } from '../common/objective.js';

/** @throws UsageError NOT_PER_EXAMPLE */
export function requireShards({ wholeBatch }: ObjectiveDescription, shards: number): void {
  if (wholeBatch.length === 0 || shards === 1) return;
  throw new UsageError({
    code: 'NOT_PER_EXAMPLE',
    message: `${wholeBatch.join(', ')} gives one value for a whole batch, and ${shards} shards see ${shards} parts of it: their values do not add up to that of the whole`,
    next: 'Give --shards 1, or let the function return one value per example (tf.mean over all axes but the first).',
  });
}
