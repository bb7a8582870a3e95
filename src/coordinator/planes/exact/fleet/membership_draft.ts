/**
 * Owns: what the membership core may ask for (commands), and the private copy of the state that one event changes.
 * Does not: decide (membership.ts and membership_schedule.ts do).
 */
import type { ShardId } from '../../../../common/replica.js';
import { invariant } from '../../../../common/errors.js';
import type { Members } from './members.js';
import type { Attempt, Incidents, Member, MembershipState, Round, RoundSpec, RunningAttempt, Unit } from './membership_state.js';

export type RefusalReason = 'dead_session' | 'old_epoch' | 'not_assigned' | 'twin' | 'round_over' | 'non_finite';
export type NoteCode =
  | 'join'
  | 'leave'
  | 'lost'
  | 'reassign'
  | 'speculate'
  | 'recompute'
  | 'twin_mismatch'
  | 'fault'
  | 'audit'
  | 'waiting'
  | 'going_on'
  | 'refused';
export type FailureCode =
  | 'AUDIT_ALONE'
  | 'AUDIT_FAILED'
  | 'AUDIT_UNDECIDED'
  | 'NON_FINITE'
  | 'JOIN_TIMEOUT'
  | 'ALL_REPLICAS_LOST'
  | 'SHARD_KILLS_REPLICAS';

export type MembershipCommand =
  | { type: 'assign'; member: number; attempt: Attempt }
  /** Keep this answer: it is the shard's. */
  | { type: 'accept'; member: number; attempt: Attempt }
  /** Free this answer's buffers. */
  | { type: 'refuse'; member: number; reason: RefusalReason }
  /** Keep this answer until the shard is settled; it may be the shard's. */
  | { type: 'hold'; member: number; shard: number }
  /** This member's answer, which was held, is the shard's; free the others. */
  | { type: 'accept_held'; member: number; shard: number }
  /** It lied: end every session of its process, and let it in no more. */
  | { type: 'condemn'; member: number; process: string; reason: string }
  | { type: 'complete'; round: RoundSpec }
  /** The member is gone from the books: close it. */
  | { type: 'dismiss'; member: number; reason: string }
  /** The fault of the run that this member has just told ends it; `also` is who found it before, null where nobody else could be asked. */
  | { type: 'believe'; member: number; also: string | null }
  /** `soundUpTo`: what was committed after this step is not to be trusted; null where all is. */
  | { type: 'fail'; code: FailureCode; message: string; next: string; soundUpTo: number | null }
  | { type: 'note'; level: 'info' | 'warn' | 'error'; code: NoteCode; worker: string; message: string };

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A private copy that one event may change. Members, units and attempts in it are replaced, never written. */
export interface Draft extends Omit<Mutable<MembershipState>, 'members' | 'round' | 'incidents'> {
  members: Members<Member>;
  round: (Omit<Mutable<Round>, 'units'> & { units: Unit[] }) | null;
  incidents: Mutable<Incidents>;
  commands: MembershipCommand[];
}

export function fail(draft: Draft, code: FailureCode, message: string, next: string, soundUpTo: number | null = null): void {
  draft.failed = true;
  draft.round = null;
  draft.waitingSinceMs = null;
  draft.commands.push({ type: 'fail', code, message, next, soundUpTo });
}

export function refuse(draft: Draft, member: number, reason: RefusalReason): void {
  if (reason === 'dead_session' || reason === 'old_epoch' || reason === 'not_assigned') draft.incidents.refused += 1;
  draft.commands.push({ type: 'refuse', member, reason });
}

export function note(draft: Draft, level: 'info' | 'warn' | 'error', code: NoteCode, worker: string, message: string): void {
  draft.commands.push({ type: 'note', level, code, worker, message });
}

export function unitOf(draft: Draft, running: RunningAttempt | null): Unit | null {
  if (running === null || draft.round === null || running.round !== draft.round.number) return null;
  return draft.round.units.find(({ shard }) => shard === running.id.shard) ?? null;
}

export function replaceUnit(draft: Draft, unit: Unit): void {
  invariant(draft.round !== null, 'a unit lies in a round');
  const index = draft.round.units.findIndex(({ shard }) => shard === unit.shard);
  draft.round.units[index] = unit;
}

/** The unit has its answer; with the last one the round is complete. */
export function finish(draft: Draft, unit: Unit): void {
  const { round } = draft;
  invariant(round !== null, 'a unit lies in a round');
  replaceUnit(draft, { ...unit, done: true });
  round.remaining -= 1;
  if (round.remaining > 0) return;
  draft.round = null;
  const { kind, step, version, shards } = round;
  const by = new Map(round.units.flatMap(({ shard, first }) => (first === null ? [] : [[shard, first] as const])));
  draft.firsts = kind === 'train' && round.doubted === undefined ? { step, version, by } : null;
  draft.commands.push({ type: 'complete', round: { kind, step, version, shards } });
}

/** People count steps from 1, as the run's records do. */
export function where({ kind, step, shard }: Omit<ShardId, 'attempt'>): string {
  return `${kind === 'train' ? 'step' : 'evaluation batch'} ${step + 1}, shard ${shard}`;
}

export function workers(draft: Draft): number {
  return new Set([...draft.members.values()].map(({ worker }) => worker)).size;
}

export function count(draft: Draft): string {
  const n = draft.members.size;
  return `${n} replica${n === 1 ? '' : 's'} now`;
}
