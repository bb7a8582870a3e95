/**
 * Owns: copying rows of a split into a batch.
 * Does not: choose the rows (src/coordinator does), or scale (the recorded step does).
 */
import type { DataSplit, NumericArray } from '../common/dataset.js';
import { invariant } from '../common/errors.js';

/** Where a batch is put. May be longer than needed; only the first rows are written. */
export interface RowBuffers {
  readonly x: NumericArray;
  readonly y: NumericArray;
}

/**
 * Copies `rows` of x and y, in that order, to the start of `into`. Values are converted to the target's type as typed arrays do.
 * Neighbouring rows are copied at once, so an evaluation batch is one copy.
 */
export function gatherRows(split: DataSplit, rows: Int32Array, into: RowBuffers): void {
  for (let i = 0; i < rows.length; i++)
    invariant(rows[i] >= 0 && rows[i] < split.count, `row ${rows[i]} lies in a split of ${split.count}`);
  gather(split.x, split.count, rows, into.x);
  gather(split.y, split.count, rows, into.y);
}

function gather(from: NumericArray, count: number, rows: Int32Array, into: NumericArray): void {
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
