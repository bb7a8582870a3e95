/**
 * Owns: the weights that are not trained: moving statistics move on, frozen weights are carried over.
 * Does not: compute a shard's statistics (the replica does).
 *
 * As Gluon with several contexts, but averaged at each step and not only when saving: running ← momentum · running + (1 − momentum) · mean,
 * where mean is the unweighted mean over the shards that are not empty, added in the fixed tree. Each operation is rounded to float32.
 */
import type { BucketLayout } from '../common/bucket_layout.js';
import { ShardSum, SLICE_ELEMENTS } from './reducer.js';

const { fround } = Math;

export interface StatisticsInput {
  readonly layout: BucketLayout;
  /** By shard index; undefined where the shard is empty. */
  readonly statistics: readonly (Float32Array | undefined)[];
  /** All weights. */
  readonly current: Float32Array;
  readonly next: Float32Array;
}

/** Writes all untrained elements of `next`; yields between slices. Returns 0 if the statistics written are finite, else NaN. */
export function* applyStatistics({ layout, statistics, current, next }: StatisticsInput): Generator<void, number> {
  for (let start = layout.trainedSize; start < layout.totalSize; start += SLICE_ELEMENTS) {
    next.set(current.subarray(start, Math.min(start + SLICE_ELEMENTS, layout.totalSize)), start);
    yield;
  }
  if (layout.statisticsSize === 0) return 0;
  const sum = new ShardSum(statistics);
  const presentShards = statistics.filter((values) => values !== undefined).length;
  const scratch = new Float32Array(SLICE_ELEMENTS);
  let probe = 0;
  let at = 0;
  for (const { slot, momentum } of layout.statistics) {
    const { offset, size } = layout.slots[slot];
    for (let start = 0; start < size; start += SLICE_ELEMENTS) {
      const mean = scratch.subarray(0, Math.min(SLICE_ELEMENTS, size - start));
      sum.divided(at + start, presentShards, mean);
      const from = offset + start;
      probe += moveTowards(mean, momentum, current.subarray(from, from + mean.length), next.subarray(from, from + mean.length));
      yield;
    }
    at += size;
  }
  return probe;
}

function moveTowards(mean: Float32Array, momentum: number, running: Float32Array, next: Float32Array): number {
  const keep = fround(momentum);
  const take = fround(1 - momentum);
  let probe = 0;
  for (let i = 0; i < mean.length; i++) {
    const moved = fround(fround(keep * running[i]) + fround(take * mean[i]));
    next[i] = moved;
    probe += moved - moved;
  }
  return probe;
}
