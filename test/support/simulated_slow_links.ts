/**
 * Owns: a run over slow links, driven by one seed: the real membership core and the real judgment of who lives, with workers behind slow lines, shared lines, lines that trickle, stall and
 * die. Whoever's bytes flow stays; whoever trickles or is silent goes in time; the run ends.
 * Does not: know values (simulated_cluster.ts does).
 */
import { LIMITS } from '../../src/common/limits.js';
import { reduceMembership, type MembershipEvent } from '../../src/coordinator/planes/exact/fleet/membership.js';
import { nextWakeMs } from '../../src/coordinator/planes/exact/fleet/membership_questions.js';
import { createMembership, type Attempt } from '../../src/coordinator/planes/exact/fleet/membership_state.js';
import { End, Line, TIMES, Way, type LifeBug } from './simulated_lines.js';
import { Chance } from './simulated_world.js';

export interface SlowBug extends LifeBug {
  /** What is on its way counts as time of its shard. */
  readonly neverMoving?: true;
}

export interface SlowOutcome {
  /** Frames of healthy workers that took longer than any silence that is allowed. */
  readonly long: number;
  readonly trickled: number;
  readonly silent: number;
}

const TURN_MS = 1000;
/** The worst of what is always survived: TCP's back-off may double an outage (docs/cluster.md). */
const OUTAGE_MS = TIMES.heartbeatTimeoutMs - TIMES.heartbeatMs;
const TRICKLE_MS = Math.max(LIMITS.trickleWindowMs, 3 * TIMES.heartbeatTimeoutMs);
/** From its time to the beat that sees it, and the turn of the simulation. */
const LATE_MS = TIMES.heartbeatMs + 2 * TURN_MS;
const ASSIGN_BYTES = 300;

interface Worker {
  readonly name: string;
  readonly line: Line;
  readonly kind: 'healthy' | 'trickles' | 'dies';
  readonly msPerShard: number;
  /** Null while it is not connected. */
  session: { readonly member: number; readonly there: End; readonly here: End; version: number } | null;
  /** When it connects (again). */
  fromMs: number;
}

