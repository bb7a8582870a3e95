/**
 * Owns: the seam between the coordinator and whoever computes: the `Replica` interface and what crosses it.
 * Does not: say how a replica is reached. A thread (src/worker/replica/local_replica.ts) and a remote process
 * (src/coordinator/cluster/remote_replica.ts) implement the same interface; the run loop cannot tell them apart.
 *
 * Everything here is plain data plus typed arrays, so that it can cross a thread or a wire.
 */
import type { BucketLayout } from './bucket_layout.js';
import type { CompiledModel } from './compiled_model.js';
import type { ObjectiveDescription } from './objective.js';
import type { GatheredStep, HostValues, Residence, ResidentOutcome, ResidentStep, StretchedResult } from './resident.js';

/** Parameters as published after a commit: flat float32 in bucket-layout order, never written again while the version is current. */
export interface ParameterSnapshot {
  /** Number of commits since the start of the run; 0 is the initial model. */
  readonly version: number;
  /** All weights, trained first, moving statistics and frozen weights after; on shared memory. Empty where the replica holds them and nobody else. */
  readonly values: Float32Array;
}

/** Which shard of which global batch, and the how manyeth try at it: carried whole from who gives it out to who answers. */
export interface ShardId {
  readonly kind: 'train' | 'evaluate';
  /** Global step (train) or batch number within the evaluation. */
  readonly step: number;
  readonly shard: number;
  /** 0 for the first try; a recomputation or speculative copy has a higher number. */
  readonly attempt: number;
}

export function sameShardId(a: ShardId, b: ShardId): boolean {
  return a.kind === b.kind && a.step === b.step && a.shard === b.shard && a.attempt === b.attempt;
}

/** One shard of one global batch, handed to one replica. */
export interface ShardAssignment {
  readonly id: ShardId;
  /** Row numbers in the train or validation split. Never empty: empty shards are not handed out. */
  readonly rows: Int32Array;
  /** Row numbers of the whole global batch, where masks are counted over it (`objective.masked`) or examples of it are mixed. */
  readonly batchRows?: Int32Array;
  /** Rows that the same shard has in the next steps, and how many such lists are kept at most: for who reads them from elsewhere than memory. */
  readonly ahead?: { readonly rows: readonly Int32Array[]; readonly most: number };
  /** Position of rows[0] in the global batch; keys dropout. */
  readonly firstExample: number;
  /** Of training: with the rows it keys augmentation. 0 where nobody says. */
  readonly epoch?: number;
  /** Weight of the regularization losses: the global batch's size for the first non-empty shard, else 0, so that they count once per step. */
  readonly regularizationWeight: number;
  readonly parameters: ParameterSnapshot;
  /** Of an evaluation: which class each row is said to be is asked for, and no sum. Only of an objective that has classes. */
  readonly classify?: true;
  /** The replica keeps the weights itself; only for one that was told so (resident.ts). */
  readonly resident?: ResidentStep;
  /**
   * What the replica is given after this one unless something comes between. It may begin that before it is asked, from the values that this one leads
   * to, and forgets it where it is given another. Only with `resident`.
   */
  readonly next?: ShardAssignment;
}

/**
 * A shard's gradient, summed over its examples. Whoever is no plane carries it and releases it, and cannot see its numbers: where they lie is
 * the plane's and the replica's affair (host_gradient.ts, device_gradient.ts).
 */
export interface ShardGradient {
  readonly kind: 'host' | 'device';
  /** Gives the buffer back to its owner. Call exactly once. */
  release(): void;
}

