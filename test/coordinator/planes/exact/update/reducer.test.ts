import { hostValues } from '../../../../../src/common/host_gradient.js';
import { expect, test } from 'vitest';
import { createBucketLayout } from '../../../../../src/common/bucket_layout.js';
import { gradientsByShard, ShardSum, sumGradients } from '../../../../../src/coordinator/planes/exact/update/reducer.js';
import { SLICE_ELEMENTS } from '../../../../../src/coordinator/planes/exact/update/slice_kernels.js';
import { shardResult } from '../../../../support/shard_results.js';

const layoutOf = (size: number) => createBucketLayout({ weights: [{ name: 'dense/kernel', shape: [size] }], trained: 1 });
const { fround } = Math;

/** Sum of one-element gradients by shard index; null for an empty shard. */
function sumOf(values: readonly (number | null)[]): number {
  const results = values.flatMap((value, shard) =>
    value === null ? [] : [shardResult({ shard, gradient: Float32Array.of(value) })],
  );
  return sumGradients({ results, shards: values.length, layout: layoutOf(1) })[0];
}

test('1 to 8 shards add up', () => {
  for (let shards = 1; shards <= 8; shards++)
    expect(sumOf(Array.from({ length: shards }, (_, shard) => 2 ** shard))).toBe(2 ** shards - 1);
});

test('shards are added by pairs: next to 1e8 a float32 cannot hold 1 more', () => {
  // (1e8 + 1) + (−1e8 + 1) = 1e8 − 1e8; one after the other it would be 1e8 − 1e8 + 1.
  expect(sumOf([1e8, 1, -1e8, 1])).toBe(0);
  // (1e8 + 1) + −1e8
  expect(sumOf([1e8, 1, -1e8])).toBe(0);
  // 1e8 + −1e8, then 1 passes up
  expect(sumOf([1e8, -1e8, 1])).toBe(1);
});

test('an absent shard passes its partner through', () => {
  // 1 stands alone in the second pair: (1e8 + −1e8) + 1; moved up to shard 1 it would be (1e8 + 1) + −1e8 = 0.
  expect(sumOf([1e8, -1e8, null, 1])).toBe(1);
  expect(sumOf([1e8, null, 1, -1e8])).toBe(fround(1e8 + fround(1 - 1e8)));
  expect(sumOf([null, null, 5])).toBe(5);
  expect(sumOf([null, -0, null])).toBe(-0);
});

/** Float32 numbers without a pattern: fractional parts of multiples of the golden ratio. */
function noise(size: number, seed: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => ((((i + 1) * 0.6180339887 * (seed + 1)) % 1) - 0.5) * 10 ** (i % 5));
}

test('the order of arrival does not matter, and the arrays of the shards stay as they are', () => {
  for (const size of [0, 1, 31]) {
    for (let shards = 1; shards <= 8; shards++) {
      const results = Array.from({ length: shards }, (_, shard) => shardResult({ shard, gradient: noise(size, shard) }));
      const sum = sumGradients({ results, shards, layout: layoutOf(size) });
      const turned = [...results.slice(shards >> 1), ...results.slice(0, shards >> 1)].reverse();
      expect(sumGradients({ results: turned, shards, layout: layoutOf(size) })).toEqual(sum);
      results.forEach(({ gradient }, shard) => expect(gradient && hostValues(gradient)).toEqual(noise(size, shard)));
    }
  }
});

test('six shards over several slices equal the tree written out', () => {
  const size = 2 * SLICE_ELEMENTS + 7;
  const [a, b, c, d, e, f] = Array.from({ length: 6 }, (_, shard) => noise(size, shard));
  const results = [a, b, c, d, e, f].map((gradient, shard) => shardResult({ shard, gradient }));
  const expected = a.map((_, i) => fround(fround(fround(a[i] + b[i]) + fround(c[i] + d[i])) + fround(e[i] + f[i])));
  expect(sumGradients({ results, shards: 6, layout: layoutOf(size) })).toEqual(expected);
  const inARow = a.map((_, i) => [b, c, d, e, f].reduce((sum, values) => fround(sum + values[i]), a[i]));
  expect(inARow).not.toEqual(expected);
});

test('the sum is rounded, then divided once, then rounded', () => {
  const into = new Float32Array(2);
  new ShardSum([Float32Array.of(9, 2 ** 24), Float32Array.of(1, 5), undefined]).divided(0, 3, into);
  // 2^24 + 5 is no float32: it becomes 2^24 + 4 before the division. (2^24 + 5) / 3 = 5592407 would be one.
  expect([...into]).toEqual([fround(10 / 3), 5592406.5]);
  new ShardSum([Float32Array.of(0, 7, 7)]).divided(1, 200, into);
  expect([...into]).toEqual([fround(7 / 200), fround(7 / 200)]);
});

test('what cannot happen is said: no shard, one twice, one unknown, a wrong length', () => {
  const gradient = Float32Array.of(1);
  const by =
    (...shards: number[]) =>
    () =>
      gradientsByShard({ results: shards.map((shard) => shardResult({ shard, gradient })), shards: 2, layout: layoutOf(1) });
  expect(() => new ShardSum([undefined])).toThrow('internal: a step has a shard');
  expect(by(1, 1)).toThrow('internal: each shard answers once');
  expect(by(2)).toThrow('internal: each shard answers once');
  const results = [shardResult({ shard: 0, gradient })];
  expect(() => gradientsByShard({ results, shards: 1, layout: layoutOf(2) })).toThrow(
    'internal: a shard answers for the whole layout',
  );
  expect(() => new ShardSum([gradient]).divided(0, 1, new Float32Array(SLICE_ELEMENTS + 1))).toThrow(
    'internal: shards are added by slices',
  );
});
