/**
 * Owns: evaluation over a whole split, sharded and exact: every example once, in batches of the training batch size cut into the run's shards.
 * Does not: compute (replicas do). Counts are integers; losses are added in shard order, so the result does not depend on who computed what.
 */
import type { ParameterSnapshot, ShardAssignment, ShardResult } from '../common/replica.js';
import { shardBatch } from './batches.js';

export interface Evaluation {
  /** Mean over the examples. */
  readonly loss: number;
  /** Correct ÷ examples. */
  readonly accuracy: number;
  readonly correct: number;
  readonly examples: number;
}

/** Computes rounds of shards; Fleet does. */
export interface RoundComputer {
  computeRound(units: readonly ShardAssignment[]): Promise<ShardResult[]>;
}

export async function evaluate({
  fleet,
  examples,
  batch,
  shards,
  parameters,
}: {
  fleet: RoundComputer;
  /** Size of the validation split. */
  examples: number;
  batch: number;
  shards: number;
  parameters: ParameterSnapshot;
}): Promise<Evaluation> {
  if (examples === 0) return { loss: NaN, accuracy: NaN, correct: 0, examples: 0 };
  const rows = Int32Array.from({ length: examples }, (_, row) => row);
  // One round for all batches: replicas never wait for each other between them.
  const units: ShardAssignment[] = [];
  for (let first = 0; first < examples; first += batch) {
    const batchRows = rows.subarray(first, Math.min(first + batch, examples));
    units.push(
      ...shardBatch({ kind: 'evaluate', rows: batchRows, shards, step: 0, parameters, firstShard: (first / batch) * shards }),
    );
  }
  const results = await fleet.computeRound(units);
  let lossSum = 0;
  let correct = 0;
  for (const result of results) {
    lossSum += result.lossSum;
    correct += result.correct;
  }
  return { loss: lossSum / examples, accuracy: correct / examples, correct, examples };
}
