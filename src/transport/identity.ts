/**
 * Owns: the hashes by which a worker proves that it holds the coordinator's model and computes in its arithmetic.
 * Does not: compare them (coordinator/cluster/admission.ts does).
 */
import { createHash } from 'node:crypto';
import type { BucketLayout } from '../common/bucket_layout.js';
import { hostValues } from '../common/host_gradient.js';
import { objectiveSchema } from '../common/objective.js';
import type { ModelDescription, ParameterSnapshot, ShardAssignment, ShardResult } from '../common/replica.js';

/** Of the layout, and of what the model is judged by. */
export function layoutSha256({ layout, objective }: Pick<ModelDescription, 'layout' | 'objective'>): string {
  const { slots, trainedSlots, statistics, constraints } = layout;
  const weights = slots.map(({ name, shape }) => [name, shape]);
  // With its keys in the schema's order, in which it arrives over the wire, whatever order it was made in.
  const judged = objectiveSchema.parse(objective);
  return createHash('sha256')
    .update(JSON.stringify([weights, trainedSlots, statistics, constraints, judged]))
    .digest('hex');
}

/** Of the weights that a run begins with, each bit of them. */
export function initialSha256({ initial }: Pick<ModelDescription, 'initial'>): string {
  return createHash('sha256').update(initial).digest('hex');
}

/** A version that no run has: the local replicas keep their weights by version. */
export const GOLDEN_VERSION = 2 ** 48;

/** Weights that are the same everywhere without being sent: Knuth's multiplicative hash of the index, within ±0.05. */
export function goldenParameters({ totalSize }: BucketLayout): ParameterSnapshot {
  const values = new Float32Array(new SharedArrayBuffer(totalSize * 4));
  for (let i = 0; i < totalSize; i++) values[i] = ((Math.imul(i + 1, 2654435761) >>> 0) / 2 ** 32 - 0.5) * 0.1;
  return { version: GOLDEN_VERSION, values };
}

/** The first `size` examples as one shard. */
export function goldenShard(size: number, parameters: ParameterSnapshot): ShardAssignment {
  const rows = Int32Array.from({ length: size }, (_, row) => row);
  const id = { kind: 'train', step: 0, shard: 0, attempt: 0 } as const;
  return { id, rows, firstExample: 0, regularizationWeight: size, parameters };
}

/** Over every bit that a step is made of. */
export function resultSha256({ lossSum, sums, examples, gradient, statistics }: ShardResult): string {
  const hash = createHash('sha256').update(Float64Array.of(lossSum, ...sums, examples));
  if (gradient !== undefined) hash.update(hostValues(gradient));
  if (statistics !== undefined) hash.update(statistics);
  return hash.digest('hex');
}
