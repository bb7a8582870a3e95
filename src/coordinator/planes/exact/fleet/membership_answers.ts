/**
 * Owns: what an answer is worth: whether it was asked for, is its shard's, accuses a twin, is computed once more or ends the run.
 * Does not: settle shards that are audited (membership_audit.ts), or hold tensors (the rim does).
 */
import { invariant } from '../../../../common/errors.js';
import { sameShardId } from '../../../../common/replica.js';
import { beginTrust, settleAudited } from './membership_audit.js';
import { deny } from './membership_denials.js';
import { fail, finish, note, refuse, replaceUnit, unitOf, where, type Draft } from './membership_draft.js';
import { leave, lose } from './membership_leaving.js';
import { clearStrikes } from './membership_losses.js';
import { addTime, runnersOf, voterOf } from './membership_questions.js';
import type { Attempt, Member, RunningAttempt } from './membership_state.js';

/** What the core needs to know of an answer; the rim keeps the tensors. */
export interface Answer extends Attempt {
  readonly coordinatorEpoch: number;
  /** Over every bit of the answer; null where the rim saw no twin. */
  readonly checksum: number | null;
  /** First tensor with a NaN or Inf. */
  readonly nonFinite: string | null;
  /** Of a step that is doubted: whether it is the answer that was taken first; by default that is not known. */
  readonly likeFirst?: boolean | null;
}

export function answer(draft: Draft, id: number, got: Answer, nowMs: number): void {
  const member = draft.members.get(id);
  if (member === undefined) return refuse(draft, id, 'dead_session');
  if (got.coordinatorEpoch !== draft.settings.coordinatorEpoch) return refuse(draft, id, 'old_epoch');
  const { running } = member;
  if (running === null || !sameAttempt(running, got)) return refuse(draft, id, 'not_assigned');
  draft.members.set(id, { ...member, running: null, shardsDone: member.shardsDone + 1 });
  if (draft.strikes.size > 0) clearStrikes(draft, member);
  draft.timesMs = { ...draft.timesMs, [got.id.kind]: addTime(draft.timesMs[got.id.kind], nowMs - running.startedMs) };
  settle(draft, { member, running, got }, nowMs);
  const after = draft.members.get(id);
  if (after?.draining) leave(draft, after);
}

/** Decides what an answer that was asked for is worth. */
function settle(
  draft: Draft,
  { member, running, got }: { member: Member; running: RunningAttempt; got: Answer },
  nowMs: number,
): void {
  const unit = unitOf(draft, running);
  if (unit === null || unit.done) {
    const { winner } = running;
    if (winner === null) return refuse(draft, member.id, 'round_over');
    if (winner.checksum !== null && got.checksum !== null && winner.checksum !== got.checksum) {
      draft.incidents.twinMismatches += 1;
      const text = `${member.name} and ${winner.member} computed ${where(running.id)} and differ: one of them has faulty hardware or other numerics`;
      note(draft, 'error', 'twin_mismatch', member.name, text);
    }
    return refuse(draft, member.id, 'twin');
  }
  if (unit.audit !== null) {
    const settled = settleAudited(draft, { member, running, unit, audit: unit.audit }, got);
    if (settled !== null && !draft.failed) finish(draft, settled);
    const liars = draft.commands.flatMap((command) => (command.type === 'condemn' ? command.process : []));
    for (const liar of liars) loseLiar(draft, liar, nowMs);
    return;
  }
  // Nothing is computed from an evaluation: what two have found is told as it is.
  if (got.nonFinite !== null && !(got.id.kind === 'evaluate' && unit.nonFinite !== null)) {
    refuse(draft, member.id, 'non_finite');
    if (unit.nonFinite === null) {
      replaceUnit(draft, {
        ...unit,
        nonFinite: {
          ...{ memberId: member.id, process: member.process, voter: voterOf(draft, member) },
          ...{ member: member.name, tensor: got.nonFinite },
        },
      });
      draft.incidents.recomputed += 1;
      const text = `${member.name} found NaN or Inf in ${got.nonFinite} of ${where(running.id)}; computing it once more before anything is applied`;
      return note(draft, 'warn', 'recompute', member.name, text);
    }
    return fail(
      draft,
      'NON_FINITE',
      `NaN or Inf at ${where(running.id)}: ${unit.nonFinite.tensor} on ${unit.nonFinite.member}, ${got.nonFinite} on ${member.name}. Not applied.`,
      'Lower the learning rate or clip the gradient (--set optimizer.clip_norm=1).',
    );
  }
  if (unit.fault !== null)
    note(
      draft,
      'error',
      'fault',
      unit.fault.member,
      `${member.name} found no fault in ${where(running.id)}: ${unit.fault.member} is broken`,
    );
  if (got.id.kind === 'train') beginTrust(draft, member, running.id.step);
  const denied = unit.nonFinite === null ? null : deny(draft, unit.nonFinite, member, running);
  draft.commands.push({ type: 'accept', member: member.id, attempt: attemptOf(running) });
  for (const twin of runnersOf(draft, unit.shard)) {
    invariant(twin.running !== null, 'a runner runs');
    draft.members.set(twin.id, {
      ...twin,
      running: { ...twin.running, winner: { checksum: got.checksum, member: member.name } },
    });
  }
  const { id, name, process } = member;
  finish(draft, { ...unit, first: { member: id, name, process, voter: voterOf(draft, member) } });
  if (denied !== null) loseLiar(draft, denied, nowMs);
}

/** Its shards go to others, and nothing speaks against them; what it answered to others decides nothing any more. */
function loseLiar(draft: Draft, process: string, nowMs: number): void {
  for (const unit of draft.round?.units ?? []) {
    const audit = unit.audit?.filter((answer) => answer.process !== process);
    if (!unit.done && audit !== undefined && audit.length < (unit.audit?.length ?? 0)) replaceUnit(draft, { ...unit, audit });
  }
  for (const member of [...draft.members.values()])
    if (member.process === process) lose(draft, member.id, { reason: 'it was put out', cause: 'blameless' }, nowMs);
}

function sameAttempt(a: Attempt, b: Attempt): boolean {
  return sameShardId(a.id, b.id) && a.version === b.version;
}

function attemptOf({ id, version }: Attempt): Attempt {
  return { id, version };
}
