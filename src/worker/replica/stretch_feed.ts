/**
 * Owns: what the steps of a stretch take, as one tensor for each thing that a step takes, with the steps along its first axis; and what one step takes of that.
 * Does not: compute (stretch.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { ResidentStep } from '../../common/resident.js';
import { apart, packed, upload } from '../../engine/index.js';
import type { TensorBatch } from './bind_fields.js';
import type { ShardTask } from './replica_spec.js';
import { judgedIn, positionOf, type ReplicaState } from './replica_state.js';
import type { Feed } from './train_step.js';

/** Of a tensor that holds something for each step, what is of one. */
export type Part = (all: tfjs.Tensor) => tfjs.Tensor;

export interface StretchFeed {
  /** Of each tensor of a batch. */
  readonly batches: TensorBatch;
  /** int32 `[steps, 4]`. */
  readonly positions: tfjs.Tensor;
  /** Of each step. */
  readonly regularization: tfjs.Tensor;
}

/** The first of the steps is `shard`. */
export async function stretchFeed(replica: ReplicaState, shard: ShardTask, then: ResidentStep['then']): Promise<StretchFeed> {
  const { engine } = replica;
  const shards = [shard, ...then.map(({ step, rows, batchRows = rows }) => ({ ...shard, step, rows, batchRows }))];
  const positions = Int32Array.from(shards.flatMap((each) => [...positionOf(each)]));
  return {
    batches: await batchesOf(replica, shards),
    positions: upload(engine, positions, [shards.length, 4]),
    regularization: engine.tf.scalar(shard.regularizationWeight),
  };
}

export function feedOf({ batches, positions, regularization }: StretchFeed, part: Part): Feed {
  return [mapped([batches], ([all]) => part(all)), part(positions), regularization];
}

/** Those with an axis of steps. */
export function tensorsOfSteps({ batches, positions }: StretchFeed): tfjs.Tensor[] {
  const all = [positions];
  mapped([batches], ([each]) => (all.push(each), each));
  return all;
}

/** Read at once where a batch is its rows and nothing else. */
async function batchesOf(replica: ReplicaState, shards: readonly ShardTask[]): Promise<TensorBatch> {
  const { tf } = replica.engine;
  const judged = judgedIn(replica);
  const [shard] = shards;
  const size = shard.rows.length;
  if (judged.isRowsAlone) {
    const rows = new Int32Array(shards.length * size);
    shards.forEach((each, at) => rows.set(each.rows, at * size));
    const batch = await judged.trainingBatch({ ...shard, rows, batchRows: rows });
    const batches = mapped([batch], ([all]) => apart(all, shards.length));
    tf.dispose(batch as unknown as tfjs.TensorContainer);
    return batches;
  }
  const each: TensorBatch[] = [];
  for (const one of shards) each.push(await judged.trainingBatch(one));
  const together = mapped(each, packed);
  tf.dispose(each as unknown as tfjs.TensorContainer);
  return together;
}

/** Records of tensors, all of one structure, as one such record. */
function mapped<Tree>(trees: readonly Tree[], of: (tensors: tfjs.Tensor[]) => tfjs.Tensor): Tree {
  const [first] = trees;
  if (isTensor(first)) return of(trees as unknown as tfjs.Tensor[]) as Tree;
  const entries = Object.keys(first as object).map((name) => [
    name,
    mapped(
      trees.map((tree) => tree[name as keyof Tree]),
      of,
    ),
  ]);
  return Object.fromEntries(entries) as Tree;
}

function isTensor(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'dataId' in value;
}
