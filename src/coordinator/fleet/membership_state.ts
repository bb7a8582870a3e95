/**
 * Owns: the data of the membership core: who is here, what each computes, what the current round still needs; and questions about it.
 * Does not: change it (membership.ts does), or know sockets, threads or clocks: every time is passed in.
 *
 * A round is the shards of one step, or of one evaluation batch, all of one parameter version. A member is a replica that may be given
 * shards; several members can belong to one worker process.
 */

/** What a round asks for. */
export interface RoundSpec {
  readonly kind: 'train' | 'evaluate';
  readonly step: number;
  readonly version: number;
  /** Shards with at least one example, ascending. */
  readonly shards: readonly number[];
}

/** One try of one shard on one replica. Everything an answer must repeat to be taken. */
export interface Attempt {
  readonly kind: 'train' | 'evaluate';
  readonly step: number;
  readonly version: number;
  readonly shard: number;
  readonly attempt: number;
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
  /** The process it lives in; `--min-workers` counts these. */
  readonly worker: string;
  /** Asked to leave: finishes what it has and gets nothing more. */
  readonly draining: boolean;
  readonly running: RunningAttempt | null;
  readonly shardsDone: number;
}

export interface Unit {
  readonly shard: number;
  readonly done: boolean;
  /** The number the next attempt gets. */
  readonly attempts: number;
  readonly losses: number;
  /** The first answer that was not finite, if any: by whom, and which tensor. */
  readonly nonFinite: { readonly memberId: number; readonly member: string; readonly tensor: string } | null;
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
  /** A shard that took this many replicas with it is the cause, not the victim. */
  readonly maxLossesPerShard: number;
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
  return [...state.members.values()].filter(({ running }) => running?.round === round.number && running.shard === shard);
}

/** True if a second answer to this member's shard exists or may come: the rim needs a checksum only then. */
export function hasTwin(state: MembershipState, memberId: number): boolean {
  const running = state.members.get(memberId)?.running;
  if (!running) return false;
  return running.winner !== null || runnersOf(state, running.shard).length > 1;
}

/** True if a free replica may repeat this shard: one other has it, and it is not the one that found a bad number in it. */
export function mayRepeat(state: MembershipState, unit: Unit, member: Member): boolean {
  return !unit.done && unit.nonFinite?.memberId !== member.id && runnersOf(state, unit.shard).length === 1;
}

/** When the core wants to hear a `tick`, in the clock of the events; null for not at all. */
export function nextWakeMs(state: MembershipState): number | null {
  const { round, waitingSinceMs, settings, started } = state;
  const times: number[] = [];
  for (const { running } of state.members.values()) if (running !== null) times.push(running.deadlineMs);
  if (waitingSinceMs !== null && settings.joinTimeoutMs !== null) times.push(waitingSinceMs + settings.joinTimeoutMs);
  const limitMs = round === null || !started ? null : stragglerMs(state, round.kind);
  if (round !== null && limitMs !== null) {
    const free = [...state.members.values()].filter(({ running, draining }) => running === null && !draining);
    for (const unit of round.units) {
      const [runner] = runnersOf(state, unit.shard);
      // A wake that changes nothing would come again at once, for ever: only where somebody may act on it.
      if (runner?.running && free.some((member) => mayRepeat(state, unit, member)))
        times.push(runner.running.startedMs + limitMs);
    }
  }
  return times.length === 0 ? null : Math.min(...times);
}
