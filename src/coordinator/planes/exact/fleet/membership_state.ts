/**
 * Owns: the data of the membership core: who is here, what each computes, what the current round still needs; and questions about it.
 * Does not: change it (membership.ts does), or know sockets, threads or clocks: every time is passed in.
 *
 * A round is the shards of one step, or of one evaluation batch, all of one parameter version. A member is a replica that may be given
 * shards; several members can belong to one worker process.
 */
import type { ShardId } from '../../../../common/replica.js';

/** What a round asks for. */
export interface RoundSpec {
  readonly kind: 'train' | 'evaluate';
  readonly step: number;
  readonly version: number;
  /** Shards with at least one example, ascending. */
  readonly shards: readonly number[];
  /** Those that two machines compute, to be compared. */
  readonly audited?: readonly number[];
}

/** One try of one shard on one replica. Everything an answer must repeat to be taken. */
export interface Attempt {
  readonly id: ShardId;
  readonly version: number;
}

/** An attempt that a member is busy with. */
export interface RunningAttempt extends Attempt {
  /** Counts rounds; an attempt may outlive its round when its twin won. */
  readonly round: number;
  readonly startedMs: number;
  readonly deadlineMs: number;
  /** Set once another attempt at this shard was taken: what this one must equal. */
  readonly winner: { readonly checksum: number | null; readonly member: string } | null;
}

export interface Member {
  readonly id: number;
  /** Shown to people: `host-b:gpu(0)`. */
  readonly name: string;
  /** The session it came by; `--min-workers` counts these. */
  readonly worker: string;
  /** The process it lives in: one that comes back did not die. */
  readonly process: string;
  /** Where that runs, as its own token says; null where the token is shared: then each process counts as one. */
  readonly machine: string | null;
  /** Asked to leave: finishes what it has and gets nothing more. */
  readonly draining: boolean;
  readonly running: RunningAttempt | null;
  readonly shardsDone: number;
}

/** A process that was gone while it had a shard. */
export interface Loss {
  readonly process: string;
  readonly machine: string | null;
  readonly member: string;
  readonly reason: string;
  readonly atMs: number;
  /** It said so, or has not come back: the shard may be the cause. Until then its link may have broken. */
  readonly died: boolean;
}

/** How often a process, or a machine, was lost with a shard since it last finished one, and until when it is given none. */
export interface Strike {
  readonly count: number;
  /** Members from this number on came after it. */
  readonly newcomersFrom: number;
  readonly untilMs: number;
}

export interface Unit {
  readonly shard: number;
  readonly done: boolean;
  /** The number the next attempt gets. */
  readonly attempts: number;
  /** By process, each once; those whose process came back are taken out. */
  readonly losses: readonly Loss[];
  /** All, also of those that came back; and when the last was. */
  readonly lossCount: number;
  readonly lastLossMs: number | null;
  /** Members from this number on came after it was first lost; null where it was not. */
  readonly newcomersFrom: number | null;
  /** The first answer that was not finite, if any: by whom, and which tensor. */
  readonly nonFinite: {
    readonly memberId: number;
    readonly process: string;
    readonly member: string;
    readonly tensor: string;
  } | null;
  /** Who said that the run's own data or model is at fault in it. */
  readonly fault: { readonly process: string; readonly member: string } | null;
  /** The answers so far, where it is audited. */
  readonly audit: readonly AuditAnswer[] | null;
  /** It was told that a second machine is missing. */
  readonly auditWaits: boolean;
}

/** An answer to an audited shard. `group` is the same for those that are equal bit for bit. */
export interface AuditAnswer {
  readonly member: number;
  readonly name: string;
  readonly process: string;
  readonly voter: string;
  readonly group: number;
}

export interface Round extends RoundSpec {
  readonly number: number;
  readonly units: readonly Unit[];
  readonly remaining: number;
}

