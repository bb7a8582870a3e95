/**
 * Owns: the data of the membership core: who is here, what each computes, what the current round still needs; and how it begins.
 * Does not: change it (membership.ts does), or know sockets, threads or clocks: every time is passed in.
 *
 * A round is the shards of one step, or of one evaluation batch, all of one parameter version. A member is a replica that may be given
 * shards; several members can belong to one worker process.
 */
import type { ShardId } from '../../../../common/replica.js';
import { Members } from './members.js';

/** What a round asks for. */
export interface RoundSpec {
  readonly kind: 'train' | 'evaluate';
  readonly step: number;
  readonly version: number;
  /** Shards with at least one example, ascending. */
  readonly shards: readonly number[];
  /** Those that two machines compute, to be compared. */
  readonly audited?: readonly number[];
  /**
   * Computed once more, all shards audited: each was finite, and what came of their sum was not. Who differs, now or in what it first answered, is put out.
   * `alone`: nobody asked for audits, and the run goes on. `with_past`: a share of all shards is audited, and what a liar computed before is in doubt too.
   */
  readonly doubted?: 'alone' | 'with_past';
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
    readonly voter: string;
    readonly member: string;
    readonly tensor: string;
  } | null;
  /** Who said that the run's own data or model is at fault in it. */
  readonly fault: { readonly process: string; readonly member: string } | null;
  /** The answers so far, where it is audited. */
  readonly audit: readonly AuditAnswer[] | null;
  /** It was told that a second machine is missing. */
  readonly auditWaits: boolean;
  /** Of a step that is doubted: a machine that was alone found NaN or Inf, and is asked once more. */
  readonly isRetried: boolean;
  /** Whose answer was taken without an audit; of a step that is doubted, whose was taken first. */
  readonly first: Answerer | null;
}

export interface Answerer {
  readonly member: number;
  readonly name: string;
  readonly process: string;
  /** Who answers for it (`voterOf`). */
  readonly voter: string;
}

/** An answer to an audited shard. `group` is the same for those that are equal bit for bit. */
export interface AuditAnswer extends Answerer {
  readonly group: number;
  /** Of a step that is doubted: whether it is the answer that was taken first, to the bit; null where that is not known. */
  readonly likeFirst: boolean | null;
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
  /** Equal work gives equal bits on all machines; not so with `--numerics relaxed`. */
  readonly comparesBits: boolean;
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
  /** A draft of one event is the only one that is written. */
  readonly members: Members<Member>;
  readonly round: Round | null;
  readonly rounds: number;
  /** True once `minWorkers` were here together. */
  readonly started: boolean;
  /** Since when a round has had nobody to compute it. */
  readonly waitingSinceMs: number | null;
  /** By process, and by machine where that is known; bounded, the oldest is forgotten. */
  readonly strikes: ReadonlyMap<string, Strike>;
  /** By process that found NaN or Inf: which machines found none in the same shard, and their names. Bounded, the oldest is forgotten. */
  readonly denials: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** By shard, whose answers the last completed step was made of: it may be doubted. */
  readonly firsts: { readonly step: number; readonly version: number; readonly by: ReadonlyMap<number, Answerer> } | null;
  /** By machine or process: from this step on nothing that it computed was checked. Bounded, the oldest is forgotten. */
  readonly trusted: ReadonlyMap<string, number>;
  /** Latest shard times per kind, oldest first, bounded. */
  readonly timesMs: { readonly train: readonly number[]; readonly evaluate: readonly number[] };
  readonly incidents: Incidents;
  readonly failed: boolean;
}

/** Losses are listed by name up to here; all are counted. */
export const MAX_LISTED_LOSSES = 100;

export function createMembership(settings: MembershipSettings): MembershipState {
  return {
    settings,
    generation: 0,
    nextMemberId: 1,
    members: new Members(),
    round: null,
    rounds: 0,
    started: false,
    waitingSinceMs: null,
    strikes: new Map(),
    denials: new Map(),
    firsts: null,
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
