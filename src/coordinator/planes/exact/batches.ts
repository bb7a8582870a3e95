/**
 * Owns: which examples each shard of each step gets: the step's slice of the epoch's permutation, cut into shards.
 * Does not: copy examples (the replica does) or choose who computes a shard (fleet/membership.ts does).
 */
import { LIMITS } from '../../../common/limits.js';
import type { ParameterSnapshot, ShardAssignment } from '../../../common/replica.js';
import { splitBatch } from '../../../common/shard.js';

export interface BatchPlan {
  readonly kind: 'train' | 'evaluate';
  /** Row numbers of the global batch, in order. */
  readonly rows: Int32Array;
  /** Logical shards. */
  readonly shards: number;
  /** Global step, from 0; keys dropout. */
  readonly step: number;
  readonly parameters: ParameterSnapshot;
  /** Of training. */
  readonly epoch?: number;
  /** Replicas need the rows of the whole batch: the objective counts over it, or examples are mixed. */
  readonly wholeBatch?: boolean;
  /** The global batches after this one, as far as they are known. */
  readonly ahead?: readonly Int32Array[];
  readonly classify?: true;
  /** Number of the first shard; evaluation numbers the shards of all its batches through. */
  readonly firstShard?: number;
}

/**
 * The non-empty shards of one global batch, in shard order. The first carries the regularization losses. Row numbers are copied: a view that goes to
 * another thread takes all of the memory behind it along, which is the epoch's.
 */
export function shardBatch({
  kind,
  rows,
  shards,
  step,
  parameters,
  epoch,
  wholeBatch = false,
  classify,
  firstShard = 0,
  ahead = [],
}: BatchPlan): ShardAssignment[] {
  const assignments: ShardAssignment[] = [];
  const batchRows = wholeBatch ? rows.slice() : undefined;
  for (let shard = 0; shard < shards; shard++) {
    const { start, count } = splitBatch({ globalBatch: rows.length, shards, shard });
    if (count === 0) continue;
    assignments.push({
      id: { kind, step, shard: firstShard + shard, attempt: 0 },
      rows: rows.slice(start, start + count),
      ...(batchRows && { batchRows }),
      ...(ahead.length > 0 && {
        ahead: { rows: ahead.flatMap((next) => shardOf(next, shards, shard)), most: LIMITS.batchesReadAhead * shards },
      }),
      firstExample: start,
      ...(classify && { classify }),
      ...(epoch !== undefined && { epoch }),
      regularizationWeight: assignments.length === 0 ? rows.length : 0,
      parameters,
    });
  }
  return assignments;
}

/** None where the shard is empty. */
function shardOf(rows: Int32Array, shards: number, shard: number): Int32Array[] {
  const { start, count } = splitBatch({ globalBatch: rows.length, shards, shard });
  return count === 0 ? [] : [rows.slice(start, start + count)];
}

/**
 * The global batches after the one that begins at `example`, as far as they are read ahead: after the last ones of an epoch the first ones of the next, whose
 * order `following` tells, so that they are read while the run evaluates. None that is larger than the batch itself, which is what a worker may be sent.
 */
export function batchesAfter(order: Int32Array, example: number, batch: number, following?: () => Int32Array): Int32Array[] {
  const starts = Array.from({ length: LIMITS.batchesReadAhead }, (_, at) => example + (at + 1) * batch);
  const here = starts.filter((start) => start < order.length).map((start) => order.subarray(start, start + batch));
  if (following === undefined || here.length === starts.length) return here;
  const next = following();
  const own = Math.min(batch, order.length - example);
  const first = starts.slice(here.length).map((_, at) => next.subarray(at * batch, (at + 1) * batch));
  return [...here, ...first.filter(({ length }) => length > 0 && length <= own)];
}