export interface MembershipSettings {
  /** +1 at each start of the coordinator on a run; fences answers to an earlier one. */
  readonly coordinatorEpoch: number;
  /** Worker processes that must be here before the first round starts. */
  readonly minWorkers: number;
  /** Longest wait for workers; null waits for ever. */
  readonly joinTimeoutMs: number | null;
  /** False where nobody can join (`train` on one machine): losing the last replica ends the run. */
  readonly canJoin: boolean;
  /** A shard is given up as lost after max(floor, factor × 95th percentile). */
  readonly deadlineFloorMs: number;
  readonly deadlineFactor: number;
  /** Deadline of a shard before any of its kind was measured: recording and first allocation are in it. */
  readonly firstDeadlineMs: number;
  /** A free replica repeats a shard that runs longer than max(floor, factor × median). */
  readonly stragglerFloorMs: number;
  readonly stragglerFactor: number;
  /** A shard that took processes on this many machines, or this many processes in a row where fewer machines are there, is the cause, not the victim. */
  readonly maxMachinesPerShard: number;
  readonly maxLossesPerShard: number;
  /** A process that has not come back after this long died. */
  readonly returnGraceMs: number;
  /** All shards are audited: a liar is found before anything of it is in the run. */
  readonly auditsAll: boolean;
  /** Who just lost a shard is given none for this long, doubled each time up to the maximum. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
}

/** What went wrong and was survived, for the summary at the end. */
export interface Incidents {
  readonly joined: number;
  readonly left: number;
  readonly lost: readonly { readonly member: string; readonly reason: string }[];
  readonly lostCount: number;
  readonly reassigned: number;
  readonly speculative: number;
  readonly recomputed: number;
  readonly refused: number;
  readonly twinMismatches: number;
  /** Shards that two machines computed alike, to audit them. */
  readonly audited: number;
}

export interface MembershipState {
  readonly settings: MembershipSettings;
  /** A fixed membership; +1 at each join, leave or loss. */
  readonly generation: number;
  /** Member ids are never used twice. */
  readonly nextMemberId: number;
  readonly members: ReadonlyMap<number, Member>;
  readonly round: Round | null;
  readonly rounds: number;
  /** True once `minWorkers` were here together. */
  readonly started: boolean;
  /** Since when a round has had nobody to compute it. */
  readonly waitingSinceMs: number | null;
  /** By process, and by machine where that is known; bounded, the oldest is forgotten. */
  readonly strikes: ReadonlyMap<string, Strike>;
  /** By machine or process: from this step on nothing that it computed was checked. Bounded, the oldest is forgotten. */
  readonly trusted: ReadonlyMap<string, number>;
  /** Latest shard times per kind, oldest first, bounded. */
  readonly timesMs: { readonly train: readonly number[]; readonly evaluate: readonly number[] };
  readonly incidents: Incidents;
  readonly failed: boolean;
}

/** Enough for a stable 95th percentile, few enough that a change of load shows soon. */
const MAX_TIMES = 64;
/** Losses are listed by name up to here; all are counted. */
export const MAX_LISTED_LOSSES = 100;

export function createMembership(settings: MembershipSettings): MembershipState {
  return {
    settings,
    generation: 0,
    nextMemberId: 1,
    members: new Map(),
    round: null,
    rounds: 0,
    started: false,
    waitingSinceMs: null,
    strikes: new Map(),
    trusted: new Map(),
    timesMs: { train: [], evaluate: [] },
    incidents: {
      joined: 0,
      left: 0,
      lost: [],
      lostCount: 0,
      reassigned: 0,
      speculative: 0,
      recomputed: 0,
      refused: 0,
      twinMismatches: 0,
      audited: 0,
    },
    failed: false,
  };
}

export function addTime(times: readonly number[], ms: number): readonly number[] {
  return [...times.slice(-(MAX_TIMES - 1)), ms];
}

/** Nearest-rank quantile: the smallest value that at least `fraction` of all do not exceed; null for no values. */
export function quantile(values: readonly number[], fraction: number): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)];
}

/** How long a shard of this kind may take before its replica counts as lost. */
export function deadlineMs(state: MembershipState, kind: 'train' | 'evaluate'): number {
  const { firstDeadlineMs, deadlineFloorMs, deadlineFactor } = state.settings;
  const p95 = quantile(state.timesMs[kind], 0.95);
  return p95 === null ? firstDeadlineMs : Math.max(deadlineFloorMs, deadlineFactor * p95);
}

/** How long a shard of this kind may take before a free replica repeats it; null while nothing was measured. */
export function stragglerMs(state: MembershipState, kind: 'train' | 'evaluate'): number | null {
  const median = quantile(state.timesMs[kind], 0.5);
  return median === null ? null : Math.max(state.settings.stragglerFloorMs, state.settings.stragglerFactor * median);
}

/** Members computing a shard of the current round. */
export function runnersOf(state: MembershipState, shard: number): Member[] {
  const round = state.round;
  if (round === null) return [];
  return [...state.members.values()].filter(({ running }) => running?.round === round.number && running.id.shard === shard);
}

/** True if a second answer to this member's shard exists or may come: the rim needs a checksum only then. */
export function hasTwin(state: MembershipState, memberId: number): boolean {
  const running = state.members.get(memberId)?.running;
  if (!running) return false;
  return running.winner !== null || runnersOf(state, running.id.shard).length > 1;
}

/** True if this member's shard is audited, and not settled. */
export function isAudited({ members, round }: MembershipState, memberId: number): boolean {
  const running = members.get(memberId)?.running;
  if (!running || running.round !== round?.number) return false;
  return round.units.some(({ shard, done, audit }) => shard === running.id.shard && !done && audit !== null);
}

/** One more replica, of a machine that has not had it, may compute this audited shard. */
export function mayAudit(state: MembershipState, unit: Unit, member: Member): boolean {
  const { audit } = unit;
  if (audit === null || unit.done) return false;
  const runners = runnersOf(state, unit.shard);
  if (runners.length >= Math.max(2 - audit.length, 1)) return false;
  const voter = voterOf(state, member);
  return [...audit.map((answer) => answer.voter), ...runners.map((runner) => voterOf(state, runner))].every(
    (other) => other !== voter,
  );
}

