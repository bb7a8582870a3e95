/** Owns: how values are distributed, in buckets as TensorBoard draws them. Does not: write them (tensorboard.ts). */

/** Weights after an epoch, one after the other in `values`. */
export interface ToldWeights {
  readonly epoch: number;
  readonly values: Float32Array;
  readonly slots: readonly { readonly name: string; readonly offset: number; readonly size: number }[];
}

export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly sumSquares: number;
  /** Values that are finite. */
  readonly count: number;
  /** Upper end of each bucket, the last one's as well; the first begins at `min`. */
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

const BUCKETS = 30;

/** Of the finite values, in buckets of one width from the smallest to the largest; one bucket where all are equal, an empty one where there is none. */
export function histogramOf(values: Float32Array): Histogram {
  let [min, max, sum, sumSquares, count] = [Infinity, -Infinity, 0, 0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    sumSquares += value * value;
    count += 1;
  }
  if (count === 0) return { min: 0, max: 0, sum: 0, sumSquares: 0, count: 0, limits: [0], counts: [0] };
  if (min === max) return { min, max, sum, sumSquares, count, limits: [max], counts: [count] };
  const width = (max - min) / BUCKETS;
  const counts = new Array<number>(BUCKETS).fill(0);
  for (const value of values) if (Number.isFinite(value)) counts[Math.min(BUCKETS - 1, Math.floor((value - min) / width))] += 1;
  const limits = counts.map((_, index) => (index === BUCKETS - 1 ? max : min + width * (index + 1)));
  return { min, max, sum, sumSquares, count, limits, counts };
}
