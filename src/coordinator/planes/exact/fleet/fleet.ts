/**
 * Owns: the replicas of a run, the one clock and the one timer; carries out what the membership core decides.
 * Does not: decide anything itself (membership.ts does), reduce gradients, or know whether a replica is a thread or another machine.
 *
 * `computeRound` gives back the shards' results in shard order, whoever computed them and however often it had to be tried.
 */
import { randomInt } from 'node:crypto';
import { errorMessage } from '../../../../common/error_facts.js';
import { invariant, isFaultOfTheRun } from '../../../../common/errors.js';
import { LIMITS } from '../../../../common/limits.js';
import type { Replica, ShardAssignment, ShardResult } from '../../../../common/replica.js';
import { FirstAnswers } from './first_answers.js';
import { failureOf } from './fleet_failure.js';
import { membershipSettings, type FleetNote, type FleetOptions, type ReplicaHome } from './fleet_options.js';
import { HeldAnswers } from './held_answers.js';
import { trustedSince } from './membership_audit.js';
import type { MembershipCommand } from './membership_draft.js';
import type { LossCause } from './membership_leaving.js';
import { reduceMembership, type MembershipEvent } from './membership.js';
import { OpenRound } from './open_round.js';
import { ProcessClock } from './process_clock.js';
import { checksumOf } from './result_checksum.js';
import { Seats } from './seats.js';
import { hasTwin, isAudited, keepsFirsts, mayDoubt, nextWakeMs } from './membership_questions.js';
import { createMembership, type Incidents, type MembershipState } from './membership_state.js';

export class Fleet {
  readonly #audit: number;
  readonly #onCondemned: (process: string, reason: string) => void;
  /** Of audited shards that are not settled. */
  readonly #held = new HeldAnswers();
  /** Of the step under way. */
  readonly #firsts = new FirstAnswers();
  readonly #onNote: (note: FleetNote) => void;
  readonly #clock: Pick<ProcessClock, 'nowMs' | 'close'>;
  readonly #seats = new Seats();
  readonly #pending: MembershipEvent[] = [];
  #state: MembershipState;
  #round: OpenRound | null = null;
  #timer: NodeJS.Timeout | null = null;
  #arriving: ShardResult | null = null;
  #newestVersion = 0;
  #busy = false;
  #closed = false;
  #failure: unknown = null;
  #lastError: unknown = null;

  constructor({ onNote = () => {}, onCondemned = () => {}, audit = 0, nowMs, ...settings }: FleetOptions = {}) {
    this.#onNote = onNote;
    this.#onCondemned = onCondemned;
    this.#audit = audit;
    this.#clock = nowMs === undefined ? new ProcessClock() : { nowMs, close: () => {} };
    this.#state = createMembership(membershipSettings({ audit, ...settings }));
  }

  /** Names of the replicas here now, in order of joining. */
  get replicas(): string[] {
    return this.#seats.names;
  }

  /** A round is under way and nobody is there to compute it. */
  get waiting(): boolean {
    return this.#state.waitingSinceMs !== null;
  }

  get incidents(): Incidents {
    return this.#state.incidents;
  }

  /** By machine or process: from this step on nothing that it computed was checked by an audit. */
  get trusted(): ReadonlyMap<string, number> {
    return this.#state.trusted;
  }

  /** What an earlier start knew of that, before the first round. */
  trust(known: Iterable<readonly [string, number]>): void {
    this.#state = { ...this.#state, trusted: trustedSince(known, this.#state.trusted) };
  }

  /** Answers of two machines can be compared, and that did not happen yet: a step whose shards are finite, and their sum is not, can be doubted. */
  get canDoubt(): boolean {
    return this.#state.settings.comparesBits && mayDoubt(this.#state);
  }

