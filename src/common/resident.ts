/**
 * A replica that keeps a run's weights and optimizer slots on its device and moves them on itself, step by step: what it is told, and how values
 * come back to the host's memory. The plane decides which version counts (coordinator/planes/exact/resident_weights.ts).
 */
import type { OptimizerConfig } from './train_config.js';

/** Weights and slots of one version, in memory that threads share. */
export interface HostValues {
  /** One number: the version that the arrays hold, -1 while they are written. */
  readonly version: Float64Array;
  readonly parameters: Float32Array;
  /** In the order of the optimizer's slots; trained weights only. */
  readonly slots: readonly Float32Array[];
}

export interface Residence {
  readonly optimizer: OptimizerConfig;
  /** Factor of the learning rate of each trained weight. */
  readonly rates: readonly number[];
}

/** A step of a replica that has all of its shards. With the last of them it computes the values of the next version and keeps those of this one too. */
export interface ResidentStep {
  /** Names the shard of this step in this process: what a replica computed early is the answer for the assignment of the same key alone. */
  readonly key: number;
  /** Those that are not empty, in order. */
  readonly shards: readonly number[];
  readonly globalBatch: number;
  readonly learningRate: number;
  /** Read where the replica does not hold the assignment's version. */
  readonly from: HostValues;
  /** Where the values of this version go if the step fails. */
  readonly rescue: HostValues;
}

/** What came of a step, in the answer for the shard that completed it. */
export interface ResidentOutcome {
  /** False: the next values are dropped, or there are none. */
  readonly finite: boolean;
  /** Of the mean gradient, before clipping; absent where it is not clipped. */
  readonly gradientNorm?: number;
}
