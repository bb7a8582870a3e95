/**
 * Owns: what the sums of a shard can be, by the kind of each: an answer outside was not computed from the shard's examples.
 * Does not: know whether an answer inside is right (twins and audits tell).
 */

import { faultInSums, type ObjectiveDescription } from './objective.js';
import type { ShardId } from './replica.js';

/** The largest float32: what a loss per example is computed in. */
const MAX_FLOAT32 = 2 ** 128 - 2 ** 104;
/** A computation that took longer than a month was not measured, ms. */
const MAX_COMPUTE_MS = 31 * 24 * 3_600_000;
/** Shares of a softmax in float32 may pass 1 by a few last places. */
const SLACK = 2 ** -16;

export interface ClaimedSums {
  readonly id: Pick<ShardId, 'kind'>;
  /** Examples of the shard. */
  readonly examples: number;
  readonly lossSum: number;
  readonly sums: readonly number[];
  readonly computeMs: number;
  /** The tensor that its sender says holds a NaN or Inf; null for none. */
  readonly nonFinite: string | null;
  /** Where it was to classify: a class for each example, then their probabilities. */
  readonly classified?: Float32Array;
  /** Whether gradient and statistics hold neither, as they arrived. */
  readonly tensorsFinite: boolean;
}

/** What cannot be, as `acc is 0.5, wanted a whole number from 0 to 200`; null for an answer that can. */
export function impossible(objective: ObjectiveDescription, claimed: ClaimedSums): string | null {
  const { id, examples, lossSum, computeMs, nonFinite, tensorsFinite } = claimed;
  const fault = faultInSums(objective, claimed);
  if (fault !== null) return fault;
  if (!(computeMs >= 0 && computeMs <= MAX_COMPUTE_MS)) return `computeMs is ${computeMs}, wanted a time`;
  const lossFinite = Number.isFinite(lossSum);
  if (lossFinite && Math.abs(lossSum) > examples * MAX_FLOAT32)
    return `lossSum is ${lossSum}, wanted at most the largest float32 for each of ${examples} examples`;
  const marked = nonFinite !== null;
  if (claimed.classified !== undefined) return faultInClasses(objective.classes ?? 0, claimed.classified);
  // A model's loss on validation may honestly be NaN; nothing is computed from it.
  if (id.kind === 'evaluate') return null;
  if (!marked && !lossFinite) return `lossSum is ${lossSum}, and not marked as such`;
  if (!marked && !tensorsFinite) return 'its gradient or statistics hold a NaN or Inf that is not marked';
  if (marked && lossFinite && tensorsFinite) return `${nonFinite} is marked as holding a NaN or Inf, and all values are finite`;
  return null;
}

/** A model that has diverged may honestly give NaN for a probability. */
function faultInClasses(classes: number, classified: Float32Array): string | null {
  const examples = classified.length / 2;
  for (let at = 0; at < examples; at++) {
    const found = classified[at];
    if (!Number.isInteger(found) || found < 0 || found >= classes) return `class ${found} of ${classes}`;
    const probability = classified[examples + at];
    if (probability < 0 || probability > 1 + SLACK) return `probability ${probability} of a class`;
  }
  return null;
}
