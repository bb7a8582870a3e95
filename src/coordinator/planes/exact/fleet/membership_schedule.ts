/**
 * Owns: which free replica gets which shard, and what happens when there is nobody.
 * Does not: judge answers or losses (membership.ts does).
 *
 * Replicas pull: whoever is free takes the lowest shard left, so a fast worker takes more. With no shard left, a free replica repeats
 * the slowest one once it is a straggler.
 */
import { endIfUndecided } from './membership_audit.js';
import { FIRST } from './members.js';
import { count, fail, note, replaceUnit, where, workers, type Draft } from './membership_draft.js';
import {
  deadlineMs,
  isBarred,
  isOpen,
  mayAudit,
  mayRepeat,
  pausedUntilMs,
  runnersOf,
  stragglerMs,
  takesFromMs,
} from './membership_questions.js';
import type { Attempt, Member, Unit } from './membership_state.js';

/** Gives shards to free replicas until there are no more of either. */
export function schedule(draft: Draft, nowMs: number): void {
  const { round } = draft;
  if (round === null) {
    draft.waitingSinceMs = null;
    return;
  }
  draft.started ||= usableWorkers(draft, draft.settings.minWorkers) >= draft.settings.minWorkers;
  if (!draft.started || usableWorkers(draft, 1) === 0) return wait(draft, nowMs);
  if (draft.waitingSinceMs !== null) {
    draft.waitingSinceMs = null;
    note(draft, 'info', 'going_on', '', `going on with ${count(draft)}`);
  }
  giveOut(draft, round, nowMs);
  if (endIfUndecided(draft)) giveOut(draft, round, nowMs);
}

/** Of which replicas are not on their way out, counted up to `most`. */
function usableWorkers({ members }: Draft, most: number): number {
  const found = new Set<string>();
  for (const { draining, worker } of members.values()) {
    if (!draining) found.add(worker);
    if (found.size >= most) break;
  }
  return found.size;
}

/** What is left goes to those who are free, in order of joining; who finds nothing repeats what is slow. */
function giveOut(draft: Draft, round: NonNullable<Draft['round']>, nowMs: number): void {
  const open = new Map(round.units.filter((unit) => isOpen(draft, unit)).map((unit) => [unit.shard, unit]));
  const slow = stragglers(draft, round, nowMs);
  /** By session: its replicas that found nothing. */
  const idle = new Map<string, number>();
  if (open.size === 0 && slow.size === 0) return;
  for (const member of [...draft.members.values()]) {
    if (open.size === 0 && slow.size === 0) return;
    const before = idle.get(member.worker) ?? 0;
    if (member.running !== null || member.draining || before === FIRST) continue;
    const isPaused = nowMs < pausedUntilMs(draft, member);
    const unit = isPaused ? undefined : (lowest(draft, { open, member, nowMs }) ?? slowest(draft, slow, member));
    if (unit === undefined) {
      idle.set(member.worker, before + 1);
      continue;
    }
    if (unit.attempts > 0 && unit.audit === null) {
      const repeated = runnersOf(draft, unit.shard).length > 0;
      if (repeated) draft.incidents.speculative += 1;
      const text = `${where({ ...round, shard: unit.shard })} ${repeated ? 'is slow and also given' : 'given'} to ${member.name} (try ${unit.attempts + 1})`;
      note(draft, 'info', repeated ? 'speculate' : 'reassign', member.name, text);
    }
    const id = { kind: round.kind, step: round.step, shard: unit.shard, attempt: unit.attempts };
    const attempt: Attempt = { id, version: round.version };
    const running = {
      ...attempt,
      round: round.number,
      startedMs: nowMs,
      deadlineMs: nowMs + deadlineMs(draft, round.kind),
      winner: null,
    };
    const given = { ...unit, attempts: unit.attempts + 1 };
    replaceUnit(draft, given);
    draft.members.set(member.id, { ...member, running });
    draft.commands.push({ type: 'assign', member: member.id, attempt });
    slow.delete(unit.shard);
    if (isOpen(draft, given)) open.set(unit.shard, given);
    else open.delete(unit.shard);
  }
}

/** The lowest shard that this member may take. */
function lowest(
  draft: Draft,
  { open, member, nowMs }: { open: ReadonlyMap<number, Unit>; member: Member; nowMs: number },
): Unit | undefined {
  for (const unit of open.values()) {
    if (isBarred(draft, unit, member) || (unit.audit !== null && !mayAudit(draft, unit, member))) continue;
    if (nowMs >= takesFromMs(draft, unit, member)) return unit;
  }
  return undefined;
}

/** Shards that one replica has had for too long, the longest first. */
function stragglers(draft: Draft, round: NonNullable<Draft['round']>, nowMs: number): Map<number, Unit> {
  const limit = stragglerMs(draft, round.kind);
  if (limit === null) return new Map();
  const late: { readonly unit: Unit; readonly startedMs: number }[] = [];
  for (const unit of round.units) {
    if (unit.done || unit.audit !== null) continue;
    const runners = runnersOf(draft, unit.shard);
    const startedMs = runners[0]?.running?.startedMs;
    if (runners.length === 1 && startedMs !== undefined && nowMs >= startedMs + limit) late.push({ unit, startedMs });
  }
  return new Map(late.sort((a, b) => a.startedMs - b.startedMs).map(({ unit }) => [unit.shard, unit]));
}

function slowest(draft: Draft, slow: ReadonlyMap<number, Unit>, member: Member): Unit | undefined {
  for (const unit of slow.values()) if (mayRepeat(draft, unit, member)) return unit;
  return undefined;
}

function wait(draft: Draft, nowMs: number): void {
  // Those who drain may still answer, or be lost; the round is theirs until then.
  if (!draft.settings.canJoin && draft.members.size === 0) {
    const last = draft.incidents.lost.at(-1);
    const why = last === undefined ? 'none was added' : `${last.member} last: ${last.reason}`;
    return fail(draft, 'ALL_REPLICAS_LOST', `no replica is left; ${why}`, 'Resume the run from its last state.');
  }
  if (draft.waitingSinceMs !== null) return;
  draft.waitingSinceMs = nowMs;
  const { minWorkers } = draft.settings;
  const need = draft.started
    ? 'no worker is left; the run waits for one to join'
    : `waiting for ${minWorkers} workers, ${workers(draft)} here`;
  note(draft, draft.started ? 'warn' : 'info', 'waiting', '', need);
}
