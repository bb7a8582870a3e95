import { describe, expect, it } from 'vitest';
import { reduceMembership, type MembershipEvent } from '../../../../../src/coordinator/planes/exact/fleet/membership.js';
import type { Answer } from '../../../../../src/coordinator/planes/exact/fleet/membership_answers.js';
import type { MembershipCommand } from '../../../../../src/coordinator/planes/exact/fleet/membership_draft.js';
import { nextWakeMs, quantile } from '../../../../../src/coordinator/planes/exact/fleet/membership_questions.js';
import {
  createMembership,
  type Attempt,
  type MembershipSettings,
} from '../../../../../src/coordinator/planes/exact/fleet/membership_state.js';

const SETTINGS: MembershipSettings = {
  coordinatorEpoch: 7,
  minWorkers: 1,
  joinTimeoutMs: null,
  canJoin: true,
  deadlineFloorMs: 30_000,
  deadlineFactor: 5,
  firstDeadlineMs: 300_000,
  stragglerFloorMs: 100,
  stragglerFactor: 3,
  maxLossesPerShard: 4,
  maxMachinesPerShard: 3,
  returnGraceMs: 30_000,
  firstPauseMs: 1_000,
  maxPauseMs: 60_000,
  auditsAll: true,
  comparesBits: true,
};

/** Drives the core by hand: members are numbered 1, 2, 3 in order of joining. */
function cluster(settings: Partial<MembershipSettings> = {}) {
  let state = createMembership({ ...SETTINGS, ...settings });
  let commands: readonly MembershipCommand[] = [];
  const assigned = new Map<number, Attempt>();
  const self = {
    now: 0,
    send(event: MembershipEvent) {
      ({ state, commands } = reduceMembership(state, event, self.now));
      for (const command of commands) if (command.type === 'assign') assigned.set(command.member, command.attempt);
      return self;
    },
    join: (...names: string[]) => {
      for (const name of names) self.send({ type: 'joined', name, worker: name });
      return self;
    },
    round: (shards: number[], step = 1) =>
      self.send({ type: 'round_started', round: { kind: 'train', step, version: step - 1, shards } }),
    answer: (member: number, changes: Partial<Answer> = {}) => {
      const attempt = assigned.get(member);
      if (attempt === undefined) throw new Error(`member ${member} was given nothing`);
      return self.send({
        type: 'answered',
        member,
        answer: { ...attempt, coordinatorEpoch: 7, checksum: 1, nonFinite: null, ...changes },
      });
    },
    lose: (member: number) => self.send({ type: 'lost', member, reason: 'socket closed' }),
    tick: (now: number) => {
      self.now = now;
      return self.send({ type: 'tick' });
    },
    get state() {
      return state;
    },
    /** `1:s0.0` reads: member 1 was given shard 0, attempt 0. */
    get assigns() {
      return commands.flatMap((c) => (c.type === 'assign' ? [`${c.member}:s${c.attempt.id.shard}.${c.attempt.id.attempt}`] : []));
    },
    get types() {
      return commands
        .filter(({ type }) => type !== 'note')
        .map((c) => (c.type === 'refuse' ? `refuse ${c.reason}` : c.type === 'fail' ? `fail ${c.code}` : c.type));
    },
    get failure() {
      return commands.flatMap((c) => (c.type === 'fail' ? [c.message] : [])).join();
    },
    get notes() {
      return commands.flatMap((c) => (c.type === 'note' ? [c.message] : []));
    },
  };
  return self;
}

describe('assignment', () => {
  it('gives the lowest shards first and the rest to whoever answers first', () => {
    const c = cluster().join('a', 'b').round([0, 1, 2, 3]);
    expect(c.assigns).toEqual(['1:s0.0', '2:s1.0']);
    expect(c.answer(2).assigns).toEqual(['2:s2.0']);
    expect(c.answer(2).assigns).toEqual(['2:s3.0']);
    expect(c.answer(2).assigns).toEqual([]);
    expect(c.answer(1).types).toEqual(['accept', 'complete']);
  });

  it('leaves out empty shards: a round of shards 0 and 2 completes with two answers', () => {
    const c = cluster().join('a').round([0, 2]);
    c.answer(1);
    expect(c.assigns).toEqual(['1:s2.0']);
    expect(c.answer(1).types).toEqual(['accept', 'complete']);
  });

  it('gives a late joiner work in the round under way', () => {
    const c = cluster().join('a').round([0, 1]);
    expect(c.join('b').assigns).toEqual(['2:s1.0']);
  });

  it('gives a draining replica nothing more and lets it go after its answer', () => {
    const c = cluster().join('a', 'b').round([0, 1, 2]);
    c.send({ type: 'drain_asked', member: 1 });
    expect(c.types).toEqual([]);
    c.answer(1);
    expect(c.types).toEqual(['accept', 'dismiss']);
    expect(c.notes).toEqual(['a left after 1 shards; 1 replica now']);
    expect(c.answer(2).assigns).toEqual(['2:s2.0']);
  });
});

