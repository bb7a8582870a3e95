/**
 * Owns: the error that a run ends with where its fleet cannot go on.
 * Does not: decide that (membership.ts does).
 */
import { AuditError, ClusterError, DivergedError, EnvironmentError, ExpectedError } from '../../../../common/errors.js';
import type { MembershipCommand } from './membership_draft.js';

export function failureOf(
  { code, message, next, soundUpTo }: Extract<MembershipCommand, { type: 'fail' }>,
  lastError: unknown,
): Error {
  // The last replica's own words say more than that it was the last.
  if (code === 'ALL_REPLICAS_LOST' && lastError instanceof ExpectedError) return lastError;
  const details = { code, message, next, cause: lastError ?? undefined };
  if (code === 'NON_FINITE') return new DivergedError(details);
  if (code === 'AUDIT_FAILED' || code === 'AUDIT_UNDECIDED') return new AuditError(details, soundUpTo);
  return code === 'JOIN_TIMEOUT' ? new ClusterError(details) : new EnvironmentError(details);
}
