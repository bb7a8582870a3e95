/**
 * Owns: what the steps of a stretch take, put on the device.
 * Does not: say how that is laid out (stretch_feed.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { ResidentStep } from '../../common/resident.js';
import { apart, packed, upload } from '../../engine/index.js';
import type { TensorBatch } from './bind_fields.js';
import type { ShardTask } from './replica_spec.js';
import { judgedIn, positionOf, type ReplicaState } from './replica_state.js';
import { mapped, type StretchFeed } from './stretch_feed.js';

/** For each shard of a step, of which `first` is the first one's of the first step. */
export async function readStretch(
  replica: ReplicaState,
  first: ShardTask,
  { beside, then }: Pick<ResidentStep, 'beside' | 'then'>,
): Promise<StretchFeed[]> {
  const others = beside.map((other): ShardTask => ({ ...first, batchRows: other.rows, ...other }));
  const feeds: StretchFeed[] = [];
  for (const [at, shard] of [first, ...others].entries()) {
    const later = then.map(({ step, shards }): ShardTask => ({ ...shard, batchRows: shards[at].rows, ...shards[at], step }));
    feeds.push(await shardsOf(replica, [shard, ...later]));
  }
  return feeds;
}

/** One shard's in each of the steps. */
async function shardsOf(replica: ReplicaState, shards: readonly ShardTask[]): Promise<StretchFeed> {
  const { engine } = replica;
  const [shard] = shards;
  const positions = Int32Array.from(shards.flatMap((each) => [...positionOf(each)]));
  return {
    batches: await batchesOf(replica, shards),
    positions: upload(engine, positions, [shards.length, 4]),
    regularization: engine.tf.scalar(shard.regularizationWeight),
  };
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
