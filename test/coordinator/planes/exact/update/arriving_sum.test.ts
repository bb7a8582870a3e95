import { expect, test } from 'vitest';
import { createBucketLayout } from '../../../../../src/common/bucket_layout.js';
import type { ShardResult } from '../../../../../src/common/replica.js';
import { ArrivingSum } from '../../../../../src/coordinator/planes/exact/update/arriving_sum.js';
import { sumGradients } from '../../../../../src/coordinator/planes/exact/update/reducer.js';
import { SLICE_ELEMENTS } from '../../../../../src/coordinator/planes/exact/update/slice_kernels.js';
import { shardResult } from '../../../../support/shard_results.js';

/** Float32 numbers without a pattern. */
const noise = (size: number, seed: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => ((((i + 1) * 0.6180339887 * (seed + 1)) % 1) - 0.5) * 10 ** (i % 7));

interface Held {
  now: number;
  most: number;
}

function counted(result: ShardResult, held: Held): ShardResult {
  held.now += 1;
  held.most = Math.max(held.most, held.now);
  const { gradient } = result;
  return { ...result, ...(gradient && { gradient: { ...gradient, release: () => void (held.now -= 1) } }) };
}

/** Of the one or two arrays that are left to add. */
function added(summands: readonly Float32Array[], size: number): Float32Array {
  const results = summands.map((gradient, shard) => shardResult({ shard, gradient }));
  const layout = createBucketLayout({ weights: [{ name: 'w', shape: [size] }], trained: 1 });
  return sumGradients({ results, shards: summands.length, layout });
}

const sumOver = (present: readonly boolean[], size: number) => new ArrivingSum({ present, size, turnMs: 5, nowMs: () => 0 });

test('whatever the order of arrival, the sum is that of the tree to the bit, and every buffer is given back', async () => {
  const size = SLICE_ELEMENTS + 3;
  const layout = createBucketLayout({ weights: [{ name: 'w', shape: [size] }], trained: 1 });
  for (const pattern of ['x', 'xx', 'xxx', 'x-x', '-xx-x', 'xxxxxxx', '--x--xx-x']) {
    const present = [...pattern].map((shard) => shard === 'x');
    const shards = [...present.keys()].filter((shard) => present[shard]);
    const results = () => shards.map((shard) => shardResult({ shard, gradient: noise(size, shard) }));
    const expected = sumGradients({ results: results(), shards: present.length, layout });
    for (const order of [
      results(),
      results().reverse(),
      results().sort((a, b) => ((a.id.shard * 5) % 7) - ((b.id.shard * 5) % 7)),
    ]) {
      const held: Held = { now: 0, most: 0 };
      const sum = sumOver(present, size);
      for (const result of order) expect(sum.take(counted(result, held))).not.toHaveProperty('gradient');
      const total = added(await sum.summands(), size);
      expect(
        total.every((value, i) => Object.is(value, expected[i])),
        pattern,
      ).toBe(true);
      expect(held.now).toBe(Math.min(shards.length, 2));
      sum.release();
      expect(held.now).toBe(0);
    }
  }
});

test('64 shards that come in order are never more than 7 buffers: one for each bit of the number of those here, and the new one', async () => {
  const held: Held = { now: 0, most: 0 };
  const sum = sumOver(
    Array.from({ length: 64 }, () => true),
    5,
  );
  for (let shard = 0; shard < 64; shard++) {
    sum.take(counted(shardResult({ shard, gradient: Float32Array.of(1, 2, 3, 4, shard) }), held));
    // A replica computes longer than an addition takes.
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect([...added(await sum.summands(), 5)]).toEqual([64, 128, 192, 256, 2016]);
  expect(held).toEqual({ now: 2, most: 7 });
});

test('a round that is given up gives back what came, and what is still being added', async () => {
  const held: Held = { now: 0, most: 0 };
  const sum = sumOver([true, true, true], 4);
  sum.take(counted(shardResult({ shard: 0, gradient: new Float32Array(4) }), held));
  sum.take(counted(shardResult({ shard: 1, gradient: new Float32Array(4) }), held));
  sum.release();
  await new Promise((resolve) => setImmediate(resolve));
  expect(held.now).toBe(0);
  await expect(sum.summands()).rejects.toThrow('internal: every shard was taken');
});

test('what cannot happen is said', () => {
  const result = shardResult({ shard: 0, gradient: new Float32Array(4) });
  expect(() => sumOver([false], 4)).toThrow('internal: a step has a shard');
  expect(() => sumOver([true], 5).take(result)).toThrow('internal: a shard answers for the whole layout');
  const sum = sumOver([true], 4);
  sum.take(result);
  expect(() => sum.take(result)).toThrow('internal: a shard answers once');
});

test('a gradient is opaque to whoever is no plane', () => {
  const { gradient } = shardResult({ shard: 0, gradient: Float32Array.of(3) });
  // @ts-expect-error its numbers are no part of the type that the loop sees
  expect([...(gradient?.values as Float32Array)]).toEqual([3]);
});
