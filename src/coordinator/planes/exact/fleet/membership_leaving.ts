/**
 * Owns: members that go: asked to, lost, or with a fault of the run that they found; and what becomes of the shard they had.
 * Does not: say what a loss tells of the shard, the process and the machine (membership_losses.ts).
 */
import { count, note, replaceUnit, unitOf, where, type Draft } from './membership_draft.js';
import { lostBy, strike } from './membership_losses.js';
import { MAX_LISTED_LOSSES, type Member } from './membership_state.js';

export type LossCause = 'gone' | 'said' | 'blameless';

export function leave(draft: Draft, member: Member): void {
  draft.members.delete(member.id);
  draft.generation += 1;
  draft.incidents.left += 1;
  note(draft, 'info', 'leave', member.name, `${member.name} left after ${member.shardsDone} shards; ${count(draft)}`);
  draft.commands.push({ type: 'dismiss', member: member.id, reason: 'drained' });
}

export function lose(
  draft: Draft,
  id: number,
  { reason, cause = 'gone' }: { reason: string; cause?: LossCause },
  nowMs: number,
): void {
  const member = draft.members.get(id);
  if (member === undefined) return;
  draft.members.delete(id);
  draft.generation += 1;
  draft.incidents.lostCount += 1;
  if (draft.incidents.lost.length < MAX_LISTED_LOSSES)
    draft.incidents.lost = [...draft.incidents.lost, { member: member.name, reason }];
  draft.commands.push({ type: 'dismiss', member: id, reason });
  const busy =
    member.running === null
      ? 'while idle'
      : `in ${where(member.running.id)}, ${Math.round(nowMs - member.running.startedMs)} ms after it was given`;
  note(draft, 'warn', 'lost', member.name, `${member.name} lost ${busy}: ${reason}; ${count(draft)}`);
  const unit = unitOf(draft, member.running);
  if (unit === null || unit.done) return;
  draft.incidents.reassigned += 1;
  if (cause !== 'blameless')
    replaceUnit(draft, lostBy(unit, member, { reason, died: cause === 'said', nowMs, nextId: draft.nextMemberId }));
  strike(draft, member, nowMs);
}

/** Any other would find it too, so one is asked; where nobody else is here, or another has found it, the run ends with it. */
export function faulted(draft: Draft, { member: id, reason }: { member: number; reason: string }, nowMs: number): void {
  const member = draft.members.get(id);
  const unit = member && unitOf(draft, member.running);
  if (member === undefined) return;
  if (unit && !unit.done) {
    const others = [...draft.members.values()].some(({ process, draining }) => !draining && process !== member.process);
    const also = unit.fault !== null && unit.fault.process !== member.process ? unit.fault.member : null;
    if (!draft.settings.canJoin || also !== null || !others) {
      draft.failed = true;
      draft.round = null;
      draft.commands.push({ type: 'believe', member: id, also });
      return;
    }
    replaceUnit(draft, { ...unit, fault: { process: member.process, member: member.name } });
    note(draft, 'warn', 'fault', member.name, `${reason}. Another worker is asked before the run ends`);
  }
  lose(draft, id, { reason: 'it found a fault of the run', cause: 'blameless' }, nowMs);
}
