/** Owns: what a shard's augmentation is keyed by, as tensors, and the rows that its examples are mixed with. */
import { upload, type Engine } from '../../engine/index.js';
import type { DrawnRows } from '../replica/bind_fields.js';
import type { ReadBatch } from '../replica/read_batch.js';
import type { ShardTask } from '../replica/replica_spec.js';
import type { Augment } from './augment.js';
import { planMixup } from './mixup.js';

interface Parts {
  readonly engine: Engine;
  readonly seed: number;
  readonly augment: Augment;
  readonly readBatch: ReadBatch;
  /** Of a batch of a sequence: where its rows stand in that. */
  readonly places: Int32Array | undefined;
}

export async function drawnRows(
  { engine, seed, augment: { mixup: alpha }, readBatch, places }: Parts,
  shard: ShardTask,
): Promise<DrawnRows> {
  const { rows, epoch, batchRows, firstExample: first } = shard;
  const vector = (values: Int32Array | Float32Array) => upload(engine, values, [values.length]);
  const placesOf = (own: Int32Array): Int32Array => (places === undefined ? own : own.map((row) => places[row]));
  const drawn = { rows: vector(placesOf(rows)), epoch: vector(Int32Array.of(epoch | 0, Math.floor(epoch / 2 ** 32))) };
  if (alpha === null) return drawn;
  const plan = planMixup({ seed, alpha, epoch, batchRows, places: placesOf(batchRows), first, count: rows.length });
  const { inputs, targets } = await readBatch({ split: 'train', rows: plan.rows, batchRows: plan.rows });
  return { ...drawn, partner: { inputs, targets, rows: vector(placesOf(plan.rows)), shares: vector(plan.shares) } };
}
