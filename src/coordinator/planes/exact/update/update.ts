/**
 * Owns: the step's update as the run loop calls it: shard results in, next weights out, without holding the event loop; whether threads of its own
 * share it. Does not: compute (step_update.ts, the next hop), commit, or release gradients (exact_plane.ts does both).
 */
import { performance } from 'node:perf_hooks';
import type { BucketLayout } from '../../../../common/bucket_layout.js';
import { LIMITS } from '../../../../common/limits.js';
import type { ShardResult } from '../../../../common/replica.js';
import { presenceOf } from '../../../../common/tree_sum.js';
import type { OptimizerConfig } from '../../../../common/train_config.js';
import type { SlotSpec } from '../../../../optimizers/optimizer_program.js';
import { createOptimizer } from './optimizer.js';
import { ArrivingSum } from './arriving_sum.js';
import { rateSpans } from './layer_rates.js';
import { statisticsByShard } from './reducer.js';
import { applyStep, type NonFinite } from './step_update.js';
import type { Buffers } from '../parameters.js';
import { inTurns } from './turns.js';
import { UpdateThreads } from './update_threads.js';

interface UpdateInput {
  /** One or two arrays whose sum is that over the shards, not divided. */
  readonly gradients: readonly Float32Array[];
  /** Of the shards that were not empty, in any order. */
  readonly results: readonly ShardResult[];
  /** Logical shards of the run. */
  readonly shards: number;
  /** Examples in the global batch. */
  readonly globalBatch: number;
  readonly learningRate: number;
  /** Commits before this step: 0 for the first. */
  readonly step: number;
  readonly current: Buffers;
  readonly next: Buffers;
}

/** All of `next` is written. */
export interface UpdateOutcome {
  /** Where the first NaN or Inf is; then `next` must be dropped. */
  readonly nonFinite?: string;
  /** Of the mean gradient, before clipping; absent where it is not clipped. */
  readonly gradientNorm?: number;
  /** Of the update's time, what went into adding the shards' gradients and their norm. */
  readonly reduceMs: number;
}

export interface Update {
  (input: UpdateInput): Promise<UpdateOutcome>;
  readonly slots: readonly SlotSpec[];
  /** Adds the gradients of these shards as they arrive. */
  sumOver(shards: readonly number[]): ArrivingSum;
  /** Ends its threads. */
  close(): Promise<void>;
}

/** Half a turn is left for what else happens in it. */
const TURN_MS = LIMITS.maxTurnMs / 2;

export function createUpdate({
  layout,
  optimizer: config,
  cores = 1,
  nowMs = () => performance.now(),
}: {
  layout: BucketLayout;
  optimizer: OptimizerConfig;
  /** Threads of its own share the work where there are several, and enough to share. */
  cores?: number;
  /** Monotonic milliseconds. */
  nowMs?: () => number;
}): Update {
  const optimizer = createOptimizer(config, { constrained: layout.constraints.length > 0 });
  const rates = rateSpans(layout, config.layerRates);
  const count = Math.min(cores, LIMITS.maxUpdateThreads);
  const isShared = count > 1 && layout.trainedSize >= LIMITS.minSharedUpdate;
  const threads = isShared ? new UpdateThreads(count, { layout, optimizer: config }) : null;
  const turns = { turnMs: TURN_MS, nowMs };
  const update = async ({ results, shards, ...step }: UpdateInput): Promise<UpdateOutcome> => {
    const statistics = statisticsByShard({ results, shards, layout });
    const input = { ...step, layout, optimizer, rates, clipNorm: config.clipNorm, nowMs, statistics };
    const { nonFinite, ...outcome } =
      threads?.canReach(input) === true ? await threads.apply(input, turns) : await inTurns(applyStep(input), turns);
    return nonFinite === undefined ? outcome : { ...outcome, nonFinite: describe(nonFinite) };
  };
  const sumOver = (shards: readonly number[]): ArrivingSum => {
    return new ArrivingSum({ present: presenceOf(shards), size: layout.trainedSize, ...turns });
  };
  return Object.assign(update, { slots: optimizer.slots, sumOver, close: async () => threads?.close() });
}

function describe({ stage, name }: NonFinite): string {
  const where = { gradient: 'the gradient of', parameters: 'the updated', optimizer: "the optimizer's memory of" };
  return `${where[stage]} ${name}`;
}
