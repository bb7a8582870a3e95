/**
 * Owns: evaluation over a whole split, sharded and exact: every example once, in batches of the training batch size cut into the run's shards.
 * Does not: compute (replicas do), or know a metric. Sums are added in shard order, so the result does not depend on who computed what.
 */
import { invariant } from '../../../common/errors.js';
import type { ObjectiveDescription } from '../../../common/objective.js';
import type { ParameterSnapshot, ShardAssignment, ShardResult } from '../../../common/replica.js';
import { addBatch, noTotals, type Totals } from '../../../objective/values.js';
import type { Classified } from '../plane.js';
import { batchesAfter, shardBatch } from './batches.js';

/** Computes rounds of shards; Fleet does. */
export interface RoundComputer {
  /** `take` may take a gradient over as it arrives. `doubted`: once more, each shard on two machines. */
  computeRound(
    units: readonly ShardAssignment[],
    take?: (result: ShardResult) => ShardResult,
    how?: { doubted?: boolean },
  ): Promise<readonly ShardResult[]>;
  readonly canDoubt?: boolean;
}

export interface EvaluationParts {
  readonly fleet: RoundComputer;
  readonly objective: ObjectiveDescription;
  /** Size of the validation split. */
  readonly examples: number;
  readonly batch: number;
  readonly shards: number;
  readonly parameters: ParameterSnapshot;
}

/** Totals over all batches; of no example, for no example. */
export async function evaluate(parts: EvaluationParts): Promise<Totals> {
  const { fleet, objective, examples, shards } = parts;
  if (examples === 0) return noTotals(objective);
  const results = await fleet.computeRound(unitsOf(parts));
  let totals = noTotals(objective);
  for (let first = 0, next = 0; first < results.length; first = next) {
    const batch = Math.floor(results[first].id.shard / shards);
    while (next < results.length && Math.floor(results[next].id.shard / shards) === batch) next++;
    totals = addBatch(objective, totals, results.slice(first, next));
  }
  return totals;
}

/** Which class the model says each example is, and with what probability. Of an objective that has classes. */
export async function classify(parts: EvaluationParts): Promise<Classified> {
  const classes = new Int32Array(parts.examples);
  const probabilities = new Float32Array(parts.examples);
  if (parts.examples === 0) return { classes, probabilities };
  let at = 0;
  for (const { classified, examples } of await parts.fleet.computeRound(unitsOf(parts, { classify: true }))) {
    invariant(
      classified?.length === 2 * examples,
      'a shard that is to be classified answers a class and a probability for each row',
    );
    classes.set(classified.subarray(0, examples), at);
    probabilities.set(classified.subarray(examples), at);
    at += examples;
  }
  return { classes, probabilities };
}

function unitsOf(
  { objective, examples, batch, shards, parameters }: EvaluationParts,
  asked: { readonly classify?: true } = {},
): ShardAssignment[] {
  const rows = Int32Array.from({ length: examples }, (_, row) => row);
  // One round for all batches: replicas never wait for each other between them.
  const units: ShardAssignment[] = [];
  for (let first = 0; first < examples; first += batch) {
    units.push(
      ...shardBatch({
        ...{
          kind: 'evaluate',
          rows: rows.subarray(first, first + batch),
          shards,
          step: 0,
          parameters,
          firstShard: (first / batch) * shards,
        },
        wholeBatch: objective.masked,
        ...asked,
        ahead: batchesAfter(rows, first, batch),
      }),
    );
  }
  return units;
}
