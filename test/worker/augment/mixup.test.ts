import { expect, test } from 'vitest';
import { planMixup } from '../../../src/worker/augment/mixup.js';

const BATCH = Int32Array.from([40, 7, 19, 3, 100, 55, 8]);
const plan = (over: Partial<Parameters<typeof planMixup>[0]> = {}) =>
  planMixup({ seed: 1, alpha: 0.2, epoch: 3, batchRows: BATCH, places: BATCH, first: 0, count: BATCH.length, ...over });

test('partners and shares are the same in any cut of the batch, others in another epoch or from another seed', () => {
  const whole = plan();
  const cuts = [plan({ count: 3 }), plan({ first: 3, count: 4 })];
  expect(cuts.flatMap(({ rows }) => [...rows])).toEqual([...whole.rows]);
  expect(cuts.flatMap(({ shares }) => [...shares])).toEqual([...whole.shares]);
  for (const other of [plan({ epoch: 4 }), plan({ seed: 2 })]) expect([...other.shares]).not.toEqual([...whole.shares]);
});

test('a partner is another row of the batch, each as often; alone an example is its own', () => {
  const seen = new Map<number, number>();
  for (let epoch = 1; epoch <= 700; epoch++) {
    const { rows } = plan({ epoch });
    rows.forEach((row, i) => expect(row).not.toBe(BATCH[i]));
    for (const row of rows) seen.set(row, (seen.get(row) ?? 0) + 1);
  }
  expect([...seen.keys()].sort()).toEqual([...BATCH].sort());
  // 700 on average, deviation 26: within five of them.
  for (const count of seen.values()) expect(Math.abs(count - 700)).toBeLessThan(130);
  expect([...plan({ batchRows: Int32Array.of(9), count: 1 }).rows]).toEqual([9]);
});

test.each([0.05, 0.2, 1, 4])('shares have the mean and variance of Beta(α, α), α = %d', (alpha) => {
  const shares = Array.from({ length: 1500 }, (_, epoch) => [...plan({ alpha, epoch }).shares]).flat();
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length;
  expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
  // Of 10,500: five deviations of a mean of variance at most 1/4, and of a variance of values within 1/2.
  expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / shares.length));
  expect(Math.abs(variance - 1 / (4 * (2 * alpha + 1)))).toBeLessThan(5 * Math.sqrt(1 / 64 / shares.length));
});
