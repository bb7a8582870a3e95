/**
 * Owns: audited shards: each is computed on two machines, and taken only once two answers are equal bit for bit; who is in the minority is a liar, and
 * so is, of a step that is doubted, who first answered otherwise.
 * Does not: choose which shards are audited, or compare bits: the rim does, and gives equal answers the same number (fleet.ts).
 */
import { withNewest } from '../../../../common/newest_entries.js';
import type { ShardId } from '../../../../common/replica.js';
import { count, fail, finish, note, refuse, replaceUnit, where, type Draft } from './membership_draft.js';
import { runnersOf, voterOf } from './membership_questions.js';
import type { Answerer, AuditAnswer, Member, RunningAttempt, Unit } from './membership_state.js';

/** Answers with a NaN or Inf are of one kind, whatever else is in them: none is kept. */
const NOT_FINITE = -1;
/** Machines remembered; a hostile one has a new name each time anyway. */
const MAX_TRUSTED = 1_000;

/** What an earlier start knew, and what this one does, which is newer; bounded. */
export function trustedSince(
  known: Iterable<readonly [string, number]>,
  trusted: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  return withNewest(new Map(known), trusted, MAX_TRUSTED);
}

/** `group` is the same for equal answers. Returns the unit where that has settled it, else null. */
export function settleAudited(
  draft: Draft,
  { member, running, unit, audit }: { member: Member; running: RunningAttempt; unit: Unit; audit: readonly AuditAnswer[] },
  got: {
    readonly id: ShardId;
    readonly checksum: number | null;
    readonly nonFinite: string | null;
    readonly likeFirst?: boolean | null;
  },
): Unit | null {
  // An evaluation's NaN is told as it is, where two find it.
  const bad = got.id.kind === 'train' && got.nonFinite !== null;
  const group = bad ? NOT_FINITE : (got.checksum ?? NOT_FINITE);
  const { id, name, process } = member;
  const { likeFirst = null } = got;
  const answers = [...audit, { member: id, name, process, voter: voterOf(draft, member), group, likeFirst }];
  replaceUnit(draft, { ...unit, audit: answers });
  if (bad) refuse(draft, id, 'non_finite');
  else draft.commands.push({ type: 'hold', member: id, shard: unit.shard });
  const agreeing = answers.filter((answer) => answer.group === group);
  if (agreeing.length < 2) {
    if (answers.length > 1)
      note(
        draft,
        'error',
        'audit',
        name,
        `${namesOf(answers)} computed ${where(running.id)} and differ; another machine decides`,
      );
    return null;
  }
  if (bad) {
    fail(
      draft,
      'NON_FINITE',
      `NaN or Inf at ${where(running.id)}: found by ${namesOf(agreeing)}. Not applied.`,
      'Lower the learning rate or clip the gradient (--set optimizer.clip_norm=1).',
    );
    return null;
  }
  draft.incidents.audited += 1;
  draft.commands.push({ type: 'accept_held', member: agreeing[0].member, shard: unit.shard });
  const outvoted = answers.filter((answer) => answer.group !== group);
  const { first } = unit;
  // It may answer rightly now: what it first answered is in the sum that was not finite.
  const isFirstOutvoted = first !== null && likeFirst === false && outvoted.every((other) => other.process !== first.process);
  const liars: readonly Answerer[] = isFirstOutvoted ? [...outvoted, first] : outvoted;
  const sound = agreeing.filter(({ voter }) => liars.every((liar) => liar.voter !== voter));
  if (got.id.kind === 'train') trust(draft, sound, running.id.step);
  for (const liar of liars) {
    const isFirst = liar === first;
    const against = agreeing.map((answer) => (answer.process === liar.process ? 'itself when asked again' : answer.name));
    const text = `${liar.name} ${isFirst ? 'first ' : ''}computed ${where(running.id)} otherwise than ${against.join(' and ')}: it is put out`;
    note(draft, 'error', 'audit', liar.name, text);
    draft.commands.push({
      type: 'condemn',
      member: liar.member,
      process: liar.process,
      reason: `${where(running.id)} was computed otherwise by ${namesOf(agreeing.filter((answer) => answer.process !== liar.process))}`,
    });
  }
  if (liars.length > 0 && !isWhole(draft)) {
    const since = Math.min(...liars.map(({ voter }) => draft.trusted.get(voter) ?? 0));
    fail(
      draft,
      'AUDIT_FAILED',
      `${namesOf(liars)} computed ${where(running.id)} otherwise than ${namesOf(agreeing)}; not all shards are audited, and what it computed from step ${since + 1} on is in the run.`,
      `Leave ${namesOf(liars)} out and resume the run: it goes on from the last state before that step. With --audit 1 nothing wrong gets into a run.`,
      since,
    );
  }
  return { ...unit, audit: answers };
}

