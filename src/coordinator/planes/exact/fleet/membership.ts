/**
 * Owns: every decision about who computes what: what each event changes, and when a round begins. Who goes is membership_leaving.ts, what an answer is
 * worth membership_answers.ts, who is given which shard membership_schedule.ts.
 * Does not: wait, read a clock, hold tensors or talk to anyone. `(state, event, nowMs) → state + commands`; fleet.ts carries them out.
 *
 * First valid answer wins; compute many times, commit once. A loss costs its shard's recomputation in the same round and nothing else.
 */
import { invariant } from '../../../../common/errors.js';
import { answer, type Answer } from './membership_answers.js';
import { count, fail, note, where, workers, type Draft, type MembershipCommand } from './membership_draft.js';
import { faulted, leave, lose, type LossCause } from './membership_leaving.js';
import { endIfDeadly, forgive, giveUpReturning } from './membership_losses.js';
import { schedule } from './membership_schedule.js';
import type { MembershipState, RoundSpec } from './membership_state.js';
import { Members } from './members.js';

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
