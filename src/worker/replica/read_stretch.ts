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

/** The first of the steps is `shard`. */
export async function readStretch(replica: ReplicaState, shard: ShardTask, then: ResidentStep['then']): Promise<StretchFeed> {
  const { engine } = replica;
  const shards = [shard, ...then.map(({ step, rows, batchRows = rows }) => ({ ...shard, step, rows, batchRows }))];
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
