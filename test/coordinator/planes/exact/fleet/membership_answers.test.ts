/** Owns: which answers count: of stragglers, late ones, bad numbers, and of a step that is doubted. */
import { describe, expect, it } from 'vitest';
import { nextWakeMs, quantile } from '../../../../../src/coordinator/planes/exact/fleet/membership_questions.js';
import { membershipOf } from '../../../../support/membership_by_hand.js';
import type { MembershipSettings } from '../../../../../src/coordinator/planes/exact/fleet/membership_state.js';

describe('stragglers', () => {
  it('are repeated by another session, never by the one that has them', () => {
    const c = membershipOf();
    for (const name of ['a:0', 'a:1']) c.send({ type: 'joined', name, worker: 'a', process: 'a' });
    c.round([0, 1]);
    c.now = 200;
    c.answer(2);
    expect(c.tick(10_000).assigns).toEqual([]);
    expect(c.join('b').assigns).toEqual(['3:s0.1']);
  });

  /** Two replicas; one shard took 200 ms, the other runs on. */
  function slow() {
    const c = membershipOf().join('a', 'b').round([0, 1]);
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
    const c = membershipOf().join('a', 'b').round([0, 1]);
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
    const c = membershipOf().join('a').round([0]);
    expect(c.answer(1, changes).types).toEqual([refusal]);
    expect(c.answer(1).types).toEqual(['accept', 'complete']);
  });

  it('refuses an answer of a session that is gone, and a second copy of one it took', () => {
    const c = membershipOf().join('a', 'b').round([0, 1]);
    c.lose(1);
    expect(c.answer(1).types).toEqual(['refuse dead_session']);
    const twice = membershipOf().join('a').round([0]).answer(1);
    expect(twice.answer(1).types).toEqual(['refuse not_assigned']);
  });

  it('drops what an abandoned round still brings and frees its replica', () => {
    const c = membershipOf().join('a').round([0]);
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
    const c = membershipOf().join('a', 'b').round([0, 1]);
    expect(c.answer(1, { nonFinite: 'conv2d_1/kernel' }).types).toEqual(['refuse non_finite']);
    expect(c.answer(2).assigns).toEqual(['2:s0.1']);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
    expect(c.notes).toEqual([
      'b found no NaN or Inf in step 2, shard 0, and a did: one of them has faulty hardware or other numerics',
    ]);
  });

  it('puts out who finds them where two other machines find none, and takes the finite answers', () => {
    const c = membershipOf().join('a', 'b', 'c').round([0, 1, 2]);
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
    const c = membershipOf({ canJoin: true, ...settings });
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
    const c = membershipOf().join('a').round([0]);
    expect(c.answer(1, { nonFinite: 'loss' }).assigns).toEqual(['1:s0.1']);
    c.answer(1, { nonFinite: 'loss' });
    expect(c.types).toEqual(['refuse non_finite', 'fail NON_FINITE']);
  });

  it('takes a speculative twin already under way as the recomputation', () => {
    const c = membershipOf().join('a', 'b').round([0, 1]);
    c.now = 200;
    c.answer(2).tick(600);
    expect(c.answer(1, { nonFinite: 'loss' }).assigns).toEqual([]);
    expect(c.answer(2).types).toEqual(['accept', 'complete']);
  });
});

describe('a step that is doubted', () => {
  /** Members 1 and 2 have computed shards 0 and 1, and the step is computed once more. */
  const doubted = () => {
    const c = membershipOf({ auditsAll: false }).join('a', 'b').round([0, 1]);
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
