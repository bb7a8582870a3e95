import { expect, it } from 'vitest';
import { createBucketLayout } from '../../src/common/bucket_layout.js';
import { impossibleStatistic, leastStatistics } from '../../src/common/statistics_bounds.js';

const layout = createBucketLayout({
  weights: [
    { name: 'dense/kernel', shape: [2] },
    { name: 'bn/moving_mean', shape: [2], statisticMomentum: 0.75 },
    { name: 'bn/moving_variance', shape: [2], statisticMomentum: 0.75 },
    { name: 'other/moving_variance_1', shape: [1], statisticMomentum: 0 },
  ],
  trained: 1,
});
const running = (...variances: number[]): Float32Array => Float32Array.of(1, 1, -5, 5, ...variances);
const judge = (parameters: Float32Array, ...statistics: number[]): string | null =>
  impossibleStatistic(layout, leastStatistics(layout, parameters) ?? new Float64Array(5), Float32Array.from(statistics));

it('a mean is anything, and a variance at least what a layer that is called twice answers', () => {
  expect(judge(running(1, 0, 2), -1e30, 1e30, 0, 0, 0)).toBeNull();
  // Two calls of variances 0 leave 0.75² = 0.5625 of a running 1, as does one answer of s: 0.75 + 0.25 s = 0.5625.
  expect(judge(running(1, 0, 2), 0, 0, -0.75, 0, 0)).toBeNull();
  // Ever so many leave 0: s = −3.
  expect(judge(running(1, 0, 2), 0, 0, -3, 0, 0)).toBeNull();
  expect(judge(running(1, 0, 2), 0, 0, -3.01, 0, 0)).toBe(
    'a variance of -3.009999990463257 in bn/moving_variance, wanted at least -3.001',
  );
  expect(judge(running(1, 0, 2), 0, 0, 0, -1e-30, 0)).toContain('in bn/moving_variance, wanted at least 0');
});

it('with momentum 0 the answer is the next running variance, and a running one below zero allows none', () => {
  expect(judge(running(1, 1, 2), 0, 0, 0, 0, -0.001)).toContain('in other/moving_variance_1, wanted at least -0.000488');
  expect(judge(running(-8, 1, 2), 0, 0, -1, 0, 0)).toContain('a variance of -1 in bn/moving_variance, wanted at least 0');
});

it('a model without variances has no bounds', () => {
  const plain = createBucketLayout({ weights: [{ name: 'w', shape: [1] }], trained: 1 });
  expect(leastStatistics(plain, Float32Array.of(1))).toBeNull();
});
