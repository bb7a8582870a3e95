/**
 * Owns: what a run tells its observers (reporters, the metrics file, library callbacks), as data.
 * Does not: print or write.
 *
 * The run loop speaks these; src/report/ and src/coordinator/storage/run_folder/run_folder.ts turn them into lines.
 */
import type { Monitor } from './objective.js';
import type { NumericsClass } from './replica.js';
import type { TrainConfig } from './train_config.js';

export interface StartEvent {
  type: 'start';
  config: TrainConfig;
  /** Device names in replica order: `cpu(0)`, `gpu(1)`. */
  replicas: string[];
  numerics: NumericsClass;
  runFolder: string;
  /** Numbers of examples: null where they come one after the other and nobody said it. */
  dataset: { name: string; train: number | null; validation: number | null; sha256: string };
  model: { name: string; trainedParameters: number; totalParameters: number };
  /** Names of the loss and the metrics, and what "best" means. */
  objective: { loss: string; metrics: string[]; monitor: Monitor };
  plan: {
    shards: number;
    shardSizes: number[];
    /** Null where only the first epoch will tell. */
    stepsPerEpoch: number | null;
    epochs: number;
    firstEpoch: number;
    bytesPerReplicaStep: number;
    /** The model has batch norms, whose statistics are those of a shard where there are several. */
    batchNormPerShard: boolean;
  };
  versions: { tfjsParallel: string; node: string; tensorflow: string; tfjs: string };
  /** Memory that a step frees is kept for the next, as this program asked of the C library; absent where it did not. */
  memoryKept?: boolean;
}

/** Milliseconds spent in each phase of a step, as the main thread sees it. */
export interface PhasesMs {
  /** Drawing and cutting the batch. */
  data: number;
  /** The slowest replica's computation. */
  compute: number;
  /** The rest of the time until all shards were there. */
  wait: number;
  /** Adding the shards' gradients, and their norm where it is clipped. */
  reduce: number;
  /** The optimizer and the moving statistics. */
  apply: number;
  publish: number;
}

/** What one replica did of a step. */
export interface ReplicaTime {
  replica: string;
  /** Inside its device. */
  computeMs: number;
  /** Since the step began: when it was given its first shard, and when it had answered its last. */
  startMs: number;
  endMs: number;
  /** CRC-32 of the weights it computed from, which is the coordinator's own; absent where it reads the run's own memory. */
  parameters?: string;
}

export interface StepEvent {
  type: 'step';
  /** From 1. */
  epoch: number;
  /** Global step, from 1. */
  step: number;
  stepInEpoch: number;
  /** Null where no epoch has told yet. */
  stepsPerEpoch: number | null;
  /** Mean over the global batch. */
  loss: number;
  /** `{ loss, acc }` and so on, over the epoch so far; in records `epoch_loss`, `epoch_acc`. */
  epochValues: Record<string, number>;
  /** Of this step, by the schedule. */
  learningRate: number;
  /** Of the mean gradient before clipping, where it is clipped or asked for. */
  gradientNorm?: number;
  imagesPerS: number;
  phasesMs: PhasesMs;
  replicaTimes: readonly ReplicaTime[];
}

export interface EpochEvent {
  type: 'epoch';
  epoch: number;
  /** `{ loss, acc, val_loss, val_acc }` and so on; keys of the record itself. */
  values: Record<string, number>;
  seconds: number;
  imagesPerS: number;
  /** True when the model was saved under this epoch's number. */
  saved: boolean;
}

export interface WorkerEvent {
  type: 'worker_join' | 'worker_leave' | 'worker_lost';
  worker: string;
  /** One plain sentence that names the worker. */
  detail: string;
}

interface StateEvent {
  type: 'state';
  epoch: number;
  step: number;
  path: string;
  bytes: number;
  /** Time that training stood still for the copy. */
  snapshotMs: number;
  /** Time until the file was on the disk, beside training within an epoch. */
  ms: number;
}

interface NoticeEvent {
  type: 'warn' | 'error';
  code: string;
  message: string;
}

/** `stopped_early`: by a callback, or by early stopping. */
type EndReason = 'done' | 'stopped_early' | 'max_steps' | 'interrupted' | 'stopped' | 'diverged' | 'failed';

/** The epoch whose monitored value is the best so far. */
interface Best {
  epoch: number;
  /** `val_acc`, `val_loss`, … */
  monitor: string;
  value: number;
}

export interface EndEvent {
  type: 'end';
  epochs: number;
  steps: number;
  best: Best | null;
  /** Empty where the weights are lost with what failed. */
  weightsSha256: string;
  /** `diverged` and `failed`: an error ended it; the weights are those of its last commit. */
  reason: EndReason;
}

export type RunEvent = StartEvent | StepEvent | EpochEvent | WorkerEvent | StateEvent | NoticeEvent | EndEvent;
export type RunObserver = (event: RunEvent) => void;