/** What a replica answers. Sums over examples, never means. */
export interface ShardResult {
  readonly id: ShardId;
  readonly version: number;
  readonly examples: number;
  readonly lossSum: number;
  /** Of all metrics, in the order of the objective. */
  readonly sums: readonly number[];
  /** Absent for evaluation, and where the replica has all shards and keeps the weights. */
  readonly gradient?: ShardGradient;
  /** Mean and biased variance of this shard per batch norm, in `BucketLayout.statistics` order. Absent for evaluation. */
  readonly statistics?: Float32Array;
  /** Of a shard that was to be classified: the class of each row, then the probability that the model gives each of these. Its sums are 0. */
  readonly classified?: Float32Array;
  /** Name of the first tensor with a NaN or Inf, `loss` included; absent when all is finite. */
  readonly nonFinite?: string;
  /** Of the shard that completed the step of a replica that has all of them and keeps the weights. */
  readonly resident?: ResidentOutcome;
  /** Of the steps after it in the same call, in their order (`ResidentStep.then`). */
  readonly then?: readonly StretchedResult[];
  /** Time inside the device's computation, and waiting for its rows. */
  readonly computeMs: number;
  /** Of that the waiting for rows that are not in memory. Absent where nobody says. */
  readonly dataMs?: number;
  /** CRC-32 of the weights that it was computed from, where it was sent a copy. */
  readonly parametersChecksum?: number;
  /** Who computed it, and from when to when (monotonic ms); said by who gave the shard out. */
  readonly replica?: string;
  readonly givenMs?: number;
  readonly answeredMs?: number;
}

/** The model as its first replica built it: all that the coordinator, which never loads TensorFlow, needs to know. */
export interface ModelDescription {
  /** For people: `gluon_cnn`, `model.json`, `./model.mjs`. */
  readonly name: string;
  /** `modelTopology` of a tf.LayersModel file, as a JSON string. */
  readonly topology: string;
  readonly layout: BucketLayout;
  readonly objective: ObjectiveDescription;
  /** What it was compiled with; absent where nobody asks. */
  readonly compiled?: CompiledModel;
  /** Initial weights in layout order. */
  readonly initial: Float32Array;
}

/** Where a replica runs and with what arithmetic; equal classes give equal bits. */
export interface NumericsClass {
  readonly tensorflow: string;
  /** `CPU` or `GPU`. */
  readonly device: string;
  /** Processor or card model. */
  readonly deviceModel: string;
  readonly precision: 'fp32' | 'bf16';
  readonly intraOpThreads: number;
  /** What the processor has, e.g. `x64 avx2+fma`. */
  readonly instructionSet: string;
  /** Whether TensorFlow computes with oneDNN's kernels, as it says itself. */
  readonly oneDnn: 'on' | 'off' | 'unknown';
  /** The instruction set that oneDNN is held to below what the processor has, e.g. `AVX2`; empty where to none. Counts with oneDNN off too. */
  readonly oneDnnIsa: string;
  /** Of training steps: TensorFlow's graph, XLA, or operation by operation. */
  readonly execution: 'compiled' | 'xla' | 'eager';
  /** Of this project's own arithmetic: ARITHMETIC_VERSION (arithmetic.ts). */
  readonly arithmetic: number;
  /** SHA-256 of a product and a convolution that were computed so. */
  readonly probe: string;
}

/** One copy of the model on one device, in one thread. */
export interface Replica {
  /** Unique in the run and shown to people: `cpu(0)`, `gpu(1)`, `host-b:gpu(0)`. */
  readonly name: string;
  /** Builds the model if it is not yet built. Idempotent. */
  describe(): Promise<ModelDescription>;
  numerics(): Promise<NumericsClass>;
  /** Computes one shard. One call at a time. Rejects when the replica is lost; the caller gives the shard to another. */
  compute(assignment: ShardAssignment): Promise<ShardResult>;
  /** What it was sent, or answers, is still on its way: no time of its own. Absent where nothing travels. */
  readonly moving?: boolean;
  /** It has a copy of the parameters, so that what it computes of an old version cannot be torn. Absent where it reads the run's own memory. */
  readonly ownParameters?: boolean;
  /** Frees the device and ends the thread or session. Idempotent. */
  close(): Promise<void>;
}

/** One that can keep a run's weights on its device. */
export interface ResidentReplica extends Replica {
  /** Before its first resident step. */
  reside(residence: Residence): Promise<void>;
  /**
   * Ends a step that several replicas have begun; resolves when it reads nobody's memory any more. `next`: what it is given after that unless something
   * comes between; as `ShardAssignment.next`.
   */
  gather(step: GatheredStep, next: ShardAssignment | null): Promise<ResidentOutcome>;
  /** Forgets what was computed from this version. */
  dropAfter(version: number): Promise<void>;
  /** Copies the values of this version, of which it holds two at most. */
  writeValues(version: number, into: HostValues): Promise<void>;
}
