/**
 * Owns: how a global batch is cut into logical shards.
 * Does not: choose who computes a shard, or copy examples.
 *
 * Gluon's rule, mxnet/gluon/utils.py (1.9.1), split_data with even_split=False:
 *   n_each_section, extras = divmod(size, num_slice)
 *   section_sizes = extras * [n_each_section + 1] + (num_slice - extras) * [n_each_section]
 * so sizes differ by at most one and the first shards take the remainder. A batch shorter than its shards leaves the last ones empty.
 */
import { invariant } from './errors.js';

export interface ShardRange {
  /** Position of the first example in the global batch. */
  readonly start: number;
  readonly count: number;
}

/** `splitBatch({ globalBatch: 200, shards: 3, shard: 2 }) // { start: 134, count: 66 }` */
export function splitBatch({ globalBatch, shards, shard }: { globalBatch: number; shards: number; shard: number }): ShardRange {
  invariant(shard >= 0 && shard < shards, 'a shard number lies below the number of shards');
  const each = Math.floor(globalBatch / shards);
  const extras = globalBatch % shards;
  return { start: shard * each + Math.min(shard, extras), count: each + (shard < extras ? 1 : 0) };
}

/** Examples of every shard, in order. */
export function shardSizes({ globalBatch, shards }: { globalBatch: number; shards: number }): number[] {
  return Array.from({ length: shards }, (_, shard) => splitBatch({ globalBatch, shards, shard }).count);
}

/** Examples of the largest shard of a run on so many. */
export function largestShard({ batch, shards, examples }: { batch: number; shards: number; examples: number }): number {
  return splitBatch({ globalBatch: Math.min(batch, examples), shards, shard: 0 }).count;
}
