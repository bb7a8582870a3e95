/**
 * Owns: the rows of an assignment as bytes: the shard's own, then where they are wanted those of the whole batch, then those that the same shard has in the next
 * steps, for who reads rows from elsewhere than memory. Does not: know the rest of the message (messages.ts) or read examples.
 */
import type { ShardAssignment } from '../replica.js';
import { wireError } from './frame.js';
import type { MessageOf } from './messages.js';

export type AssignedRows = Pick<ShardAssignment, 'rows' | 'batchRows' | 'ahead'>;

/** What the message says of its bytes, which are int32. */
export type RowCounts = Pick<MessageOf<'assign'>, 'batchRows' | 'ahead'>;

export function packRows({ rows, batchRows, ahead }: AssignedRows): { counts: RowCounts; bytes: Uint8Array } {
  const lists = [rows, ...(batchRows ? [batchRows] : []), ...(ahead?.rows ?? [])];
  const all = new Int32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  const counts = {
    ...(batchRows && { batchRows: batchRows.length }),
    ...(ahead && ahead.rows.length > 0 && { ahead: { counts: ahead.rows.map(({ length }) => length), most: ahead.most } }),
  };
  return { counts, bytes: new Uint8Array(all.buffer) };
}

/** `examples`: in the split. @throws ClusterError WIRE_INVALID for rows that it has not, and for more ahead than a step of this shard has. */
export function unpackRows(bytes: Uint8Array, { batchRows = 0, ahead }: RowCounts, examples: number): AssignedRows {
  const all = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const later = ahead?.counts ?? [];
  const own = all.length - batchRows - later.reduce((sum, count) => sum + count, 0);
  if (own <= 0) throw wireError(`a shard of ${own} rows`);
  for (const row of all) if (row < 0 || row >= examples) throw wireError(`row ${row} of ${examples}`);
  if (later.some((count) => count === 0 || count > own)) throw wireError(`${later.join(', ')} rows ahead of a shard of ${own}`);
  let at = own + batchRows;
  const lists = later.map((count) => all.subarray(at, (at += count)));
  return {
    rows: all.subarray(0, own),
    ...(batchRows > 0 && { batchRows: all.subarray(own, own + batchRows) }),
    ...(ahead && { ahead: { rows: lists, most: ahead.most } }),
  };
}
