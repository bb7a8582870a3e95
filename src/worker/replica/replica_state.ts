/**
 * Owns: what a replica's thread holds, and what all kinds of shards need of it: the weights of a version in the model's variables, a training step's
 * arguments. Does not: answer tasks (replica_thread.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { performance } from 'node:perf_hooks';
import type { BucketLayout } from '../../common/bucket_layout.js';
import { invariant } from '../../common/errors.js';
import { download, upload, uploadInPlace, type Engine, type RecordError } from '../../engine/index.js';
import type { FiniteProbe } from './finite_probe.js';
import type { Judged } from './judged.js';
import { shapesOfSums, type Sums } from './gathering.js';
import { createPacking, type Packing } from './packing.js';
import type { PredictStep } from './predict_step.js';
import type { ReplicaSpec, ShardAnswer, ShardTask } from './replica_spec.js';
import type { Resident } from './resident.js';
import type { Feed } from './train_step.js';

export interface ReplicaState {
  readonly spec: ReplicaSpec;
  readonly engine: Engine;
  readonly model: tfjs.LayersModel;
  readonly layout: BucketLayout;
  readonly predict: PredictStep;
  /** What it trains and evaluates with, by a name that the caller gave; empty where it only predicts. */
  readonly bound: Map<string, Judged>;
  /** The one that steps are taken with. */
  judged: Judged | null;
  readonly probe: FiniteProbe;
  /** Of all weights and of a shard's sums, where they come from the host and go there as one array; null on a processor, where the memory is the same. */
  readonly packed: { readonly weights: Packing; readonly sums: Packing } | null;
  /** The memory that the model's variables read, where they are no copies of it. */
  lent: Float32Array | null;
  /** Version of the parameters that the model's variables hold; -1 before the first. */
  loadedVersion: number;
  /** Where the weights stay here. */
  resident: Resident | null;
  /** A recorded step does not do the same any more, which was found before anybody had asked for that step. */
  refused: RecordError | null;
  /** As in the task `open`. */
  readonly closing: Int32Array;
}

export function judgedIn({ judged }: ReplicaState): Judged {
  invariant(judged, 'a replica that trains or evaluates is opened with data');
  return judged;
}

/**
 * Gives the model's variables the published parameters, once per version. They read them where they lie, if they can: who publishes writes nothing there
 * before every answer that is computed from them is there or no longer wanted. A replica that keeps the weights copies them, one by one or as one
 * array. `early`: as `HeldVersions.settle`.
 */
export function load(
  replica: ReplicaState,
  { version, parameters }: Pick<ShardTask, 'version' | 'parameters'>,
  { early = false } = {},
): void {
  if (replica.resident?.versions.settle(version, { early })) replica.loadedVersion = version;
  if (replica.loadedVersion === version) return;
  const { engine, model, layout } = replica;
  invariant(parameters.length === layout.totalSize, 'a replica is given the weights that it does not hold');
  const values = replica.packed === null ? inPieces(replica, parameters) : inOne(replica, replica.packed.weights, parameters);
  model.weights.forEach((weight, index) => (weight as unknown as { val: tfjs.Variable }).val.assign(values[index]));
  engine.tf.dispose(values);
  replica.lent = parameters;
  replica.loadedVersion = version;
}

function inPieces({ engine, layout, resident }: ReplicaState, parameters: Float32Array): tfjs.Tensor[] {
  const given = resident === null ? uploadInPlace : upload;
  return layout.slots.map(({ offset, size, shape }) => given(engine, parameters.subarray(offset, offset + size), shape));
}

function inOne({ engine }: ReplicaState, weights: Packing, parameters: Float32Array): tfjs.Tensor[] {
  const packed = uploadInPlace(engine, parameters, [parameters.length]);
  const values = weights.unpack(packed);
  packed.dispose();
  return values;
}

/** What the training step takes. */
export async function trainingFeed(replica: ReplicaState, shard: ShardTask): Promise<Feed> {
  const { engine } = replica;
  const batch = await judgedIn(replica).trainingBatch(shard);
  return [batch, upload(engine, positionOf(shard), [4]), engine.tf.scalar(shard.regularizationWeight)];
}

/** Where a shard begins, which keys its random numbers: `TrainStep`'s `position`. */
export function positionOf({ step, firstExample }: Pick<ShardTask, 'step' | 'firstExample'>): Int32Array {
  return Int32Array.of(step | 0, Math.floor(step / 2 ** 32), firstExample, 0);
}

export function times(replica: ReplicaState, begin: number): Pick<ShardAnswer, 'computeMs' | 'dataMs'> {
  return { computeMs: performance.now() - begin, dataMs: judgedIn(replica).takeWaitedMs() };
}

export function readSums(sums: readonly tfjs.Tensor[]): number[] {
  return sums.flatMap((sum) => Array.from(sum.dataSync()));
}

/** A shard's gradients and statistics, in layout order, into the host's memory. */
export function readShardSums(
  { engine, packed }: ReplicaState,
  { gradients, statistics }: Sums,
  into: { gradient: Float32Array; statistics: Float32Array },
): void {
  if (packed === null) {
    readInto(engine, gradients, into.gradient);
    return readInto(engine, statistics, into.statistics);
  }
  const sums = packed.sums.pack([...gradients, ...statistics]);
  if (statistics.length === 0) download(engine, sums, into.gradient);
  else {
    const values = sums.dataSync() as Float32Array;
    const { length } = into.gradient;
    into.gradient.set(values.subarray(0, length));
    into.statistics.set(values.subarray(length));
  }
  sums.dispose();
}

function readInto(engine: Engine, tensors: readonly tfjs.Tensor[], into: Float32Array): void {
  let at = 0;
  for (const tensor of tensors) download(engine, tensor, into.subarray(at, (at += tensor.size)));
}

export function packingsOf(engine: Engine, layout: BucketLayout): NonNullable<ReplicaState['packed']> {
  const shapes = layout.slots.map(({ shape }) => shape);
  return { weights: createPacking(engine, shapes), sums: createPacking(engine, shapesOfSums(layout)) };
}