describe('losses', () => {
  it('hands a lost shard to a free replica in the same transition', () => {
    const c = cluster().join('a', 'b').round([0, 1]);
    c.answer(2);
    expect(c.lose(1).assigns).toEqual(['2:s0.1']);
    expect(c.notes[0]).toMatch(/^a lost in step 2, shard 0, 0 ms after it was given: socket closed; 1 replica now$/);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
  });

  it('waits at zero and goes on with whoever joins', () => {
    const c = cluster().join('a').round([0]);
    c.lose(1);
    expect(c.notes.at(-1)).toBe('no worker is left; the run waits for one to join');
    expect(c.join('b').assigns).toEqual(['2:s0.1']);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
  });

  it('ends the run when nobody is left and nobody can join', () => {
    const c = cluster({ canJoin: false }).join('a').round([0]);
    expect(c.lose(1).types).toEqual(['dismiss', 'fail ALL_REPLICAS_LOST']);
  });

  it('ends the wait after the join timeout, to the millisecond', () => {
    const c = cluster({ joinTimeoutMs: 5000, minWorkers: 2 }).join('a').round([0]);
    expect(c.assigns).toEqual([]);
    expect(nextWakeMs(c.state)).toBe(5000);
    expect(c.tick(4999).types).toEqual([]);
    expect(c.tick(5000).types).toEqual(['fail JOIN_TIMEOUT']);
  });

  it('counts processes, not replicas, for the minimum, and needs it only to start', () => {
    const c = cluster({ minWorkers: 2 });
    c.send({ type: 'joined', name: 'a:0', worker: 'a' }).send({ type: 'joined', name: 'a:1', worker: 'a' }).round([0, 1]);
    expect(c.assigns).toEqual([]);
    expect(c.send({ type: 'joined', name: 'b:0', worker: 'b' }).assigns).toEqual(['1:s0.0', '2:s1.0']);
    c.lose(3).lose(2);
    expect(c.answer(1).assigns).toEqual(['1:s1.1']);
  });

  /** A process of its own for each; on a machine that is known where there is an @. */
  const arrive = (c: ReturnType<typeof cluster>, name: string) => {
    const [process, machine = null] = name.split('@');
    return c.send({ type: 'joined', name, worker: `session of ${name}`, process, machine });
  };
  const said = (c: ReturnType<typeof cluster>, member: number) =>
    c.send({ type: 'lost', member, reason: 'out of memory', cause: 'said' });

  it('ends the run for a shard that took processes on three machines, and names them with their last words', () => {
    const c = cluster();
    for (const name of ['a@x', 'b@y', 'c@z', 'd@w']) arrive(c, name);
    c.round([0]);
    said(said(c, 1), 2);
    expect(said(c, 3).types).toEqual(['dismiss', 'fail SHARD_KILLS_REPLICAS']);
    const last = c.failure;
    expect(last).toContain('step 2, shard 0 took 3 processes on 3 machines with it');
    expect(last).toContain('a@x: out of memory; b@y: out of memory; c@z: out of memory');
  });

  it('on fewer machines only after four in a row (16 outside of tests), with growing pauses', () => {
    const c = cluster();
    arrive(c, 'p1@x').round([0]);
    // Each is a new process on the same machine: the second goes on at once, the next after 1 s and 2 s.
    for (const [nth, pause] of [0, 1000, 2000].entries()) {
      said(c, nth + 1);
      arrive(c, `p${nth + 2}@x`);
      if (pause > 0) expect([c.assigns, nextWakeMs(c.state)]).toEqual([[], c.now + pause]);
      c.tick(c.now + pause);
      expect(c.state.members.get(nth + 2)?.running?.id.shard).toBe(0);
    }
    expect(said(c, 4).types).toEqual(['dismiss', 'fail SHARD_KILLS_REPLICAS']);
  });

  it('counts a process once, however many of its replicas say that they are lost', () => {
    const c = cluster();
    for (let i = 0; i < 16; i++) c.send({ type: 'joined', name: `a:${i}`, worker: 'a', process: 'a' });
    arrive(c, 'b').round([0]);
    for (let i = 1; i <= 16; i++) expect(said(c, i).state.failed).toBe(false);
    expect(c.state.members.get(17)?.running?.id.shard).toBe(0);
  });

  it('counts a process once that dies with 17 replicas, none of which is given a shard that another leaves', () => {
    const c = cluster();
    for (let i = 0; i < 17; i++) c.send({ type: 'joined', name: `a:${i}`, worker: 'a', process: 'a' });
    c.round([0, 1]);
    const also = Array.from({ length: 16 }, (_, i) => i + 2);
    c.send({ type: 'lost', member: 1, also, reason: 'connection closed' });
    expect(c.assigns).toEqual([]);
    expect(c.state.round?.units.map(({ losses }) => losses.length)).toEqual([1, 1]);
  });

  it('a link that breaks 100 times is no loss of the shard: the same process comes back', () => {
    const c = cluster();
    arrive(c, 'sick').round([0]);
    for (let nth = 1; nth <= 100; nth++) {
      c.lose(nth);
      arrive(c, 'sick');
      // Paused for 1, 2, 4 … 60 s.
      expect(nextWakeMs(c.state)).toBe(c.now + Math.min(60_000, 1000 * 2 ** (nth - 1)));
      c.tick(nextWakeMs(c.state) ?? 0);
      expect(c.state.members.get(nth + 1)?.running?.id.shard).toBe(0);
    }
    expect(c.answer(101).types).toEqual(['accept', 'complete']);
  });

  it('leaves a shard to who was here before it was lost, however often others come for it', () => {
    const c = cluster();
    arrive(c, 'healthy');
    arrive(c, 'p1').round([0, 1]);
    // The healthy one is busy with shard 0; shard 1 takes process after process of a shared token.
    for (let nth = 2; nth <= 5; nth++) {
      said(c, nth);
      arrive(c, `p${nth}`);
      c.tick(c.now + 60_000);
      expect(c.state.members.get(nth + 1)?.running?.id.shard).toBe(nth < 4 ? 1 : undefined);
      expect(c.state.failed).toBe(false);
      if (nth >= 4) break;
    }
    expect(c.answer(1).assigns).toEqual(['1:s1.3']);
    expect(c.answer(1).types).toEqual(['accept', 'complete']);
  });

  it('waits for a process before it takes its silence for a death', () => {
    const c = cluster();
    for (const name of ['a', 'b', 'c']) arrive(c, name);
    c.round([0]).lose(1).lose(2).lose(3);
    arrive(c, 'd');
    // Three are gone, and may come back within 30 s: nobody else is sent after them.
    expect([c.assigns, nextWakeMs(c.state)]).toEqual([[], 30_000]);
    expect(c.tick(29_999).types).toEqual([]);
    expect(c.tick(30_000).types).toEqual(['fail SHARD_KILLS_REPLICAS']);
  });

  it('calls a replica lost at the deadline of max(30 s, 5 x p95), 300 s before anything was measured', () => {
    const c = cluster().join('a').round([0]);
    expect(nextWakeMs(c.state)).toBe(300_000);
    c.now = 10_000;
    c.answer(1).round([0], 2);
    expect(nextWakeMs(c.state)).toBe(10_000 + 5 * 10_000);
    expect(c.tick(59_999).types).toEqual([]);
    expect(c.tick(60_000).types).toEqual(['dismiss']);
    expect(c.notes[0]).toContain('no answer to step 3, shard 0 after 50 s');
  });
});

