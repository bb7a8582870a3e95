/**
 * Owns: what a replica's thread holds, and what all kinds of shards need of it: the weights of a version in the model's variables, a training step's
 * arguments. Does not: answer tasks (replica_thread.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { performance } from 'node:perf_hooks';
import type { BucketLayout } from '../../common/bucket_layout.js';
import { invariant } from '../../common/errors.js';
import { upload, uploadInPlace, type Engine } from '../../engine/index.js';
import type { FiniteProbe } from './finite_probe.js';
import type { Judged } from './judged.js';
import type { PredictStep } from './predict_step.js';
import type { ReplicaSpec, ShardAnswer, ShardTask } from './replica_spec.js';
import type { Feed, Resident } from './resident.js';

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
  /** The memory that the model's variables read, where they are no copies of it. */
  lent: Float32Array | null;
  /** Version of the parameters that the model's variables hold; -1 before the first. */
  loadedVersion: number;
  /** Where the weights stay here. */
  resident: Resident | null;
}

export function judgedIn({ judged }: ReplicaState): Judged {
  invariant(judged, 'a replica that trains or evaluates is opened with data');
  return judged;
}

/**
 * Gives the model's variables the published parameters, once per version. They read them where they lie, if they can: who publishes writes nothing there
 * before every answer that is computed from them is there or no longer wanted. A replica that keeps the weights copies them.
 */
export function load(replica: ReplicaState, { version, parameters }: Pick<ShardTask, 'version' | 'parameters'>): void {
  if (replica.resident?.settle(version)) replica.loadedVersion = version;
  if (replica.loadedVersion === version) return;
  const { engine, model, layout } = replica;
  invariant(parameters.length === layout.totalSize, 'a replica is given the weights that it does not hold');
  const given = replica.resident === null ? uploadInPlace : upload;
  model.weights.forEach((weight, index) => {
    const { offset, size, shape } = layout.slots[index];
    const tensor = given(engine, parameters.subarray(offset, offset + size), shape);
    (weight as unknown as { val: tfjs.Variable }).val.assign(tensor);
    tensor.dispose();
  });
  replica.lent = parameters;
  replica.loadedVersion = version;
}

/** What the training step takes. */
export async function trainingFeed(replica: ReplicaState, shard: ShardTask): Promise<Feed> {
  const { engine } = replica;
  const position = Int32Array.of(shard.step | 0, Math.floor(shard.step / 2 ** 32), shard.firstExample, 0);
  const batch = await judgedIn(replica).trainingBatch(shard);
  return [batch, upload(engine, position, [4]), engine.tf.scalar(shard.regularizationWeight)];
}

export function times(replica: ReplicaState, begin: number): Pick<ShardAnswer, 'computeMs' | 'dataMs'> {
  return { computeMs: performance.now() - begin, dataMs: judgedIn(replica).takeWaitedMs() };
}

export function readSums(sums: readonly tfjs.Tensor[]): number[] {
  return sums.flatMap((sum) => Array.from(sum.dataSync()));
}
