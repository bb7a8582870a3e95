import { expect, test } from 'vitest';
import { shardSizes, splitBatch } from '../../src/common/shard.js';

test('200 examples over 3 shards are 67, 67 and 66', () => {
  expect(shardSizes({ globalBatch: 200, shards: 3 })).toEqual([67, 67, 66]);
  expect(splitBatch({ globalBatch: 200, shards: 3, shard: 2 })).toEqual({ start: 134, count: 66 });
});

// mxnet 1.9.1: [len(s) for s in gluon.utils.split_data(mx.nd.zeros((n, 1)), k, even_split=False)]
test('the sizes are those of Gluon', () => {
  expect(shardSizes({ globalBatch: 198, shards: 4 })).toEqual([50, 50, 49, 49]);
  expect(shardSizes({ globalBatch: 100, shards: 7 })).toEqual([15, 15, 14, 14, 14, 14, 14]);
  expect(shardSizes({ globalBatch: 7, shards: 1 })).toEqual([7]);
});

test('a last batch shorter than its shards leaves the last ones empty', () => {
  expect(shardSizes({ globalBatch: 2, shards: 4 })).toEqual([1, 1, 0, 0]);
  expect(splitBatch({ globalBatch: 2, shards: 4, shard: 3 })).toEqual({ start: 2, count: 0 });
  expect(shardSizes({ globalBatch: 0, shards: 2 })).toEqual([0, 0]);
});

test('the shards cover the batch once and in order, and differ by one at most', () => {
  for (const globalBatch of [0, 1, 7, 60, 97]) {
    for (const shards of [1, 2, 3, 5, 8, 13]) {
      const ranges = Array.from({ length: shards }, (_, shard) => splitBatch({ globalBatch, shards, shard }));
      let at = 0;
      for (const { start, count } of ranges) {
        expect(start).toBe(at);
        at += count;
      }
      expect(at).toBe(globalBatch);
      const sizes = ranges.map(({ count }) => count);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }
  }
});

test('a shard that the run does not have is a bug', () => {
  expect(() => splitBatch({ globalBatch: 8, shards: 2, shard: 2 })).toThrow('internal: a shard number');
});
