/**
 * Replicas that keep a run's weights and optimizer slots on their devices and move them on themselves, step by step: what they are told, and how values
 * come back to the host's memory. The plane decides which version counts (coordinator/planes/exact/resident_weights.ts).
 */
import { LIMITS } from './limits.js';
import type { OptimizerConfig } from './train_config.js';

/** Versions beyond the last commit that a replica may have computed before anybody asked for them: its own stretch's and the next one's. */
export const VERSIONS_AHEAD = 2 * LIMITS.stretchSteps;

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

/** What any step on the device is told. */
export interface StepOnDevice {
  /** Those that are not empty, in order. */
  readonly shards: readonly number[];
  readonly globalBatch: number;
  readonly learningRate: number;
  /** Read where the replica does not hold the version that the step begins from. */
  readonly from: HostValues;
  /** Where the values of that version go if the step fails. */
  readonly rescue: HostValues;
}

/** A shard of a step. With the last one a replica that has them all computes the values of the next version, and keeps those of this one too. */
export interface ResidentStep extends StepOnDevice {
  /** Names the shard of this step in this process: what a replica computed early is the answer for the assignment of the same key alone. */
  readonly key: number;
  /** The shards are several replicas': the answer says where the gradient lies, and nothing is added yet. */
  readonly lends: boolean;
  /** Steps after this one in the same call: a stretch. They take as many rows as this one, and begin from what the one before leads to. */
  readonly then: readonly StretchedStep[];
  /** Of a stretch whose steps have several shards, those after the assignment's own. */
  readonly beside: readonly ShardBeside[];
  /** Begun early, it is not the end of the version before: steps of the stretch that led here are not all committed yet. */
  readonly keepsBefore: boolean;
}

/** As in a ShardAssignment. */
export interface StretchedRows {
  readonly rows: Int32Array;
  readonly batchRows?: Int32Array;
}

/** A step of a stretch but its first. */
export interface StretchedStep {
  /** Of each shard. */
  readonly shards: readonly StretchedRows[];
  readonly step: number;
  readonly learningRate: number;
}

/** Another shard of the step that an assignment is of. */
export interface ShardBeside extends StretchedRows {
  readonly shard: number;
  readonly firstExample: number;
  readonly regularizationWeight: number;
}

/** Float32 numbers on a device that all replicas of this process see, or in its memory. */
export interface DeviceMemory {
  /** TensorFlow's full name. */
  readonly device: string;
  readonly address: bigint;
  readonly elements: number;
}

/** The end of a step whose shards several replicas computed: each of them adds all gradients and moves its own weights on. */
export interface GatheredStep extends StepOnDevice {
  readonly version: number;
  readonly step: number;
  /** One for each of `shards`: what the replica that computed it lends. */
  readonly gradients: readonly DeviceMemory[];
}

/** What came of a step of a stretch. After one that is not finite there is none. */
export interface StretchedResult {
  readonly lossSum: number;
  readonly sums: readonly number[];
  readonly resident: ResidentOutcome;
}

/** What came of a step. */
export interface ResidentOutcome {
  /** False: the next values are dropped, or there are none. */
  readonly finite: boolean;
  /** Of the mean gradient, before clipping; absent where it is not clipped. */
  readonly gradientNorm?: number;
}
