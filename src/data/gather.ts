/**
 * Owns: copying rows of a split in memory into a batch.
 * Does not: choose the rows (src/coordinator does), or scale (the recorded step does).
 */
import type { Batch, MemorySplit, NumericArray } from '../common/dataset.js';
import { invariant } from '../common/errors.js';

/**
 * Copies `rows` of every field that `into` has, in that order, to the start of its array, which may be longer. Values are converted to the
 * target's type as typed arrays do. Neighboring rows are copied at once, so an evaluation batch is one copy.
 */
export function gatherRows({ count, ...split }: MemorySplit, rows: Int32Array, into: Batch): void {
  requireWithin(rows, count);
  for (const part of ['inputs', 'targets'] as const)
    for (const [name, values] of Object.entries(into[part])) gather(split[part][name], count, rows, values);
}

export function requireWithin(rows: Int32Array, count: number): void {
  for (let i = 0; i < rows.length; i++) invariant(rows[i] >= 0 && rows[i] < count, `row ${rows[i]} lies in a split of ${count}`);
}

export function gather(from: NumericArray, count: number, rows: Int32Array, into: NumericArray): void {
  const rowSize = from.length / count;
  invariant(into.length >= rows.length * rowSize, `the buffer holds ${rows.length} rows of ${rowSize}`);
  if (rowSize === 1) {
    for (let i = 0; i < rows.length; i++) into[i] = from[rows[i]];
    return;
  }
  for (let first = 0; first < rows.length;) {
    let end = first + 1;
    while (end < rows.length && rows[end] === rows[end - 1] + 1) end++;
    const start = rows[first] * rowSize;
    into.set(from.subarray(start, start + (end - first) * rowSize), first * rowSize);
    first = end;
  }
}
