/**
 * Owns: the weights that are not trained: moving statistics move on, frozen weights are carried over.
 * Does not: compute a shard's statistics (the replica does).
 *
 * As Gluon with several contexts, but averaged at each step and not only when saving: running ← momentum · running + (1 − momentum) · mean,
 * where mean is the unweighted mean over the shards that are not empty, added in the fixed tree. Each operation is rounded to float32.
 */
import type { BucketLayout } from '../../../../common/bucket_layout.js';
import { moveSlice } from './basic_kernels.js';
import { ShardSum, SUM } from './reducer.js';
import { load, register, SLICE_ELEMENTS, store } from './slice_kernels.js';

const RUNNING = register(1);

export interface StatisticsInput {
  readonly layout: BucketLayout;
  /** By shard index; undefined where the shard is empty. */
  readonly statistics: readonly (Float32Array | undefined)[];
  /** All weights. */
  readonly current: Float32Array;
  readonly next: Float32Array;
}

/** Writes all untrained elements of `next`; yields between slices. Returns whether the statistics written are finite. */
export function* applyStatistics({ layout, statistics, current, next }: StatisticsInput): Generator<void, boolean> {
  for (let start = layout.trainedSize; start < layout.totalSize; start += SLICE_ELEMENTS) {
    next.set(current.subarray(start, Math.min(start + SLICE_ELEMENTS, layout.totalSize)), start);
    yield;
  }
  if (layout.statisticsSize === 0) return true;
  const sum = new ShardSum(statistics);
  const presentShards = statistics.filter((values) => values !== undefined).length;
  let finite = true;
  let at = 0;
  for (const { slot, momentum } of layout.statistics) {
    const { offset, size } = layout.slots[slot];
    for (let start = 0; start < size; start += SLICE_ELEMENTS) {
      const length = Math.min(SLICE_ELEMENTS, size - start);
      sum.divide({ start: at + start, length, divisor: presentShards });
      const from = offset + start;
      const moved = moveTowardsSum(momentum, current.subarray(from, from + length), next.subarray(from, from + length));
      finite = moved && finite;
      yield;
    }
    at += size;
  }
  return finite;
}

function moveTowardsSum(momentum: number, running: Float32Array, next: Float32Array): boolean {
  load(RUNNING, running);
  const finite = moveSlice(RUNNING, SUM, momentum, running.length);
  store(RUNNING, next);
  return finite;
}