/**
 * Ends the run for an audited shard on which all that are here differ; says so once where a second machine is missing. True where a shard is to be given out
 * again.
 */
export function endIfUndecided(draft: Draft): boolean {
  let isReopened = false;
  for (const unit of draft.round?.units ?? []) {
    const { audit } = unit;
    if (draft.round === null || audit === null || audit.length === 0 || unit.done || runnersOf(draft, unit.shard).length > 0)
      continue;
    const asked = new Set(audit.map(({ voter }) => voter));
    if ([...draft.members.values()].some((member) => !member.draining && !asked.has(voterOf(draft, member)))) continue;
    const at = where({ ...draft.round, shard: unit.shard });
    if (audit.length === 1) {
      if (draft.round.doubted === 'alone') {
        isReopened = takeAlone(draft, unit, audit[0], at) || isReopened;
        if (draft.failed) return false;
        continue;
      }
      if (draft.settings.canJoin) {
        if (unit.auditWaits) continue;
        replaceUnit(draft, { ...unit, auditWaits: true });
        note(draft, 'warn', 'audit', audit[0].name, `${at} is audited and waits for a second machine; ${count(draft)}`);
        continue;
      }
      fail(
        draft,
        'AUDIT_ALONE',
        `${at} is audited, and no second replica is left to compute it.`,
        'Resume the run with two replicas or more, or without --audit.',
      );
      return false;
    }
    const since = isWhole(draft) ? null : Math.min(...audit.map(({ voter }) => draft.trusted.get(voter) ?? 0));
    const suspect =
      since === null ? 'Not applied' : `Not applied; what one of them computed from step ${since + 1} on is in the run`;
    fail(
      draft,
      'AUDIT_UNDECIDED',
      `${namesOf(audit)} computed ${at} and differ, and no other machine is here to decide. ${suspect}.`,
      'Test each alone with `tfjs-parallel verify`, leave the broken one out and resume the run; with three machines the odd one is found.',
      since,
    );
    return false;
  }
  return isReopened;
}

/**
 * Nobody asked for audits, so who is left is believed as a lone worker is: what comes of its sum tells whether the run has diverged. True for a NaN, which is
 * computed once more as anywhere else.
 */
function takeAlone(draft: Draft, unit: Unit, { member, name, process, group, likeFirst }: AuditAnswer, at: string): boolean {
  if (group === NOT_FINITE) {
    if (!unit.isRetried) {
      replaceUnit(draft, { ...unit, audit: [], isRetried: true });
      return true;
    }
    fail(
      draft,
      'NON_FINITE',
      `NaN or Inf at ${at}: found by ${name}, twice, and no second machine is here to compute it. Not applied.`,
      'Lower the learning rate or clip the gradient (--set optimizer.clip_norm=1).',
    );
    return false;
  }
  const { first } = unit;
  if (first !== null && likeFirst === false) {
    const than = first.process === process ? 'it did first' : `${first.name} did first`;
    note(draft, 'warn', 'audit', name, `${name} computed ${at} otherwise than ${than}, and no second machine is here to decide`);
  }
  draft.commands.push({ type: 'accept_held', member, shard: unit.shard });
  finish(draft, unit);
  return false;
}

/** A lie is found before anything of it is in the run; where nobody asked for audits nothing else is claimed of a step that is doubted. */
function isWhole({ settings, round }: Draft): boolean {
  return settings.auditsAll || round?.doubted === 'alone';
}

/** Nothing that this member's machine computed from here on has been checked. */
export function beginTrust(draft: Draft, member: Member, step: number): void {
  const voter = voterOf(draft, member);
  if (!draft.trusted.has(voter)) trust(draft, [{ voter }], step);
}

function trust(draft: Draft, voters: readonly { readonly voter: string }[], step: number): void {
  const since = voters.map(({ voter }) => [voter, step] as const);
  draft.trusted = withNewest(draft.trusted, since, MAX_TRUSTED);
}

function namesOf(answers: readonly Answerer[]): string {
  return answers.map(({ name }) => name).join(' and ');
}