  /** A replica may join at any time, mid-round too. By default it is a worker and a process of its own, on this machine. */
  add(replica: Replica, home: ReplicaHome = { worker: replica.name, process: replica.name, machine: 'this one' }): void {
    invariant(this.#seats.memberOf(replica) === null, 'a replica joins once');
    this.#seats.take(this.#state.nextMemberId, replica);
    this.#dispatch({ type: 'joined', name: replica.name, ...home });
  }

  /** Lets the replica finish the shard it has, gives it nothing more and closes it; resolves when it is closed. */
  async remove(replica: Replica): Promise<void> {
    const member = this.#seats.memberOf(replica);
    if (member === null) return;
    const done = this.#seats.whenClosed(member);
    this.#dispatch({ type: 'drain_asked', member });
    await done;
  }

  /** Says that a replica is gone, for example because its connection is. Its shard goes to another at once. */
  lose(replica: Replica, reason: string, cause: LossCause = 'gone'): void {
    this.loseAll([replica], reason, cause);
  }

  /** All of one process, gone at the same moment: none of them is given a shard that another leaves. */
  loseAll(replicas: readonly Replica[], reason: string, cause: LossCause): void {
    const [member, ...also] = replicas.flatMap((replica) => this.#seats.memberOf(replica) ?? []);
    if (member !== undefined) this.#dispatch({ type: 'lost', member, also, reason, cause });
  }

  /**
   * Computes all given shards (of one step and version, in ascending order) and resolves to their results in the same order.
   * `doubted`: this step once more, each shard on two machines (`canDoubt`). The caller releases the gradients; `take` may take them over as they arrive, each shard's once. Rejects when the run cannot go on: bad numbers twice, nobody left, nobody joins.
   */
  computeRound(
    units: readonly ShardAssignment[],
    take: (result: ShardResult) => ShardResult = (result) => result,
    { doubted = false } = {},
  ): Promise<ShardResult[]> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    invariant(this.#round === null, 'one round at a time');
    invariant(units.length > 0, 'a round has a shard that is not empty');
    const [{ id, parameters }] = units;
    const { kind, step } = id;
    this.#newestVersion = parameters.version;
    return new Promise((resolve, reject) => {
      this.#round = new OpenRound({ units, take, resolve, reject });
      const shards = units.map(({ id }) => id.shard);
      const share = doubted ? 1 : this.#audit;
      const audited = share === 0 ? [] : shards.filter(() => share === 1 || randomInt(2 ** 32) < share * 2 ** 32);
      const round = { kind, step, version: parameters.version, shards, audited };
      const isAlone = this.#audit === 0;
      if (!doubted) this.#firsts.clear();
      this.#dispatch({ type: 'round_started', round: doubted ? { ...round, doubted: isAlone ? 'alone' : 'with_past' } : round });
    });
  }

  /** Gives up the round under way, which rejects with `error`; answers that still come are dropped. */
  abandonRound(error: unknown): void {
    this.#abandon(error);
    this.#dispatch({ type: 'round_abandoned' });
  }

  /** Closes every replica. A round under way rejects. Idempotent. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#clock.close();
    this.#closed = true;
    this.#failure ??= new Error('internal: the fleet is closed');
    this.#abandon(this.#failure);
    await this.#seats.closeAll();
  }

  /** Events raised while commands are carried out wait their turn, so that the core sees one after the other. */
  #dispatch(event: MembershipEvent): void {
    if (this.#closed) return;
    this.#pending.push(event);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) this.#reduce(next);
    } finally {
      this.#busy = false;
    }
    this.#setTimer();
  }

  #reduce(event: MembershipEvent): void {
    const { state, commands } = reduceMembership(this.#state, event, this.#clock.nowMs());
    this.#state = state;
    for (const command of commands) this.#carryOut(command);
  }

  #carryOut(command: MembershipCommand): void {
    switch (command.type) {
      case 'assign': {
        const { shard, attempt } = command.attempt.id;
        const unit = this.#round?.unitOf(shard);
        const replica = this.#seats.replicaOf(command.member);
        invariant(unit !== undefined && replica !== undefined, 'an assignment has a shard and a replica');
        return this.#start(command.member, replica, { ...unit, id: { ...unit.id, attempt } });
      }
      case 'accept': {
        const result = this.#arriving;
        invariant(this.#round !== null && result !== null, 'an accepted answer has just arrived');
        // Before it is added to others, in its own memory.
        if (result.id.kind === 'train' && this.#state.settings.comparesBits && keepsFirsts(this.#state))
          this.#firsts.keep(result);
        return this.#round.accept(command.attempt.id.shard, result);
      }
      case 'hold':
        invariant(this.#arriving !== null, 'an answer that is held has just arrived');
        return this.#held.hold(command.shard, command.member, this.#arriving);
      case 'accept_held':
        invariant(this.#round !== null, 'an answer that is held is of an open round');
        return this.#round.accept(command.shard, this.#held.settle(command.shard, command.member));
      case 'condemn':
        return this.#onCondemned(command.process, command.reason);
      case 'refuse':
        this.#arriving?.gradient?.release();
        return;
      case 'complete': {
        const round = this.#round;
        invariant(round !== null, 'a completed round was open');
        this.#round = null;
        // Of a liar, whose answers decided nothing any more.
        this.#held.clear();
        return round.complete(command.round.shards);
      }
      case 'dismiss':
        return this.#seats.close(command.member);
      case 'fail':
        this.#failure = failureOf(command, this.#lastError);
        this.#abandon(this.#failure);
        return;
      case 'believe': {
        const fault = this.#lastError;
        invariant(isFaultOfTheRun(fault), 'a fault that is believed has just been told');
        const { also } = command;
        return this.giveUp(
          also === null ? fault : fault.reworded((text) => (text === fault.message ? `${text} (${also} found it too)` : text)),
        );
      }
      case 'note':
        // Who goes away from a run that has failed is not lost by it.
        if (this.#failure === null) this.#onNote(command);
    }
  }

  #start(member: number, replica: Replica, assignment: ShardAssignment): void {
    const givenMs = performance.now();
    replica.compute(assignment).then(
      (result) => this.#answered(member, { ...result, replica: replica.name, givenMs, answeredMs: performance.now() }),
      (error: unknown) => {
        this.#lastError = error;
        if (isFaultOfTheRun(error)) return this.#dispatch({ type: 'faulted', member, reason: error.message });
        this.#dispatch({ type: 'lost', member, reason: errorMessage(error), cause: 'said' });
      },
    );
  }

  #answered(member: number, result: ShardResult): void {
    const { id, version, nonFinite = null } = result;
    if (this.#closed) return result.gradient?.release();
    const audited = isAudited(this.#state, member);
    const checksum = audited
      ? this.#held.groupOf(id.shard, result)
      : hasTwin(this.#state, member) && this.#comparable(version, member)
        ? checksumOf(result)
        : null;
    const { coordinatorEpoch } = this.#state.settings;
    const likeFirst = audited ? this.#firsts.isRepeatedBy(result) : null;
    const answer = { id, version, nonFinite, checksum, likeFirst, coordinatorEpoch };
    invariant(!this.#busy, 'answers arrive one by one');
    this.#arriving = result;
    this.#dispatch({ type: 'answered', member, answer });
    this.#arriving = null;
  }

  /**
   * Two parameter buffers of this process take turns, so a late thread may have read its version while the next but one was written over it:
   * its answer is dropped in any case, but only one that cannot be torn may accuse somebody's hardware.
   */
  #comparable(version: number, member: number): boolean {
    if (this.#seats.replicaOf(member)?.ownParameters) return true;
    return version === this.#newestVersion || (version + 1 === this.#newestVersion && this.#round !== null);
  }

  #abandon(error: unknown): void {
    const round = this.#round;
    if (round === null) return;
    this.#round = null;
    this.#held.clear();
    round.abandon(error);
  }

  /** Ends the round under way and every later one with this error. */
  giveUp(error: Error): void {
    if (this.#closed) return;
    this.#failure ??= error;
    this.abandonRound(this.#failure);
  }

  #setTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const wake = this.#failure === null ? nextWakeMs(this.#state) : null;
    if (wake === null) return;
    const delayMs = Math.min(Math.max(1, Math.ceil(wake - this.#clock.nowMs())), LIMITS.maxTimerMs);
    this.#timer = setTimeout(() => {
      const members = this.#seats.moving;
      if (members.length > 0) this.#dispatch({ type: 'moving', members });
      this.#dispatch({ type: 'tick' });
    }, delayMs);
    // A twin that lost its race must not keep a finished run's process alive.
    if (this.#round === null) this.#timer.unref();
  }
}
