/**
 * Owns: a worker's answer as it arrived: whether it can be, and as what the fleet gets it.
 * Does not: know which question it answers (session.ts), or whether it is right (twins and audits tell).
 */
import type { LentBuffers } from '../../common/lent_buffers.js';
import type { MessageOf } from '../../common/protocol/messages.js';
import type { ShardAssignment, ShardResult } from '../../common/replica.js';
import { impossible } from '../../common/result_bounds.js';
import { impossibleStatistic } from '../../common/statistics_bounds.js';
import type { ResultSizes } from './session_host.js';

export interface Received {
  readonly message: MessageOf<'result'>;
  readonly bytes: Uint8Array;
  readonly assignment: ShardAssignment;
  /** Of the statistics that may come of the parameters it was computed from. */
  readonly least: Float64Array | null;
  readonly sizes: ResultSizes;
  readonly tensorsFinite: boolean;
}

/** Where and what cannot be, as `step 3, shard 1: acc is 0.5, wanted …`; null for an answer that can. */
export function wrongIn({ message, bytes, assignment, least, sizes, tensorsFinite }: Received): string | null {
  const { kind, step, shard } = message.id;
  const { objective, layout, gradient } = sizes;
  const classified = assignment.classify ? { classified: new Float32Array(bytes.buffer) } : {};
  const wrong =
    impossible(objective, { ...message, ...classified, tensorsFinite }) ??
    (least === null ? null : impossibleStatistic(layout, least, floatsOf(bytes).subarray(gradient)));
  return wrong === null ? null : `${kind === 'train' ? 'step' : 'evaluation batch'} ${step + 1}, shard ${shard}: ${wrong}`;
}

export function resultOf({ message, bytes, assignment, sizes }: Received, buffers: LentBuffers<Uint8Array>): ShardResult {
  const { id, version, examples, lossSum, sums, computeMs, parametersChecksum } = message;
  const nonFinite = message.nonFinite ?? nonFiniteSum(id.kind, lossSum, sums);
  const facts = { id, version, examples, lossSum, sums, computeMs, parametersChecksum };
  const result = { ...facts, ...(nonFinite !== null && { nonFinite }) };
  if (id.kind === 'evaluate') return { ...result, ...(assignment.classify && { classified: new Float32Array(bytes.buffer) }) };
  const values = floatsOf(bytes);
  const gradient = { kind: 'host', values: values.subarray(0, sizes.gradient), release: buffers.lend(bytes) } as const;
  // The buffer is used again after `release`; the statistics must outlive it.
  return { ...result, gradient, statistics: values.slice(sizes.gradient) };
}

const floatsOf = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);

/** A metric that is none stops no run; of an evaluation, whose values say what is best, another is asked. */
function nonFiniteSum(kind: 'train' | 'evaluate', lossSum: number, sums: readonly number[]): string | null {
  if (!Number.isFinite(lossSum)) return 'loss';
  return kind === 'train' || sums.every(Number.isFinite) ? null : 'metrics';
}