/** True if a free replica may repeat this shard: one of another session has it, and it is not the one that found a bad number in it. */
export function mayRepeat(state: MembershipState, unit: Unit, member: Member): boolean {
  if (unit.done || unit.audit !== null || unit.nonFinite?.memberId === member.id) return false;
  const runners = runnersOf(state, unit.shard);
  return runners.length === 1 && runners[0].worker !== member.worker;
}

export function pauseMs({ settings: { firstPauseMs, maxPauseMs } }: MembershipState, times: number): number {
  return times < 1 ? 0 : Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(times - 1, 30));
}

/** Who answers for what a member computes: its machine where that is known and others can join, else its process. */
export function voterOf({ settings: { canJoin } }: MembershipState, { machine, process }: Member): string {
  return canJoin && machine !== null ? machineKey(machine) : process;
}

export function machineKey(machine: string): string {
  return `machine ${machine}`;
}

/** Until when this member is given no shard at all; those who came to a machine after it was struck are paused with it. */
export function pausedUntilMs({ strikes }: MembershipState, { id, process, machine }: Member): number {
  const own = strikes.get(process)?.untilMs ?? 0;
  const there = machine === null ? undefined : strikes.get(machineKey(machine));
  return there === undefined || id < there.newcomersFrom ? own : Math.max(own, there.untilMs);
}

/** True for one that was here before the shard was first lost, and has not lost it: nothing speaks against it. */
export function isElder(unit: Unit, member: Member): boolean {
  if (unit.newcomersFrom === null) return true;
  return member.id < unit.newcomersFrom && unit.losses.every(({ process }) => process !== member.process);
}

/**
 * From when on this member may be given this shard, which nobody computes. Who lost a shard is paused; who came after it was lost may be the same sick
 * machine under another name, and leaves it to those who were here, for longer each time.
 */
export function takesFromMs(state: MembershipState, unit: Unit, member: Member): number {
  const paused = pausedUntilMs(state, member);
  if (isElder(unit, member) || unit.lastLossMs === null) return paused;
  return Math.max(paused, unit.lastLossMs + pauseMs(state, unit.lossCount - 1));
}

/** Enough processes are gone with this shard to end the run, if `losses` are deaths. */
export function isDeadly({ settings }: MembershipState, losses: readonly Loss[]): boolean {
  const machines = new Set(losses.map(({ process, machine }) => machine ?? `process ${process}`));
  return machines.size >= settings.maxMachinesPerShard || losses.length >= settings.maxLossesPerShard;
}

/**
 * True for who must not compute this shard now, whatever time passes: it found a bad number or a fault in it and there is an elsewhere; or as many processes are gone
 * with it as end a run, and whether they died is not known yet.
 */
export function isBarred(state: MembershipState, unit: Unit, member: Member): boolean {
  if (isDeadly(state, unit.losses) && !isElder(unit, member)) return true;
  if (unit.nonFinite === null && unit.fault === null) return false;
  const others = [...state.members.values()].filter(({ draining }) => !draining);
  if (unit.fault?.process === member.process && others.some(({ process }) => process !== member.process)) return true;
  if (unit.nonFinite === null) return false;
  if (others.some(({ process }) => process !== unit.nonFinite?.process)) return member.process === unit.nonFinite.process;
  return member.id === unit.nonFinite.memberId && others.some(({ id }) => id !== member.id);
}

/** When the core wants to hear a `tick`, in the clock of the events; null for not at all. */
export function nextWakeMs(state: MembershipState): number | null {
  const { round, waitingSinceMs, settings, started } = state;
  const times: number[] = [];
  for (const { running } of state.members.values()) if (running !== null) times.push(running.deadlineMs);
  if (waitingSinceMs !== null && settings.joinTimeoutMs !== null) times.push(waitingSinceMs + settings.joinTimeoutMs);
  const limitMs = round === null || !started ? null : stragglerMs(state, round.kind);
  const free = [...state.members.values()].filter(({ running, draining }) => running === null && !draining);
  if (round !== null && started) {
    for (const unit of round.units) {
      for (const { died, atMs } of unit.losses) if (!died && !unit.done) times.push(atMs + settings.returnGraceMs);
      if (unit.done || (unit.audit === null && runnersOf(state, unit.shard).length > 0)) continue;
      for (const member of free) {
        // Of an audited shard only for a machine that has not had it: another's wake would change nothing, and come again at once.
        if (unit.audit !== null && !mayAudit(state, unit, member)) continue;
        if (!isBarred(state, unit, member)) times.push(takesFromMs(state, unit, member));
      }
    }
  }
  if (round !== null && limitMs !== null) {
    for (const unit of round.units) {
      const [runner] = runnersOf(state, unit.shard);
      // A wake that changes nothing would come again at once, for ever: only where somebody may act on it, and when.
      if (!runner?.running) continue;
      for (const member of free) {
        if (mayRepeat(state, unit, member))
          times.push(Math.max(runner.running.startedMs + limitMs, pausedUntilMs(state, member)));
      }
    }
  }
  return times.length === 0 ? null : Math.min(...times);
}
