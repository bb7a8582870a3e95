/**
 * Owns: the words for how a worker's session ended, or its shard.
 */
import { ClusterError, DataError, UsageError, type ExpectedError } from '../../common/errors.js';
import type { MessageOf } from '../../common/protocol/messages.js';
import type { Refusal } from './admission.js';

export function lostWorker(name: string, reason: string): ClusterError {
  return new ClusterError({
    code: 'WORKER_LOST',
    message: reason,
    next: `Look at the output of worker ${name}; it may be started again at any time.`,
  });
}

export function impossibleResult(why: string): Refusal {
  return {
    code: 'RESULT_IMPOSSIBLE',
    message: `this worker sent a result that cannot be: ${why}`,
    next: 'Its memory, device or software is broken: take it out, or test it alone with `tfjs-parallel verify`.',
  };
}

/** By name, because a worker's word for it ends the run. */
export function faultOf(replica: string, { of, code, message, next }: MessageOf<'fault'>): ExpectedError {
  const details = { code, message: `${replica}: ${message}`, next };
  return of === 'data' ? new DataError(details) : new UsageError(details);
}
