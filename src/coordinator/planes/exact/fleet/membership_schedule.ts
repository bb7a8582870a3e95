/**
 * Owns: which free replica gets which shard, and what happens when there is nobody.
 * Does not: judge answers or losses (membership.ts does).
 *
 * Replicas pull: whoever is free takes the lowest shard left, so a fast worker takes more. With no shard left, a free replica repeats
 * the slowest one once it is a straggler.
 */
import { endIfUndecided } from './membership_audit.js';
import { count, fail, note, replaceUnit, where, workers, type Draft } from './membership_draft.js';
import {
  deadlineMs,
  isBarred,
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
  const usable = [...draft.members.values()].filter(({ draining }) => !draining);
  if (!draft.started && new Set(usable.map(({ worker }) => worker)).size >= draft.settings.minWorkers) draft.started = true;
  if (!draft.started || usable.length === 0) return wait(draft, nowMs);
  if (draft.waitingSinceMs !== null) {
    draft.waitingSinceMs = null;
    note(draft, 'info', 'going_on', '', `going on with ${count(draft)}`);
  }
  for (const member of usable) {
    if (member.running !== null || nowMs < pausedUntilMs(draft, member)) continue;
    const unit = round.units.find((candidate) => mayTake(draft, candidate, member, nowMs)) ?? straggler(draft, member, nowMs);
    if (unit === undefined) continue;
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
    replaceUnit(draft, { ...unit, attempts: unit.attempts + 1 });
    draft.members.set(member.id, { ...member, running });
    draft.commands.push({ type: 'assign', member: member.id, attempt });
  }
  endIfUndecided(draft);
}

/** A shard nobody computes, and this member may. */
function mayTake(draft: Draft, unit: Unit, member: Member, nowMs: number): boolean {
  if (unit.done || isBarred(draft, unit, member)) return false;
  if (unit.audit === null ? runnersOf(draft, unit.shard).length > 0 : !mayAudit(draft, unit, member)) return false;
  return nowMs >= takesFromMs(draft, unit, member);
}

/** The longest-running shard that one other replica has had for too long. */
function straggler(draft: Draft, member: Member, nowMs: number): Unit | undefined {
  const limit = draft.round === null ? null : stragglerMs(draft, draft.round.kind);
  if (draft.round === null || limit === null) return undefined;
  let slowest: { unit: Unit; startedMs: number } | undefined;
  for (const unit of draft.round.units) {
    const startedMs = runnersOf(draft, unit.shard)[0]?.running?.startedMs;
    if (!mayRepeat(draft, unit, member) || startedMs === undefined || nowMs < startedMs + limit) continue;
    if (slowest === undefined || startedMs < slowest.startedMs) slowest = { unit, startedMs };
  }
  return slowest?.unit;
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
