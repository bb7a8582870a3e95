/**
 * Owns: what a replica's thread is started from, and the tasks it takes; plain data and shared memory only.
 * Does not: act on them (replica_thread.ts does).
 */
import type { Dataset, NumericArray, SplitName } from '../../common/dataset.js';
import type { ToldFailure } from '../../common/environment_error.js';
import type { ModelDescription, NumericsClass, ShardAssignment, ShardResult } from '../../common/replica.js';
import type { DeviceMemory, GatheredStep, HostValues, Residence, ResidentStep } from '../../common/resident.js';
import type { ModelWork, ThreadsWanted } from '../../common/thread_count.js';
import type { ModelSource } from '../../models/model_source.js';
import type { ObjectiveRequest } from '../../objective/request.js';

export interface ReplicaSpec {
  /** Shown to people: `cpu(0)`. */
  readonly name: string;
  /** TensorFlow's name of the device: `CPU:0`, `GPU:1`. */
  readonly device: string;
  /** Each operation is a launch there, and what goes in and out is copied: a GPU. It changes no bits. */
  readonly isApart: boolean;
  /** Folder of libtensorflow_cc, found by the main thread. */
  readonly tensorflowFolder: string;
  /** CPU devices that TensorFlow shall show; 1 unless placement is tested. */
  readonly logicalCpuDevices: number;
  /** TensorFlow's in an operation, to begin with. */
  readonly intraOpThreads: number;
  /** By what their number is chosen once the model is there; null where it is given. */
  readonly threadsWanted: ThreadsWanted | null;
  readonly precision: 'fp32' | 'bf16';
  readonly compile: boolean;
  readonly execution: 'auto' | 'graph' | 'xla';
  readonly seed: number;
  readonly objective: ObjectiveRequest;
  /** In training: the statistics of the shard, or the moving ones, which then stay as they are and for which shards do not matter. */
  readonly batchNorm: 'shard' | 'fixed';
  /** Of training examples, in the words of common/augmentation.ts. */
  readonly augment: readonly string[];
  readonly model: ModelSource;
  /** Null for one that predicts and does nothing else. */
  readonly dataset: Dataset | null;
}

/** What a replica that is open is bound to besides. */
export type BoundSpec = Pick<ReplicaSpec, 'model' | 'objective' | 'augment' | 'seed'> & { readonly dataset: Dataset };

export type ReplicaTask =
  | {
      readonly type: 'open';
      readonly spec: ReplicaSpec;
      /** One number that both threads see: 1 once nobody waits for the replica any more, which then touches nobody else's memory. */
      readonly closing: Int32Array;
    }
  | { readonly type: 'train'; readonly shard: ShardTask; readonly gradient: Float32Array }
  | { readonly type: 'reside'; readonly residence: Residence }
  | {
      readonly type: 'train_resident';
      readonly shard: ShardTask;
      readonly work: ResidentStep;
      /** Nobody has asked for it yet: the answer is null where it cannot be computed now, and nothing else comes of that. */
      readonly early: boolean;
    }
  | { readonly type: 'gather'; readonly work: GatheredStep }
  | { readonly type: 'drop_after'; readonly version: number }
  | { readonly type: 'write_values'; readonly version: number; readonly into: HostValues }
  | { readonly type: 'evaluate'; readonly shard: ShardTask }
  | { readonly type: 'bind'; readonly key: string; readonly spec: BoundSpec }
  | { readonly type: 'take_data'; readonly key: string; readonly dataset: Dataset; readonly changed: SplitName | null }
  | { readonly type: 'predict'; readonly batch: PredictTask }
  | { readonly type: 'step_graph' }
  | { readonly type: 'memory' }
  | { readonly type: 'close' };

/** A ShardAssignment as it crosses into the thread: the parameters are a view on shared memory, not a copy. */
export interface ShardTask {
  readonly step: number;
  readonly shard: number;
  readonly rows: Int32Array;
  /** Of the whole global batch: the shard's own where nothing is counted over it. */
  readonly batchRows: Int32Array;
  readonly ahead?: ShardAssignment['ahead'];
  readonly classify?: true;
  readonly firstExample: number;
  /** Keys augmentation. */
  readonly epoch: number;
  readonly regularizationWeight: number;
  readonly version: number;
  readonly parameters: Float32Array;
}

/** Rows that the model is applied to, in the order of its inputs. */
export interface PredictTask {
  /** Of the weights, as a ShardTask's. */
  readonly version: number;
  readonly parameters: Float32Array;
  /** Number of the first row, for messages. */
  readonly first: number;
  readonly rows: number;
  /** `rows × product(shape)` values each. */
  readonly inputs: readonly { readonly shape: readonly number[]; readonly values: NumericArray }[];
}

/** One for each output of the model, in its order: `[rows, …shape]`. */
export interface PredictAnswer {
  readonly outputs: readonly Predicted[];
}

export interface Predicted {
  /** Of one row. */
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
  readonly values: NumericArray;
}

/** The model wants another number of threads than TensorFlow was started with, which a thread of this process cannot change: nothing was opened. */
export interface OtherThreads {
  readonly threads: number;
}

export interface OpenAnswer {
  readonly description: ModelDescription;
  readonly numerics: NumericsClass;
  readonly work: ModelWork;
  readonly versions: { readonly tensorflow: string; readonly tfjs: string };
  /** Where bf16 was asked for and this machine computes in float32: that, and why. Empty otherwise. */
  readonly precisionNote: string;
  /** What is computed element by element has the host's bits here, so that weights may be moved on by either. */
  readonly givesHostBits: boolean;
  /** The engine had the C library keep what a step frees. */
  readonly memoryKept: boolean;
}

/** A ShardResult as it comes out of the thread: which shard it is of, the asker knows, and the gradient lies in the memory it lent. */
export type ShardAnswer = Pick<
  ShardResult,
  'lossSum' | 'sums' | 'statistics' | 'classified' | 'nonFinite' | 'resident' | 'then' | 'computeMs' | 'dataMs'
> & {
  /** Where the gradient lies that was asked to stay on the device. */
  readonly lent?: DeviceMemory;
};

/** What is alive inside a replica's thread; for leak tests and the bench. */
export interface MemoryAnswer {
  readonly tensors: number;
  readonly handles: number;
  /** Of the tensors. */
  readonly bytes: number;
}

/** Expected errors cross as data: a thrown one would lose its code and next step on the way out of the thread. */
export type ThreadAnswer<T> = { readonly value: T } | { readonly failure: ToldFailure };
