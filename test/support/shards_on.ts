/**
 * Owns: one step's or evaluation's shards on one replica, added up: what the coordinator would get.
 */
import type { ParameterSnapshot, ShardResult } from '../../src/common/replica.js';
import { shardBatch } from '../../src/coordinator/planes/exact/batches.js';
import { sumGradients } from '../../src/coordinator/planes/exact/update/reducer.js';
import type { LocalReplica } from '../../src/worker/replica/local_replica.js';
import { sharedCopy } from './replica_under_test.js';

export interface ShardedStep {
  readonly gradient: Float32Array;
  readonly lossSum: number;
  readonly correct: number;
  /** One per shard that is not empty. */
  readonly results: readonly ShardResult[];
}

/** `parameters`: all weights; the replica's initial ones by default. `version` must change with them. */
export async function stepOn(
  replica: LocalReplica,
  {
    rows,
    shards,
    step = 0,
    parameters,
    version = 0,
  }: { rows: number; shards: number; step?: number; parameters?: Float32Array; version?: number },
): Promise<ShardedStep> {
  const { layout, initial } = await replica.describe();
  const snapshot: ParameterSnapshot = { version, values: sharedCopy(parameters ?? initial) };
  const results: ShardResult[] = [];
  const all = Int32Array.from({ length: rows }, (_, row) => row);
  for (const unit of shardBatch({ kind: 'train', rows: all, shards, step, parameters: snapshot }))
    results.push(await replica.compute(unit));
  const gradient = sumGradients({ results, shards, layout });
  for (const result of results) result.gradient?.release();
  const total = (read: (result: ShardResult) => number): number => results.reduce((sum, result) => sum + read(result), 0);
  return { gradient, lossSum: total(({ lossSum }) => lossSum), correct: total(({ sums }) => sums[0] ?? 0), results };
}

/** ‖a − b‖ ÷ ‖a‖. */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let norm = 0;
  a.forEach((value, i) => {
    difference += (value - b[i]) ** 2;
    norm += value ** 2;
  });
  return Math.sqrt(difference / norm);
}