export function simulateSlowLinks(seed: number, bug: SlowBug = {}): SlowOutcome {
  const chance = new Chance(seed);
  const [enoughMs, shards, bytes] = [
    30_000 + chance.below(chance.of([40_000, 200_000])),
    1 + chance.below(3),
    300_000 + chance.below(3_000_000),
  ];
  const settings = {
    ...{ minWorkers: 1, joinTimeoutMs: null, canJoin: true, coordinatorEpoch: 1 },
    ...{ deadlineFloorMs: LIMITS.shardDeadlineFloorMs, deadlineFactor: LIMITS.shardDeadlineFactor },
    ...{
      firstDeadlineMs: LIMITS.firstShardDeadlineMs,
      stragglerFloorMs: LIMITS.stragglerFloorMs,
      stragglerFactor: LIMITS.stragglerFactor,
    },
    ...{
      maxMachinesPerShard: 1000,
      maxLossesPerShard: 1000,
      auditsAll: false,
      comparesBits: true,
      returnGraceMs: LIMITS.returnGraceMs,
    },
    ...{ firstPauseMs: LIMITS.firstPauseMs, maxPauseMs: LIMITS.maxPauseMs },
  };
  let state = createMembership(settings);
  let [now, step, round, long, trickled, silent] = [0, 1, 0, 0, 0, 0];
  let finished = false;
  let wake: number | null = null;
  const workers: Worker[] = [];
  const lines = new Set<Line>();
  const later: { atMs: number; run: () => void }[] = [];
  const must = (condition: boolean, statement: string): void => {
    if (!condition) throw new Error(`seed ${seed}, ${now / 1000} s, step ${step}: ${statement}`);
  };

  function send(event: MembershipEvent): void {
    if (finished) return;
    const transition = reduceMembership(state, event, now);
    state = transition.state;
    wake = nextWakeMs(state);
    for (const command of transition.commands) {
      const worker = 'member' in command ? workers.find(({ session }) => session?.member === command.member) : undefined;
      if (command.type === 'assign' && worker) assign(worker, command.attempt);
      else if (command.type === 'dismiss' && worker) hangUp(worker, command.reason);
      else if (command.type === 'complete') {
        step += 1;
        finished = now > enoughMs;
        later.push({ atMs: now + 1, run: begin });
      } else must(command.type !== 'fail', 'the run never fails here');
    }
  }

  function begin(): void {
    round += 1;
    send({
      type: 'round_started',
      round: { kind: 'train', step, version: round, shards: Array.from({ length: shards }, (_, i) => i) },
    });
  }

  function assign(worker: Worker, attempt: Attempt): void {
    const { session } = worker;
    if (session === null) return;
    if (session.version !== attempt.version) session.here.send(bytes, () => {});
    session.version = attempt.version;
    const answer = { ...attempt, coordinatorEpoch: 1, checksum: null, nonFinite: null };
    const answered = (): void => {
      if (worker.session === session) send({ type: 'answered', member: session.member, answer });
    };
    session.here.send(ASSIGN_BYTES, () =>
      later.push({ atMs: now + worker.msPerShard, run: () => worker.session === session && session.there.send(bytes, answered) }),
    );
  }

  function connect(worker: Worker): void {
    const [up, down] = [new Way(worker.line.systemBytes), new Way(worker.line.systemBytes)];
    worker.line.ways.up.add(up);
    worker.line.ways.down.add(down);
    const [there, here] = [new End(up, down, bug, now), new End(down, up, bug, now)];
    worker.session = { member: state.nextMemberId, there, here, version: 0 };
    send({ type: 'joined', name: worker.name, worker: `${worker.name} ${now}`, process: worker.name });
  }

  function hangUp(worker: Worker, reason: string): void {
    const { session, line, kind } = worker;
    if (session === null) return;
    must(
      kind !== 'healthy',
      `${worker.name}'s bytes flow at ${line.bytesPerS} a second over ${line.ways.up.size}, and it was lost: ${reason}`,
    );
    if (reason.includes('only')) trickled += 1;
    if (reason.startsWith('silent')) silent += 1;
    line.ways.up.delete(session.there.out);
    line.ways.down.delete(session.here.out);
    worker.session = null;
    worker.fromMs = kind === 'dies' ? Infinity : now + 500 + chance.below(10_000);
    send({ type: 'lost', member: session.member, reason });
  }

  function turn(worker: Worker): void {
    const { session, kind } = worker;
    if (session === null) return now >= worker.fromMs ? connect(worker) : undefined;
    for (const end of [session.there, session.here]) {
      const { frameMs } = end;
      const reason = end.turn(now);
      if (end.frameMs > frameMs && end.frameMs - frameMs > TIMES.heartbeatTimeoutMs && kind === 'healthy') long += 1;
      if (worker.session !== session) return;
      if (reason !== null) return hangUp(worker, reason);
      if (now - end.byteMs > TIMES.heartbeatTimeoutMs + LATE_MS) must(false, `${worker.name} is silent, and nobody minds`);
      if (now - end.frameMs <= TRICKLE_MS + LATE_MS) continue;
      const enough = LIMITS.trickleBytesPerS * ((now - end.frameMs) / 1000);
      must(end.partBytes >= enough, `${worker.name} trickles, and nobody minds`);
    }
  }

  function add(kind: Worker['kind'], line: Line): void {
    lines.add(line);
    const msPerShard = chance.of([50, 500, 5_000]);
    workers.push({
      name: `w${workers.length}`,
      line,
      kind,
      msPerShard,
      session: null,
      fromMs: chance.below(chance.of([1_000, 20_000])),
    });
  }

  const lineOf = (bytesPerS: number): Line => new Line(bytesPerS, chance.of([64 * 2 ** 10, 4 * 2 ** 20]));
  // A transfer takes up to 80 s each way.
  const own = (): number => Math.max(4 * LIMITS.trickleBytesPerS, bytes / (1 + chance.below(chance.of([5, 80]))));
  for (let i = 1 + chance.below(3); i > 0; i--) add('healthy', lineOf(own()));
  if (chance.happens(0.4)) {
    const sharers = 2 + chance.below(3);
    const line = lineOf(sharers * own());
    for (let i = 0; i < sharers; i++) add('healthy', line);
  }
  if (chance.happens(0.4)) add('trickles', lineOf(50 + chance.below(LIMITS.trickleBytesPerS - 150)));
  if (chance.happens(0.4)) add('dies', lineOf(own()));
  for (const line of lines) {
    const dies = workers.some((worker) => worker.line === line && worker.kind === 'dies');
    const deadMs = dies ? Infinity : chance.below(2) * chance.below(OUTAGE_MS - 2 * TURN_MS);
    later.push({ atMs: chance.below(40_000), run: () => (line.deadUntilMs = now + deadMs) });
  }
  later.push({ atMs: 0, run: begin });

  while (!finished) {
    now += TURN_MS;
    must(now < 3_600_000, 'the run finishes');
    // What one of them plans comes in the next turn.
    for (let at = later.length - 1; at >= 0; at--) if (later[at].atMs <= now) later.splice(at, 1)[0].run();
    for (const line of lines) line.carry(TURN_MS, now);
    for (const worker of workers) turn(worker);
    if (wake === null || wake > now) continue;
    // Not in the moment of a beat, whose own bytes are on their way for no time.
    const members = workers.flatMap(({ session }) => (session?.here.moving(now + 1) === true ? [session.member] : []));
    if (members.length > 0 && bug.neverMoving !== true) send({ type: 'moving', members });
    send({ type: 'tick' });
  }
  return { long, trickled, silent };
}

export const SLOW_BUGS: Record<string, SlowBug> = {
  'hears a life in whole messages alone': { bytes: ({ unsent }, whole) => ({ unsent, read: whole }) },
  // Where the other side says what it has read, that alone would do.
  'takes a piece for unread until all of it is taken': {
    bytes: ({ read, unsent }) => ({ read, unsent: unsent === 0 ? 0 : 1 }),
    told: () => undefined,
  },
  'counts the way as time of the shard': { neverMoving: true },
  'does not hear what the other side has read': { told: () => undefined },
  'lets a peer trickle for ever': {
    due: (due) => (due.kind === 'end' && due.reason.includes('only') ? { kind: 'wait' } : due),
  },
  'waits for ever for who is silent': {
    due: (due) => (due.kind === 'end' && due.reason.startsWith('silent') ? { kind: 'wait' } : due),
  },
};
