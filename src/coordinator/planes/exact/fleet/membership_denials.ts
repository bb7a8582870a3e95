/**
 * Owns: who finds NaN or Inf in shards where others find none: against two machines it is put out.
 * Does not: compute such a shard once more (membership.ts does).
 *
 * One other machine tells only that one of both is broken. What is not finite was never applied, so nothing of the run is in doubt.
 */
import { withNewest } from '../../../../common/newest_entries.js';
import { note, where, type Draft } from './membership_draft.js';
import { voterOf } from './membership_questions.js';
import type { Member, RunningAttempt, Unit } from './membership_state.js';

/** Processes remembered; a hostile one has a new name each time anyway. */
const MAX_DENIED = 1_000;

/** This member found none in the shard that another did. The other's process, where that puts it out. */
export function deny(draft: Draft, told: NonNullable<Unit['nonFinite']>, member: Member, { id }: RunningAttempt): string | null {
  if (id.kind !== 'train' || told.process === member.process) return null;
  const text = `${member.name} found no NaN or Inf in ${where(id)}, and ${told.member} did: one of them has faulty hardware or other numerics`;
  note(draft, 'warn', 'recompute', told.member, text);
  const voter = voterOf(draft, member);
  if (!draft.settings.comparesBits || voter === told.voter) return null;
  const by = new Map(draft.denials.get(told.process)).set(voter, member.name);
  if (by.size === 1) {
    draft.denials = withNewest(draft.denials, [[told.process, by]], MAX_DENIED);
    return null;
  }
  draft.denials = new Map([...draft.denials].filter(([process]) => process !== told.process));
  const reason = `it found NaN or Inf in shards in which ${[...by.values()].join(' and ')} found none`;
  note(draft, 'error', 'audit', told.member, `${told.member} is put out: ${reason}`);
  draft.commands.push({ type: 'condemn', member: told.memberId, process: told.process, reason });
  return told.process;
}
