/**
 * Owns: every decision about who computes what: joins, leaves, losses, assignment, deadlines, stragglers, which answers count.
 * Does not: wait, read a clock, hold tensors or talk to anyone. `(state, event, nowMs) → state + commands`; fleet.ts carries them out.
 *
 * First valid answer wins; compute many times, commit once. A loss costs its shard's recomputation in the same round and nothing else.
 */
import { sameShardId } from '../../../../common/replica.js';
import { invariant } from '../../../../common/errors.js';
import {
  count,
  fail,
  finish,
  note,
  refuse,
  replaceUnit,
  unitOf,
  where,
  workers,
  type Draft,
  type MembershipCommand,
} from './membership_draft.js';
import { Members } from './members.js';
import { beginTrust, settleAudited } from './membership_audit.js';
import { deny } from './membership_denials.js';
import { clearStrikes, endIfDeadly, forgive, giveUpReturning, lostBy, strike } from './membership_losses.js';
import { schedule } from './membership_schedule.js';
import { addTime, runnersOf, voterOf } from './membership_questions.js';
import {
  MAX_LISTED_LOSSES,
  type Attempt,
  type Member,
  type MembershipState,
  type RoundSpec,
  type RunningAttempt,
} from './membership_state.js';

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

export type MembershipEvent =
  /** By default the worker is a process of its own, on a machine that is not known. */
  | { type: 'joined'; name: string; worker: string; process?: string; machine?: string | null }
  | { type: 'drain_asked'; member: number }
  /** `also`: the others of its process, gone at the same moment. `said`: its process told of it, and lives. `blameless`: the shard had no part in it. */
  | { type: 'lost'; member: number; reason: string; also?: readonly number[]; cause?: LossCause }
  /** It says that the run's own data or model is at fault in its shard, which any other would find too. */
  | { type: 'faulted'; member: number; reason: string }
  | { type: 'round_started'; round: RoundSpec }
  | { type: 'round_abandoned' }
  | { type: 'answered'; member: number; answer: Answer }
  /** What these members were sent, or answer, is still on its way: the deadlines of their shards have not begun. */
  | { type: 'moving'; members: readonly number[] }
  | { type: 'tick' };

export type LossCause = 'gone' | 'said' | 'blameless';

export interface Transition {
  readonly state: MembershipState;
  readonly commands: readonly MembershipCommand[];
}

export function reduceMembership(state: MembershipState, event: MembershipEvent, nowMs: number): Transition {
  const draft: Draft = {
    ...state,
    members: new Members(state.members),
    round: state.round === null ? null : { ...state.round, units: [...state.round.units] },
    incidents: { ...state.incidents },
    commands: [],
  };
  apply(draft, event, nowMs);
  if (!draft.failed) schedule(draft, nowMs);
  const { commands, ...next } = draft;
  return { state: next, commands };
}

function apply(draft: Draft, event: MembershipEvent, nowMs: number): void {
  switch (event.type) {
    case 'joined': {
      const id = draft.nextMemberId++;
      const { name, worker, process = worker, machine = null } = event;
      const fresh = { draining: false, running: null, shardsDone: 0 };
      draft.members.set(id, { id, name, worker, process, machine, ...fresh });
      forgive(draft, process);
      draft.generation += 1;
      draft.incidents.joined += 1;
      note(draft, 'info', 'join', event.name, `${event.name} joined; ${count(draft)}`);
      return;
    }
    case 'drain_asked': {
      const member = draft.members.get(event.member);
      if (member === undefined || member.draining) return;
      draft.members.set(member.id, { ...member, draining: true });
      if (member.running === null) leave(draft, member);
      return;
    }
    case 'lost':
      for (const member of [event.member, ...(event.also ?? [])]) lose(draft, member, event, nowMs);
      return endIfDeadly(draft);
    case 'faulted':
      return faulted(draft, event, nowMs);
    case 'round_started':
      return startRound(draft, event.round);
    case 'round_abandoned':
      draft.round = null;
      draft.waitingSinceMs = null;
      return;
    case 'answered':
      return answer(draft, event.member, event.answer, nowMs);
    case 'moving': {
      for (const id of event.members) {
        const member = draft.members.get(id);
        if (!member?.running || nowMs < member.running.deadlineMs) continue;
        const deadline = nowMs + draft.settings.deadlineFloorMs;
        draft.members.set(id, { ...member, running: { ...member.running, deadlineMs: deadline } });
      }
      return;
    }
    case 'tick': {
      for (const { id, running } of [...draft.members.values()]) {
        if (running === null || nowMs < running.deadlineMs) continue;
        const seconds = Math.round((nowMs - running.startedMs) / 1000);
        lose(draft, id, { reason: `no answer to ${where(running.id)} after ${seconds} s` }, nowMs);
      }
      giveUpReturning(draft, nowMs);
      endIfDeadly(draft);
      if (draft.failed) return;
      const { joinTimeoutMs, minWorkers } = draft.settings;
      if (draft.waitingSinceMs !== null && joinTimeoutMs !== null && nowMs - draft.waitingSinceMs >= joinTimeoutMs) {
        const wanted = draft.started ? 1 : minWorkers;
        fail(
          draft,
          'JOIN_TIMEOUT',
          `waited ${joinTimeoutMs / 1000} s for ${wanted} worker${wanted === 1 ? '' : 's'}; ${workers(draft)} here.`,
          'Start workers with `tfjs-parallel worker --host …`, or wait longer with --join-timeout.',
        );
      }
    }
  }
}

function startRound(draft: Draft, spec: RoundSpec): void {
  invariant(draft.round === null, 'one round at a time');
  invariant(spec.shards.length > 0, 'a round has a shard that is not empty');
  draft.rounds += 1;
  const untried = {
    ...{ done: false, attempts: 0, losses: [], lossCount: 0, lastLossMs: null, newcomersFrom: null },
    ...{ nonFinite: null, fault: null, auditWaits: false, isRetried: false },
  };
  const audited = new Set(spec.audited);
  const { firsts } = draft;
  const isAgain = spec.doubted !== undefined && firsts?.step === spec.step && firsts.version === spec.version;
  const units = spec.shards.map((shard) => {
    const first = isAgain ? (firsts.by.get(shard) ?? null) : null;
    return { shard, ...untried, audit: audited.has(shard) ? [] : null, first };
  });
  draft.firsts = null;
  draft.round = { ...spec, number: draft.rounds, units, remaining: units.length };
  if (spec.doubted === undefined) return;
  draft.incidents.recomputed += 1;
  const text = `each shard of step ${spec.step + 1} is finite, and what comes of their sum is not; two machines compute each once more before anything is applied`;
  note(draft, 'warn', 'recompute', '', text);
}

function leave(draft: Draft, member: Member): void {
  draft.members.delete(member.id);
  draft.generation += 1;
  draft.incidents.left += 1;
  note(draft, 'info', 'leave', member.name, `${member.name} left after ${member.shardsDone} shards; ${count(draft)}`);
  draft.commands.push({ type: 'dismiss', member: member.id, reason: 'drained' });
}

function lose(draft: Draft, id: number, { reason, cause = 'gone' }: { reason: string; cause?: LossCause }, nowMs: number): void {
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
function faulted(draft: Draft, { member: id, reason }: { member: number; reason: string }, nowMs: number): void {
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

function answer(draft: Draft, id: number, got: Answer, nowMs: number): void {
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