describe('stragglers', () => {
  it('are repeated by another session, never by the one that has them', () => {
    const c = cluster();
    for (const name of ['a:0', 'a:1']) c.send({ type: 'joined', name, worker: 'a', process: 'a' });
    c.round([0, 1]);
    c.now = 200;
    c.answer(2);
    expect(c.tick(10_000).assigns).toEqual([]);
    expect(c.join('b').assigns).toEqual(['3:s0.1']);
  });

  /** Two replicas; one shard took 200 ms, the other runs on. */
  function slow() {
    const c = cluster().join('a', 'b').round([0, 1]);
    c.now = 200;
    c.answer(2);
    return c;
  }

  it('repeats a shard on a free replica after three times the median', () => {
    const c = slow();
    expect(nextWakeMs(c.state)).toBe(600);
    expect(c.tick(599).assigns).toEqual([]);
    expect(c.tick(600).assigns).toEqual(['2:s0.1']);
    expect(c.notes).toEqual(['step 2, shard 0 is slow and also given to b (try 2)']);
  });

  it('takes the first answer and drops an equal twin without a word', () => {
    const c = slow().tick(600);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
    expect(c.answer(1).types).toEqual(['refuse twin']);
    expect(c.notes).toEqual([]);
  });

  it('names both replicas when twins differ', () => {
    const c = slow().tick(600).answer(2);
    c.answer(1, { checksum: 2 });
    expect(c.notes).toEqual(['a and b computed step 2, shard 0 and differ: one of them has faulty hardware or other numerics']);
    expect(c.state.incidents.twinMismatches).toBe(1);
  });

  it('asks for no wake that nobody could act on: the only free replica is the one that found the bad number', () => {
    const c = cluster().join('a', 'b').round([0, 1]);
    c.now = 200;
    c.answer(2, { nonFinite: 'loss' }).answer(1);
    expect(c.assigns).toEqual(['1:s1.1']);
    expect(nextWakeMs(c.state)).toBe(200 + 30_000);
  });

  it('gives the shard to no third replica, and goes on when one of two runners is lost', () => {
    const c = slow().tick(600).join('c');
    expect(c.assigns).toEqual([]);
    expect(c.lose(1).assigns).toEqual([]);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
  });
});

