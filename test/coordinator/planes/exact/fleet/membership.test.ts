/** Owns: who is given which shard, and what becomes of those of members that are lost. */
import { describe, expect, it } from 'vitest';
import { nextWakeMs } from '../../../../../src/coordinator/planes/exact/fleet/membership_questions.js';
import { membershipOf } from '../../../../support/membership_by_hand.js';

describe('assignment', () => {
  it('gives the lowest shards first and the rest to whoever answers first', () => {
    const c = membershipOf().join('a', 'b').round([0, 1, 2, 3]);
    expect(c.assigns).toEqual(['1:s0.0', '2:s1.0']);
    expect(c.answer(2).assigns).toEqual(['2:s2.0']);
    expect(c.answer(2).assigns).toEqual(['2:s3.0']);
    expect(c.answer(2).assigns).toEqual([]);
    expect(c.answer(1).types).toEqual(['accept', 'complete']);
  });

  it('leaves out empty shards: a round of shards 0 and 2 completes with two answers', () => {
    const c = membershipOf().join('a').round([0, 2]);
    c.answer(1);
    expect(c.assigns).toEqual(['1:s2.0']);
    expect(c.answer(1).types).toEqual(['accept', 'complete']);
  });

  it('gives a late joiner work in the round under way', () => {
    const c = membershipOf().join('a').round([0, 1]);
    expect(c.join('b').assigns).toEqual(['2:s1.0']);
  });

  it('gives a draining replica nothing more and lets it go after its answer', () => {
    const c = membershipOf().join('a', 'b').round([0, 1, 2]);
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
    const c = membershipOf().join('a', 'b').round([0, 1]);
    c.answer(2);
    expect(c.lose(1).assigns).toEqual(['2:s0.1']);
    expect(c.notes[0]).toMatch(/^a lost in step 2, shard 0, 0 ms after it was given: socket closed; 1 replica now$/);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
  });

  it('waits at zero and goes on with whoever joins', () => {
    const c = membershipOf().join('a').round([0]);
    c.lose(1);
    expect(c.notes.at(-1)).toBe('no worker is left; the run waits for one to join');
    expect(c.join('b').assigns).toEqual(['2:s0.1']);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
  });

  it('ends the run when nobody is left and nobody can join', () => {
    const c = membershipOf({ canJoin: false }).join('a').round([0]);
    expect(c.lose(1).types).toEqual(['dismiss', 'fail ALL_REPLICAS_LOST']);
  });

  it('ends the wait after the join timeout, to the millisecond', () => {
    const c = membershipOf({ joinTimeoutMs: 5000, minWorkers: 2 }).join('a').round([0]);
    expect(c.assigns).toEqual([]);
    expect(nextWakeMs(c.state)).toBe(5000);
    expect(c.tick(4999).types).toEqual([]);
    expect(c.tick(5000).types).toEqual(['fail JOIN_TIMEOUT']);
  });

  it('counts processes, not replicas, for the minimum, and needs it only to start', () => {
    const c = membershipOf({ minWorkers: 2 });
    c.send({ type: 'joined', name: 'a:0', worker: 'a' }).send({ type: 'joined', name: 'a:1', worker: 'a' }).round([0, 1]);
    expect(c.assigns).toEqual([]);
    expect(c.send({ type: 'joined', name: 'b:0', worker: 'b' }).assigns).toEqual(['1:s0.0', '2:s1.0']);
    c.lose(3).lose(2);
    expect(c.answer(1).assigns).toEqual(['1:s1.1']);
  });

  /** A process of its own for each; on a machine that is known where there is an @. */
  const arrive = (c: ReturnType<typeof membershipOf>, name: string) => {
    const [process, machine = null] = name.split('@');
    return c.send({ type: 'joined', name, worker: `session of ${name}`, process, machine });
  };
  const said = (c: ReturnType<typeof membershipOf>, member: number) =>
    c.send({ type: 'lost', member, reason: 'out of memory', cause: 'said' });

  it('ends the run for a shard that took processes on three machines, and names them with their last words', () => {
    const c = membershipOf();
    for (const name of ['a@x', 'b@y', 'c@z', 'd@w']) arrive(c, name);
    c.round([0]);
    said(said(c, 1), 2);
    expect(said(c, 3).types).toEqual(['dismiss', 'fail SHARD_KILLS_REPLICAS']);
    const last = c.failure;
    expect(last).toContain('step 2, shard 0 took 3 processes on 3 machines with it');
    expect(last).toContain('a@x: out of memory; b@y: out of memory; c@z: out of memory');
  });

  it('on fewer machines only after four in a row (16 outside of tests), with growing pauses', () => {
    const c = membershipOf();
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
    const c = membershipOf();
    for (let i = 0; i < 16; i++) c.send({ type: 'joined', name: `a:${i}`, worker: 'a', process: 'a' });
    arrive(c, 'b').round([0]);
    for (let i = 1; i <= 16; i++) expect(said(c, i).state.failed).toBe(false);
    expect(c.state.members.get(17)?.running?.id.shard).toBe(0);
  });

  it('counts a process once that dies with 17 replicas, none of which is given a shard that another leaves', () => {
    const c = membershipOf();
    for (let i = 0; i < 17; i++) c.send({ type: 'joined', name: `a:${i}`, worker: 'a', process: 'a' });
    c.round([0, 1]);
    const also = Array.from({ length: 16 }, (_, i) => i + 2);
    c.send({ type: 'lost', member: 1, also, reason: 'connection closed' });
    expect(c.assigns).toEqual([]);
    expect(c.state.round?.units.map(({ losses }) => losses.length)).toEqual([1, 1]);
  });

  it('a link that breaks 100 times is no loss of the shard: the same process comes back', () => {
    const c = membershipOf();
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
    const c = membershipOf();
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
    const c = membershipOf();
    for (const name of ['a', 'b', 'c']) arrive(c, name);
    c.round([0]).lose(1).lose(2).lose(3);
    arrive(c, 'd');
    // Three are gone, and may come back within 30 s: nobody else is sent after them.
    expect([c.assigns, nextWakeMs(c.state)]).toEqual([[], 30_000]);
    expect(c.tick(29_999).types).toEqual([]);
    expect(c.tick(30_000).types).toEqual(['fail SHARD_KILLS_REPLICAS']);
  });

  it('calls a replica lost at the deadline of max(30 s, 5 x p95), 300 s before anything was measured', () => {
    const c = membershipOf().join('a').round([0]);
    expect(nextWakeMs(c.state)).toBe(300_000);
    c.now = 10_000;
    c.answer(1).round([0], 2);
    expect(nextWakeMs(c.state)).toBe(10_000 + 5 * 10_000);
    expect(c.tick(59_999).types).toEqual([]);
    expect(c.tick(60_000).types).toEqual(['dismiss']);
    expect(c.notes[0]).toContain('no answer to step 3, shard 0 after 50 s');
  });
});
