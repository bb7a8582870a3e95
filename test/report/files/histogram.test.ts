import { expect, test } from 'vitest';
import { histogramOf } from '../../../src/report/files/histogram.js';

test('30 buckets from the smallest to the largest value, each value in one', () => {
  const { counts, limits, ...told } = histogramOf(Float32Array.from({ length: 301 }, (_, at) => at));
  expect(told).toEqual({ min: 0, max: 300, count: 301, sum: 45_150, sumSquares: 9_045_050 });
  expect(limits).toEqual(Array.from({ length: 30 }, (_, at) => 10 * (at + 1)));
  expect(counts).toEqual([...new Array<number>(29).fill(10), 11]);
});

test('equal values, none, and those that are not finite', () => {
  expect(histogramOf(Float32Array.of(2, 2, 2))).toMatchObject({ min: 2, max: 2, count: 3, limits: [2], counts: [3] });
  expect(histogramOf(new Float32Array())).toMatchObject({ count: 0, limits: [0], counts: [0] });
  expect(histogramOf(Float32Array.of(Number.NaN, Infinity))).toMatchObject({ count: 0, counts: [0] });
  expect(histogramOf(Float32Array.of(1, Number.NaN, 3)).counts.reduce((a, b) => a + b)).toBe(2);
  // Values so close that their width is lost in rounding still have a bucket.
  const near = histogramOf(Float32Array.of(1e30, 1.0000001e30));
  expect(near.counts.reduce((a, b) => a + b)).toBe(2);
  expect(near.limits.at(-1)).toBe(near.max);
});