describe('refusals', () => {
  const FIRST = { kind: 'train', step: 1, shard: 0, attempt: 0 } as const;

  it.each([
    ['another coordinator epoch', { coordinatorEpoch: 6 }, 'refuse old_epoch'],
    ['another step', { id: { ...FIRST, step: 2 } }, 'refuse not_assigned'],
    ['another parameter version', { version: 5 }, 'refuse not_assigned'],
    ['another shard', { id: { ...FIRST, shard: 1 } }, 'refuse not_assigned'],
    ['another attempt', { id: { ...FIRST, attempt: 1 } }, 'refuse not_assigned'],
    ['another kind', { id: { ...FIRST, kind: 'evaluate' as const } }, 'refuse not_assigned'],
  ])('refuses an answer of %s and still takes the right one', (_, changes, refusal) => {
    const c = cluster().join('a').round([0]);
    expect(c.answer(1, changes).types).toEqual([refusal]);
    expect(c.answer(1).types).toEqual(['accept', 'complete']);
  });

  it('refuses an answer of a session that is gone, and a second copy of one it took', () => {
    const c = cluster().join('a', 'b').round([0, 1]);
    c.lose(1);
    expect(c.answer(1).types).toEqual(['refuse dead_session']);
    const twice = cluster().join('a').round([0]).answer(1);
    expect(twice.answer(1).types).toEqual(['refuse not_assigned']);
  });

  it('drops what an abandoned round still brings and frees its replica', () => {
    const c = cluster().join('a').round([0]);
    c.send({ type: 'round_abandoned' });
    c.round([0], 2);
    expect(c.assigns).toEqual([]);
    expect(
      c.send({
        type: 'answered',
        member: 1,
        answer: { id: FIRST, version: 0, coordinatorEpoch: 7, checksum: 1, nonFinite: null },
      }).assigns,
    ).toEqual(['1:s0.0']);
    expect(c.types[0]).toBe('refuse round_over');
  });
});

