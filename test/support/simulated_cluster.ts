/**
 * Owns: a whole cluster driven by one seed: the real cores of both sides, compute, disk and network simulated, random faults, then healing.
 * Does not: contain the bugs it must find (planted_bugs.ts does), or all it must find them by (simulated_invariants.ts).
 */
import { reduceMembership, type MembershipEvent } from '../../src/coordinator/planes/exact/fleet/membership.js';
import type { Answer } from '../../src/coordinator/planes/exact/fleet/membership_answers.js';
import type { MembershipCommand } from '../../src/coordinator/planes/exact/fleet/membership_draft.js';
import { hasTwin, isAudited, nextWakeMs } from '../../src/coordinator/planes/exact/fleet/membership_questions.js';
import {
  createMembership,
  type Attempt,
  type MembershipState,
} from '../../src/coordinator/planes/exact/fleet/membership_state.js';
import { reduceWorker } from '../../src/worker/host/worker_core.js';
import { SimulatedDoubts } from './simulated_doubts.js';
import { createFaults, type Arriving } from './simulated_faults.js';
import { checkCommit, checkState, SeenLosses, type Kept } from './simulated_invariants.js';
import { SimulatedWorker, type Process, type WorkerCore } from './simulated_worker.js';
import { Chance, committed, gradientOf, hash, treeSum, undisturbed, VirtualClock } from './simulated_world.js';

export type Core = typeof reduceMembership;
export interface Bug {
  readonly core?: (core: Core, chance: Chance) => Core;
  readonly worker?: (core: WorkerCore) => WorkerCore;
  /** Replaces the rim's order of addition. */
  readonly order?: 'arrival';
  /** The rim adds what was first answered to a step that is doubted. */
  readonly addsFirsts?: true;
}

const SETTINGS = {
  minWorkers: 1,
  joinTimeoutMs: null,
  canJoin: true,
  deadlineFloorMs: 30_000,
  deadlineFactor: 5,
  firstDeadlineMs: 300_000,
  stragglerFloorMs: 100,
  stragglerFactor: 3,
  // Kills of the simulation strike by chance: what counts against a shard is a process that comes back under another name.
  maxMachinesPerShard: 1000,
  maxLossesPerShard: 6,
  returnGraceMs: 3_000,
  firstPauseMs: 50,
  maxPauseMs: 400,
};

export interface Outcome {
  readonly steps: number;
  readonly kills: number;
  readonly restarts: number;
  readonly speculative: number;
  /** Liars that an audit found; and runs that it ended, because nobody was there to decide. */
  readonly condemned: number;
  readonly undecided: number;
  /** Steps that were doubted and committed; and runs that one lone liar ended, whom nobody could judge. */
  readonly doubted: number;
  readonly diverged: number;
}

/** Runs one seed to its end. Throws, naming the seed, when an invariant breaks, a core throws, or the run does not finish after healing. */
export function simulate(seed: number, bug: Bug = {}): Outcome {
  try {
    return simulated(seed, bug);
  } catch (error) {
    if (!(error instanceof Error) || error.message.startsWith('seed ')) throw error;
    throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
  }
}

