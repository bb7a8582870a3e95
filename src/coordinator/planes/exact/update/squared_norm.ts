/**
 * Owns: the squared norm of the mean gradient, in float64, added in an order that a device can follow: by halves.
 * Does not: clip (step_update.ts).
 *
 * A sum by halves: the numbers, filled up with zeros to a power of two; the upper half is added to the lower half, element by element,
 * until one number is left. So the squares of each trained weight are added, and then the weights' sums. On a device that is some
 * additions of half a tensor; here a weight is taken in rows of a slice: added by halves, the even rows are added by halves, the odd
 * rows are, and then both, so that one row for each level is all the memory.
 */
import type { WeightSlot } from '../../../../common/bucket_layout.js';
import type { ShardSum } from './reducer.js';
import { SUM } from './reducer.js';
import { contents, SLICE_ELEMENTS } from './slice_kernels.js';

export interface MeanGradient {
  readonly sum: ShardSum;
  /** Examples in the global batch. */
  readonly divisor: number;
}

/** Of each given weight. Yields between slices. NaN or infinite where the gradient is, or where a square is beyond float64. */
export function* squaredNorms(gradient: MeanGradient, weights: readonly WeightSlot[]): Generator<void, number[]> {
  const rows = new RowStack();
  const sums: number[] = [];
  for (const weight of weights) {
    yield* addRows(gradient, weight, rows, { first: 0, stride: 1, depth: 0 });
    sums.push(sumByHalves(rows.at(0).subarray(0, powerOfTwoFrom(Math.min(weight.size, SLICE_ELEMENTS)))));
  }
  return sums;
}

/** The norm of all weights together, from their squares. */
export function normOfSquares(squares: readonly number[]): number {
  const sums = new Float64Array(powerOfTwoFrom(squares.length));
  sums.set(squares);
  return Math.sqrt(sumByHalves(sums));
}

/** Overwrites the array, whose length is a power of two. */
export function sumByHalves(values: Float64Array): number {
  for (let half = values.length / 2; half >= 1; half /= 2) for (let i = 0; i < half; i++) values[i] += values[i + half];
  return values[0];
}

/** Row buffers for the levels of the recursion, made when first needed. */
class RowStack {
  readonly #rows: Float64Array[] = [];

  at(depth: number): Float64Array {
    return (this.#rows[depth] ??= new Float64Array(SLICE_ELEMENTS));
  }
}

/** Leaves the sum of the squares of rows `first`, `first + stride`, ... at `depth`. */
function* addRows(
  gradient: MeanGradient,
  weight: WeightSlot,
  rows: RowStack,
  { first, stride, depth }: { first: number; stride: number; depth: number },
): Generator<void, void> {
  const count = Math.ceil(weight.size / SLICE_ELEMENTS);
  if (first + stride >= count) {
    squareRow(gradient, weight, first, rows.at(depth));
    yield;
    return;
  }
  yield* addRows(gradient, weight, rows, { first, stride: stride * 2, depth });
  yield* addRows(gradient, weight, rows, { first: first + stride, stride: stride * 2, depth: depth + 1 });
  const [into, other] = [rows.at(depth), rows.at(depth + 1)];
  for (let i = 0; i < SLICE_ELEMENTS; i++) into[i] += other[i];
}

function squareRow({ sum, divisor }: MeanGradient, { offset, size }: WeightSlot, row: number, into: Float64Array): void {
  const start = row * SLICE_ELEMENTS;
  const length = Math.min(SLICE_ELEMENTS, size - start);
  sum.divide({ start: offset + start, length, divisor });
  const gradient = contents(SUM, length);
  for (let i = 0; i < length; i++) into[i] = gradient[i] * gradient[i];
  into.fill(0, length);
}

function powerOfTwoFrom(count: number): number {
  let power = 1;
  while (power < count) power *= 2;
  return power;
}
