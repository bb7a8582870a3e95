/** Owns: that a worker is told its rows, those of the whole batch and those to come, and believes nobody's. */
import { expect, it } from 'vitest';
import { ClusterError } from '../../src/common/errors.js';
import { packRows, unpackRows, type AssignedRows, type RowCounts } from '../../src/common/protocol/assigned_rows.js';
import type { ShardAssignment } from '../../src/common/replica.js';
import { loopbackCluster } from '../support/loopback_cluster.js';

const plain = ({ rows, batchRows, ahead }: AssignedRows) => ({
  rows: [...rows],
  ...(batchRows && { batchRows: [...batchRows] }),
  ...(ahead && { ahead: { rows: ahead.rows.map((list) => [...list]), most: ahead.most } }),
});

it.each<[string, Partial<AssignedRows>]>([
  ['alone', {}],
  ['with the whole batch', { batchRows: Int32Array.of(9, 8, 2, 3) }],
  ['with two steps to come', { ahead: { rows: [Int32Array.of(4, 5), Int32Array.of(6)], most: 4 } }],
  ['with both', { batchRows: Int32Array.of(9, 8, 2, 3), ahead: { rows: [Int32Array.of(7)], most: 2 } }],
])('rows %s reach the replica of a worker', async (_, more) => {
  const seen: ShardAssignment[] = [];
  const cluster = await loopbackCluster();
  const { admitted } = await cluster.join({ behave: (assignment) => Promise.resolve(void seen.push(assignment)) });
  await admitted;
  const { model } = await cluster.cluster.first;
  const wanted = { ...more, rows: Int32Array.of(2, 3) };
  await cluster.fleet.computeRound([
    {
      ...{ id: { kind: 'train', step: 0, shard: 0, attempt: 0 }, ...wanted, firstExample: 2, regularizationWeight: 0 },
      parameters: { version: 0, values: model.initial },
    },
  ]);
  expect(seen.map(plain)).toEqual([plain(wanted)]);
});

const bytes = (...rows: number[]): Uint8Array => packRows({ rows: Int32Array.from(rows) }).bytes;

it.each<[string, Uint8Array, RowCounts]>([
  ['a shard of 0 rows', bytes(1, 2), { batchRows: 2 }],
  ['a shard of -3 rows', bytes(1, 2), { batchRows: 3, ahead: { counts: [2], most: 2 } }],
  ['row 10 of 10', bytes(1, 10), {}],
  ['row 10 of 10', bytes(1, 10), { ahead: { counts: [1], most: 2 } }],
  ['row -1 of 10', bytes(1, 2, -1), { batchRows: 2 }],
  ['2 rows ahead of a shard of 1', bytes(1, 2, 3), { ahead: { counts: [2], most: 2 } }],
  ['1, 0 rows ahead of a shard of 1', bytes(1, 2), { ahead: { counts: [1, 0], most: 2 } }],
])('%s are refused', (said, sent, counts) => {
  expect(() => unpackRows(sent, counts, 10)).toThrow(ClusterError);
  expect(() => unpackRows(sent, counts, 10)).toThrow(said);
});