function simulated(seed: number, bug: Bug): Outcome {
  const chance = new Chance(seed);
  const clock = new VirtualClock();
  const core = bug.core?.(reduceMembership, chance) ?? reduceMembership;
  const workerCore = bug.worker?.(reduceWorker) ?? reduceWorker;
  const [steps, shards] = [3 + chance.below(10), 1 + chance.below(8)];
  const expected = undisturbed({ steps, shards, seed });
  const processes = new Set<Process>();
  let [kills, restarts, names, speculative, condemned, undecided] = [0, 0, 0, 0, 0, 0];
  /** All shards are audited, and liars may answer whenever they like. */
  const auditing = chance.happens(0.3);
  /** Nobody audits, and liars may answer what no sum can hold. */
  const overflowing = !auditing && chance.happens(0.4);
  const doubts = new SimulatedDoubts();
  const settings = { ...SETTINGS, auditsAll: auditing, comparesBits: true };
  /** Answers to audited shards, by shard and member. */
  let held = new Map<string, Kept & { readonly process: string }>();
  /** Processes whose bits were wrong at least once. */
  const wrong = new Set<string>();
  let healed = false;

  // The coordinator and its disk.
  let disk = { step: 1, parameters: hash(seed) };
  let { step, parameters } = disk;
  let epoch = 1;
  let state: MembershipState = createMembership({ ...settings, coordinatorEpoch: epoch });
  let kept = new Map<number, Kept>();
  let arrivals: number[] = [];
  let finished = false;
  let wake = 0;
  /** Members asked to leave, and what each member was last given, of the present epoch. */
  const draining = new Set<number>();
  const given = new Map<number, Attempt>();

  const losses = new SeenLosses();

  const must = (condition: boolean, statement: string): void => {
    if (!condition) throw new Error(`seed ${seed}, ${clock.now.toFixed(1)} ms, step ${step}: ${statement}`);
  };
  const processOf = (member: number): Process | undefined => [...processes].find((process) => process.member === member);

  function send(event: MembershipEvent, arriving?: Arriving): void {
    if (finished) return;
    const before = state;
    if (event.type === 'lost') losses.lost(state, event.member, clock.now);
    if (event.type === 'tick')
      for (const { id, running } of before.members.values())
        if (running && clock.now >= running.deadlineMs) losses.lost(state, id, clock.now);
    const transition = core(state, event, clock.now);
    state = transition.state;
    let verdicts = 0;
    for (const command of transition.commands) {
      if (command.type === 'accept' || command.type === 'refuse' || command.type === 'hold') verdicts += 1;
      carryOut(command, { before, arriving, event, commands: transition.commands });
    }
    must(event.type !== 'answered' || verdicts === 1, `every answer is kept or dropped exactly once, not ${verdicts} times`);
    checkState({ state, given, suspects: losses.suspects, hasSession: (member) => processOf(member) !== undefined, must });
    plan();
  }

  function carryOut(
    command: MembershipCommand,
    {
      before,
      arriving,
      event,
      commands,
    }: {
      before: MembershipState;
      arriving: Arriving | undefined;
      event: MembershipEvent;
      commands: readonly MembershipCommand[];
    },
  ): void {
    if (command.type === 'assign') {
      const process = processOf(command.member);
      must(process !== undefined, 'a shard is given to a live session');
      must(!draining.has(command.member), 'a draining replica gets nothing');
      const unit = state.round?.units.find(({ shard }) => shard === command.attempt.id.shard);
      const taker = state.members.get(command.member)?.process ?? '';
      must(!losses.isPaused(taker, clock.now - SETTINGS.firstPauseMs), 'who was just lost with a shard is paused');
      const others = [...state.members.values()].filter(({ draining }) => !draining).length > 1;
      must(
        !(others && unit?.nonFinite?.memberId === command.member),
        'a bad number is recomputed elsewhere if there is an elsewhere',
      );
      given.set(command.member, command.attempt);
      if (process) assign(process, command.member, command.attempt);
    } else if (command.type === 'accept') {
      losses.finished(before.members.get(command.member)?.process ?? '');
      must(arriving !== undefined && event.type === 'answered', 'only an answer is accepted');
      if (!arriving || event.type !== 'answered') return;
      must(!kept.has(command.attempt.id.shard), 'a shard is taken once');
      doubts.taken(command.attempt.id.shard, { gradient: arriving.gradient, process: arriving.process.name });
      kept.set(command.attempt.id.shard, {
        gradient: arriving.gradient,
        finite: arriving.finite,
        huge: arriving.huge,
        epoch: event.answer.coordinatorEpoch,
        memberAlive: before.members.has(event.member),
        attempt: arriving.honest,
      });
      arrivals.push(command.attempt.id.shard);
    } else if (command.type === 'hold') {
      must(arriving !== undefined && event.type === 'answered', 'only an answer is held');
      if (!arriving || event.type !== 'answered') return;
      held.set(`${command.shard} ${command.member}`, {
        ...{
          gradient: arriving.gradient,
          finite: arriving.finite,
          huge: arriving.huge,
          process: arriving.process.name,
          epoch: event.answer.coordinatorEpoch,
        },
        ...{ memberAlive: before.members.has(event.member), attempt: arriving.honest },
      });
    } else if (command.type === 'accept_held') {
      const answer = held.get(`${command.shard} ${command.member}`);
      must(answer !== undefined, 'what is taken was held');
      must(!kept.has(command.shard), 'a shard is taken once');
      if (answer === undefined) return;
      const all = [...held].flatMap(([key, other]) => (key.startsWith(`${command.shard} `) && other !== answer ? other : []));
      doubts.verdict({ shard: command.shard, held: [answer, ...all], commands, after: state, must });
      kept.set(command.shard, answer);
      arrivals.push(command.shard);
    } else if (command.type === 'condemn') {
      condemned += 1;
      must(wrong.has(command.process), 'who is condemned was wrong');
      for (const [key, { process }] of held) if (process === command.process) held.delete(key);
      for (const process of processes)
        if (process.name === command.process) {
          process.alive = false;
          processes.delete(process);
        }
    } else if (command.type === 'dismiss') {
      const process = processOf(command.member);
      if (process) disconnect(process);
    } else if (command.type === 'complete') {
      commit();
    } else if (command.type === 'fail' && command.code === 'AUDIT_UNDECIDED') {
      must((auditing || doubts.isOpen) && wrong.size > 0, 'an audit ends a run only where somebody was wrong');
      undecided += 1;
      finished = true;
    } else if (command.type === 'fail') {
      must(false, `the run never fails here, but: ${command.message}`);
    } else if (command.type === 'refuse' && command.reason === 'twin' && arriving && event.type === 'answered') {
      const winner = before.members.get(event.member)?.running?.winner;
      const differs =
        winner !== undefined && winner !== null && winner.checksum !== null && winner.checksum !== arriving.gradient;
      must(!differs || state.incidents.twinMismatches > before.incidents.twinMismatches, 'twins that differ are told');
    }
  }

  function commit(): void {
    if (!doubts.isFinite(kept, must)) return doubt();
    doubts.forget();
    checkCommit({ kept, shards, step, epoch, parameters, must });
    const order = bug.order === 'arrival' ? arrivals : [...kept.keys()].sort((a, b) => a - b);
    parameters = committed(parameters, treeSum(order.map((shard) => kept.get(shard)?.gradient ?? 0)));
    step += 1;
    kept = new Map();
    held = new Map();
    arrivals = [];
    if (chance.happens(0.3)) disk = { step, parameters };
    if (step <= steps) clock.after(chance.below(5), startRound(epoch));
    else {
      finished = true;
      must(parameters === expected, 'the end is the undisturbed end');
    }
  }

  /** The sum is not finite. */
  function doubt(): void {
    const again = doubts.begins(state, must);
    finished = !again;
    const firsts = kept;
    kept = bug.addsFirsts ? firsts : new Map();
    held = new Map();
    arrivals = [];
    if (!again) return;
    const all = Array.from({ length: shards }, (_, i) => i);
    const of = epoch;
    const round = { kind: 'train', step, version: step - 1, shards: all, audited: all, doubted: 'alone' } as const;
    clock.after(0, () => of === epoch && send({ type: 'round_started', round }));
  }

  const startRound = (of: number) => (): void => {
    if (of !== epoch) return;
    const all = Array.from({ length: shards }, (_, i) => i);
    const round = { kind: 'train', step, version: step - 1, shards: all, ...(auditing && { audited: all }) } as const;
    send({ type: 'round_started', round });
  };

  function plan(): void {
    const at = nextWakeMs(state);
    const ticket = ++wake;
    if (at !== null) clock.after(Math.max(0, at - clock.now), () => ticket === wake && send({ type: 'tick' }));
  }

  // Workers and network.
  /** Parameters where this session does not have them yet, then the shard: on one connection, in this order. */
  function assign(process: Process, member: number, attempt: Attempt): void {
    const { worker } = process;
    const { session } = worker;
    const [sent, of] = [parameters, epoch];
    const news = process.sentVersion !== attempt.version;
    process.sentVersion = attempt.version;
    clock.after(chance.below(4), () => {
      if (!process.alive || worker.session !== session) return;
      if (news) worker.hearParameters(attempt.version, sent);
      const { assign: work, parameters: from } = worker.hearAssign(attempt);
      if (process.sick && chance.happens(0.8)) return breakLink(process);
      compute(process, member, { session, attempt: work, from, of });
    });
  }

  function compute(
    process: Process,
    member: number,
    { session, attempt, from, of }: { session: number; attempt: Attempt; from: number; of: number },
  ): void {
    const done = (): void => {
      if (!process.alive || process.stuck) return;
      if (process.stopped) return clock.after(500, done);
      const finite = healed || attempt.id.attempt > 0 || !chance.happens(0.02);
      // Each liar's lie is its own: two that agree would be a majority.
      const lie = process.faulty ? 1 + Number(process.name.slice(1)) : 0;
      const liesNow = process.absurd !== null && (doubts.isOpen ? process.absurd.then === 'lying' : chance.happens(0.5));
      const huge = liesNow && finite;
      const wrongBits = huge ? 2 ** 20 + Number(process.name.slice(1)) : lie;
      const gradient = (gradientOf(from, attempt.id.step, attempt.id.shard) ^ wrongBits) >>> 0;
      if (process.faulty || huge || !finite) wrong.add(process.name);
      const compared = process.member !== null && (hasTwin(state, process.member) || isAudited(state, process.member));
      const checksum = compared ? gradient : null;
      // A session that is over cannot send; here it does, and the coordinator must not mind.
      const sent = process.worker.session === session ? process.worker.finish() : { assign: attempt, coordinatorEpoch: of };
      const { id, version } = sent.assign;
      const asked = { id, version, coordinatorEpoch: sent.coordinatorEpoch };
      const answer: Answer = { ...asked, checksum, nonFinite: finite ? null : 'loss' };
      if (finite) process.lastAnswer = { answer, gradient, huge };
      clock.after(chance.below(4), () => deliver({ process, member, answer, gradient, finite, huge }));
    };
    clock.after(process.msPerShard * (0.8 + 0.4 * chance.next()), done);
  }

  /** An answer reaches the coordinator by the session it was computed for, or by a later one of the same process. */
  function deliver({
    process,
    member,
    answer,
    gradient,
    finite,
    huge,
  }: {
    process: Process;
    member: number;
    answer: Answer;
    gradient: number;
    finite: boolean;
    huge: boolean;
  }): void {
    const session = chance.happens(0.5) || process.member === null ? member : process.member;
    // A faulty worker's answers must never be first, or the end could not be right: it only plays the twin.
    if (process.faulty && !auditing && state.members.get(session)?.running?.winner == null) return drop(process);
    const judged = doubts.judged(answer, gradient);
    send({ type: 'answered', member: session, answer: judged }, { gradient, honest: answer, process, finite, huge });
  }

  /** Its link is reset: the coordinator hears of it, and the same process comes back. */
  function breakLink(process: Process): void {
    const { member } = process;
    disconnect(process);
    if (member !== null) send({ type: 'lost', member, reason: 'connection reset' });
  }

  function drop(process: Process): void {
    const { member } = process;
    disconnect(process);
    if (member !== null) send({ type: 'lost', member, reason: 'faulty worker taken out' });
  }

  function connect(process: Process): void {
    if (!process.alive || process.member !== null || finished) return;
    process.member = state.nextMemberId;
    process.sentVersion = null;
    process.worker.join(epoch);
    send({ type: 'joined', name: process.name, worker: `${process.name} ${process.worker.session}`, process: process.name });
  }

  function disconnect(process: Process): void {
    process.member = null;
    process.stuck = false;
    clock.after(100 + chance.below(2000), () => connect(process));
  }

  function start(): void {
    const then = chance.of(['honest', 'lying'] as const);
    const absurd = overflowing && !healed && chance.happens(0.3) ? { then } : null;
    const faulty = !healed && absurd === null && chance.happens(auditing ? 0.15 : 0.05);
    const name = `w${names++}`;
    const process: Process = {
      name,
      worker: new SimulatedWorker(workerCore),
      sentVersion: null,
      msPerShard: chance.of([20, 50, 50, 400]),
      member: null,
      stopped: false,
      stuck: false,
      faulty,
      absurd,
      sick: !healed && chance.happens(0.1),
      lastAnswer: null,
      alive: true,
    };
    processes.add(process);
    connect(process);
  }

  const faults = {
    ...createFaults({
      ...{ chance, clock, processes, start, connect, breakLink, send, must },
      epoch: () => epoch,
      killed: () => (kills += 1),
      drainAsked: (member) => draining.add(member),
      computing: (member) => state.members.get(member)?.running ?? null,
    }),
    restart() {
      restarts += 1;
      speculative += state.incidents.speculative;
      epoch += 1;
      ({ step, parameters } = disk);
      state = createMembership({ ...settings, coordinatorEpoch: epoch });
      kept = new Map();
      held = new Map();
      arrivals = [];
      doubts.forget();
      draining.clear();
      given.clear();
      losses.clear();
      for (const process of processes) disconnect(process);
      startRound(epoch)();
    },
  };

  clock.after(0, startRound(epoch));
  for (let i = 1 + chance.below(4); i > 0; i--) clock.after(chance.below(50), start);
  const horizon = 500 + chance.below(5000);
  const often = ['kill', 'kill', 'kill', 'join', 'join', 'repeat', 'repeat', 'repeat'] as const;
  const kinds: (keyof typeof faults)[] = [...often, 'stop', 'stick', 'drain', 'restart', 'ghost', 'reset'];
  for (let i = chance.below(25); i > 0; i--) clock.after(chance.below(horizon), faults[chance.of(kinds)]);
  clock.after(horizon, () => {
    healed = true;
    for (const process of processes) {
      process.stuck &&= process.member !== null;
      process.sick = false;
    }
    start();
    // An audited shard needs two machines.
    if (auditing || overflowing) start();
  });

  // A stuck replica costs 300 s at most; nothing else takes long.
  const limit = horizon + 1_000_000;
  let turns = 0;
  while (!finished && clock.turn()) must(clock.now < limit && ++turns < 100_000, 'the run finishes after healing');
  must(finished, 'the run finishes');
  speculative += state.incidents.speculative;
  return { steps, kills, restarts, speculative, condemned, undecided, doubted: doubts.settled, diverged: doubts.diverged };
}
