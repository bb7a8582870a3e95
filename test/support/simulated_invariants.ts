/**
 * Owns: what must hold of the simulated cluster after every event and at every commit.
 * Does not: check a single command (simulated_cluster.ts does, where it carries it out).
 */
import { sameShardId } from '../../src/common/replica.js';
import type { Attempt, MembershipState } from '../../src/coordinator/planes/exact/fleet/membership_state.js';
import { gradientOf } from './simulated_world.js';

/** Throws, naming the seed, where the condition is not met. */
export type Must = (condition: boolean, statement: string) => void;

/** A shard's answer as the coordinator's rim keeps it until the commit. */
export interface Kept {
  readonly gradient: number;
  readonly finite: boolean;
  /** Finite itself, and no sum with it is. */
  readonly huge: boolean;
  readonly epoch: number;
  readonly memberAlive: boolean;
  readonly attempt: Attempt;
}

/** No free replica while a shard waits; no third runner of a shard; who counts as running was given its shard and has a session. */
export function checkState({
  state,
  given,
  suspects,
  hasSession,
  must,
}: {
  state: MembershipState;
  /** What each member was last given. */
  given: ReadonlyMap<number, Attempt>;
  /** Processes that were lost with a shard: these may be paused. */
  suspects: ReadonlySet<string>;
  hasSession: (member: number) => boolean;
  must: Must;
}): void {
  const { round, members } = state;
  const usable = [...members.values()].filter(({ draining }) => !draining);
  const free = usable.filter(({ running }) => running === null);
  for (const unit of round?.units ?? []) {
    const runners = [...members.values()].filter(
      ({ running }) => running?.round === round?.number && running?.id.shard === unit.shard,
    );
    must(runners.length <= 2, 'a shard has at most two runners');
    const takers = free.filter(
      ({ id, process }) =>
        (unit.nonFinite === null ||
          usable.length === 1 ||
          (unit.nonFinite.memberId !== id && unit.nonFinite.process !== process)) &&
        !suspects.has(process) &&
        !unit.audit?.some((answer) => answer.process === process) &&
        (unit.newcomersFrom === null || id < unit.newcomersFrom),
    );
    must(unit.done || runners.length > 0 || takers.length === 0, `shard ${unit.shard} waits although a replica is free`);
  }
  for (const { id, running } of members.values()) {
    must(hasSession(id), 'a member has a session');
    const has = given.get(id);
    must(running === null || (has !== undefined && sameShardId(has.id, running.id)), 'a shard counted as running was given out');
  }
}

/** A commit is of all shards of this step, computed here and now, from the current parameters. */
export function checkCommit({
  kept,
  shards,
  step,
  epoch,
  parameters,
  must,
}: {
  /** By shard. */
  kept: ReadonlyMap<number, Kept>;
  shards: number;
  step: number;
  epoch: number;
  parameters: number;
  must: Must;
}): void {
  must(kept.size === shards, `a step is committed from all ${shards} shards, not ${kept.size}`);
  for (const [shard, { gradient, finite, epoch: of, memberAlive, attempt }] of kept) {
    must(of === epoch, 'nothing of an old coordinator epoch is committed');
    must(memberAlive, 'nothing of a dead session is committed');
    must(finite, 'NaN is never committed');
    must(
      attempt.id.step === step && attempt.id.shard === shard && attempt.version === step - 1,
      'a shard is of its step and version',
    );
    must(gradient === gradientOf(parameters, step, shard), 'a gradient is of the current parameters');
  }
}

/** Who was lost with a shard, as the simulation saw it. */
export class SeenLosses {
  readonly suspects = new Set<string>();
  /** When, of those that have finished none since. */
  readonly #struckMs = new Map<string, number>();

  /** Before the core hears of it. */
  lost(state: MembershipState, id: number, nowMs: number): void {
    const member = state.members.get(id);
    const { round } = state;
    const open = round?.units.some(({ shard, done }) => !done && shard === member?.running?.id.shard);
    if (!member?.running || !open || member.running.round !== round?.number) return;
    this.suspects.add(member.process);
    this.#struckMs.set(member.process, nowMs);
  }

  finished(process: string): void {
    this.#struckMs.delete(process);
  }

  /** It was lost with a shard after this time, and has finished none since. */
  isPaused(process: string, sinceMs: number): boolean {
    return (this.#struckMs.get(process) ?? -Infinity) > sinceMs;
  }

  clear(): void {
    this.suspects.clear();
    this.#struckMs.clear();
  }
}
