/** Owns: what a shard of a step is told: its rows, those to come, and nothing of the epoch beside them. */
import { expect, test } from 'vitest';
import { LIMITS } from '../../../../src/common/limits.js';
import { batchesAfter, shardBatch } from '../../../../src/coordinator/planes/exact/batches.js';

const parameters = { version: 3, values: new Float32Array(1) };
const order = Int32Array.from({ length: 100_000 }, (_, at) => 99_999 - at);
const batches = [0, 7, 14].map((start) => order.subarray(start, start + 7));

test('each shard has its rows of the batch and of those ahead, in shard order', () => {
  const units = shardBatch({ kind: 'train', rows: batches[0], shards: 3, step: 0, parameters, ahead: batches.slice(1) });
  expect(units.map(({ rows }) => [...rows])).toEqual([
    [99_999, 99_998, 99_997],
    [99_996, 99_995],
    [99_994, 99_993],
  ]);
  expect(units[1].ahead).toMatchObject({ most: LIMITS.batchesReadAhead * 3 });
  expect(units[1].ahead?.rows.map((rows) => [...rows])).toEqual([
    [99_989, 99_988],
    [99_982, 99_981],
  ]);
});

// A typed array that is sent to a thread is sent with all of the buffer that it is a view of.
test('what is sent to a replica is as large as its own rows, however long the epoch', () => {
  const units = shardBatch({
    ...{ kind: 'train', rows: batches[0], shards: 3, step: 0, parameters },
    ...{ ahead: batches.slice(1), wholeBatch: true },
  });
  for (const { rows, batchRows, ahead } of units) {
    expect(batchRows).toEqual(batches[0]);
    for (const sent of [rows, batchRows, ...(ahead?.rows ?? [])]) expect(sent?.buffer.byteLength).toBe(sent?.byteLength);
  }
});

test('towards the end of an epoch the first batches of the next are read ahead, while the run evaluates', () => {
  const [now, next] = [Int32Array.of(0, 1, 2, 3, 4, 5, 6), Int32Array.of(6, 5, 4, 3, 2, 1, 0)];
  let asked = 0;
  const following = (): Int32Array => (asked++, next);
  const after = (order: Int32Array, example: number): number[][] =>
    batchesAfter(order, example, 2, following).map((rows) => [...rows]);
  expect(after(now, 0)).toEqual([
    [2, 3],
    [4, 5],
  ]);
  expect(asked).toBe(0);
  expect(after(now, 4)).toEqual([[6], [6, 5]]);
  // A worker takes no more rows ahead than its own shard has; those of the step before are being read.
  expect(after(now, 6)).toEqual([]);
  expect(after(now.subarray(0, 6), 4)).toEqual([
    [6, 5],
    [4, 3],
  ]);
  expect(batchesAfter(now, 4, 2).map((rows) => [...rows])).toEqual([[6]]);
});