describe('bad numbers', () => {
  it('computes the shard once more elsewhere, even if the one that found them is free first', () => {
    const c = cluster().join('a', 'b').round([0, 1]);
    expect(c.answer(1, { nonFinite: 'conv2d_1/kernel' }).types).toEqual(['refuse non_finite']);
    expect(c.answer(2).assigns).toEqual(['2:s0.1']);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
    expect(c.notes).toEqual([
      'b found no NaN or Inf in step 2, shard 0, and a did: one of them has faulty hardware or other numerics',
    ]);
  });

  it('puts out who finds them where two other machines find none, and takes the finite answers', () => {
    const c = cluster().join('a', 'b', 'c').round([0, 1, 2]);
    // Of each shard that 1 computes another is asked; first 2, then 3.
    expect(c.answer(1, { nonFinite: 'loss' }).types).toEqual(['refuse non_finite']);
    c.answer(2).answer(2);
    expect(c.notes).toEqual([
      'b found no NaN or Inf in step 2, shard 0, and a did: one of them has faulty hardware or other numerics',
    ]);
    c.answer(3).round([0, 1, 2], 2);
    c.answer(1, { nonFinite: 'loss' });
    expect(c.answer(3).assigns).toEqual(['3:s0.1']);
    expect(c.answer(3).types).toEqual(['condemn', 'accept', 'dismiss']);
    expect(c.notes[1]).toBe('a is put out: it found NaN or Inf in shards in which b and c found none');
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
  });

  it.each<[string, Partial<MembershipSettings>, (name: string) => string | null]>([
    ['the same machine denies it again', {}, (name) => (name === 'a' ? 'm1' : 'm2')],
    ['machines compute other bits', { comparesBits: false }, (name) => name],
    ['its own machine denies it', { canJoin: true }, (name) => (name === 'c' ? 'm2' : 'm1')],
  ])('puts nobody out for them where %s', (_, settings, machineOf) => {
    const c = cluster({ canJoin: true, ...settings });
    for (const name of ['a', 'b', 'c']) c.send({ type: 'joined', name, worker: name, process: name, machine: machineOf(name) });
    for (const [step, other] of [2, 3].entries()) {
      c.round([0, 1, 2], step + 1);
      c.answer(1, { nonFinite: 'loss' });
      c.answer(other).answer(other);
      expect(c.types).not.toContain('condemn');
      c.answer(other === 2 ? 3 : 2);
      expect(c.types).toEqual(['accept', 'complete']);
    }
  });

  it('computes it once more at the same place if there is no other, then stops with both names', () => {
    const c = cluster().join('a').round([0]);
    expect(c.answer(1, { nonFinite: 'loss' }).assigns).toEqual(['1:s0.1']);
    c.answer(1, { nonFinite: 'loss' });
    expect(c.types).toEqual(['refuse non_finite', 'fail NON_FINITE']);
  });

  it('takes a speculative twin already under way as the recomputation', () => {
    const c = cluster().join('a', 'b').round([0, 1]);
    c.now = 200;
    c.answer(2).tick(600);
    expect(c.answer(1, { nonFinite: 'loss' }).assigns).toEqual([]);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
  });
});

describe('a step that is doubted', () => {
  /** Members 1 and 2 have computed shards 0 and 1, and the step is computed once more. */
  const doubted = () => {
    const c = cluster({ auditsAll: false }).join('a', 'b').round([0, 1]);
    c.answer(1).answer(2);
    const round = { kind: 'train', step: 1, version: 0, shards: [0, 1], audited: [0, 1], doubted: 'alone' } as const;
    return c.send({ type: 'round_started', round });
  };

  it('puts out who first answered otherwise, though it agrees now, and gives the rest to whoever is left', () => {
    const c = doubted();
    expect(c.answer(1, { likeFirst: false }).types).toEqual(['hold', 'assign']);
    expect(c.answer(2, { likeFirst: false }).types).toEqual(['hold', 'accept_held', 'condemn', 'dismiss', 'assign']);
    expect(c.notes[0]).toBe('a first computed step 2, shard 0 otherwise than itself when asked again and b: it is put out');
    expect(c.answer(2, { likeFirst: true }).types).toEqual(['hold', 'accept_held', 'complete']);
    expect(c.state.incidents).toMatchObject({ audited: 1, lostCount: 1 });
  });

  it('does not accuse who first answered where that is not known, or was the same', () => {
    for (const likeFirst of [null, true]) {
      const c = doubted();
      expect(c.answer(1, { likeFirst }).answer(2, { likeFirst }).types).toEqual(['hold', 'accept_held', 'assign']);
      expect(c.answer(1, { likeFirst }).answer(2, { likeFirst }).types).toEqual(['hold', 'accept_held', 'complete']);
    }
  });

  it('computes a NaN of the only machine left once more there, then stops with its name', () => {
    const c = doubted().lose(2);
    expect(c.answer(1, { nonFinite: 'loss' }).types).toEqual(['refuse non_finite', 'assign']);
    let failure = '';
    for (let i = 0; i < 4 && failure === ''; i++) failure = c.answer(1, { nonFinite: 'loss' }).failure;
    expect(failure).toContain('NaN or Inf at step 2, shard');
    expect(failure).toContain('found by a, twice, and no second machine is here');
  });
});

it('takes the nearest rank as quantile: of 1 to 20 the 95th percentile is 19, the median 10; of one value it is that value', () => {
  const values = Array.from({ length: 20 }, (_, i) => 20 - i);
  expect([quantile(values, 0.95), quantile(values, 0.5), quantile([4], 0.95), quantile([], 0.5)]).toEqual([19, 10, 4, null]);
});
