/**
 * Owns: adding the shards' arrays in the fixed tree, slice by slice, with float32 rounding after each addition.
 * Does not: decide the tree (src/common/tree_sum.ts), apply anything (step_update.ts), or release gradients (run.ts does).
 *
 * A sum of two float32 values in float64, rounded to float32, is the float32 sum: float64 has more than twice the digits (Figueroa:
 * "When is double rounding innocuous?", 1995). The same holds for −, ×, ÷ and √, which is what makes JavaScript's arithmetic that of TensorFlow.
 */
import type { BucketLayout } from '../common/bucket_layout.js';
import { invariant } from '../common/errors.js';
import type { ShardResult } from '../common/replica.js';
import { sumTree, type SumTree } from '../common/tree_sum.js';

/** Elements worked on at a time: 64 KiB per array stay in the second-level cache, and take far less than a turn of the event loop. */
export const SLICE_ELEMENTS = 16_384;

/** The sum over shards of arrays of one length, computed where it is asked for. The shards' arrays are only read. */
export class ShardSum {
  private readonly tree: SumTree;
  /** Partial sums of one slice, by depth in the tree: the left branch is finished before the right one begins. */
  private readonly scratch: Float32Array[] = [];

  /** `shards[i]` is shard i's array, undefined where the shard is empty. */
  constructor(private readonly shards: readonly (Float32Array | undefined)[]) {
    const tree = sumTree(shards.map((values) => values !== undefined));
    invariant(tree !== null, 'a step has a shard that is not empty');
    this.tree = tree;
  }

  /** Writes sum / divisor of elements `start` to `start + into.length − 1`, each operation rounded to float32. */
  divided(start: number, divisor: number, into: Float32Array): void {
    invariant(into.length <= SLICE_ELEMENTS, 'shards are added by slices');
    const end = start + into.length;
    if ('shard' in this.tree) divide(this.values(this.tree, start, end, 0), divisor, into);
    else addAndDivide(this.values(this.tree.left, start, end, 0), this.values(this.tree.right, start, end, 1), divisor, into);
  }

  private values(tree: SumTree, start: number, end: number, depth: number): Float32Array {
    if ('shard' in tree) return (this.shards[tree.shard] as Float32Array).subarray(start, end);
    const left = this.values(tree.left, start, end, depth);
    const right = this.values(tree.right, start, end, depth + 1);
    this.scratch[depth] ??= new Float32Array(SLICE_ELEMENTS);
    const sum = this.scratch[depth].subarray(0, end - start);
    add(left, right, sum);
    return sum;
  }
}

export interface ShardResults {
  readonly results: readonly ShardResult[];
  /** Logical shards of the run; those without a result were empty. */
  readonly shards: number;
  readonly layout: BucketLayout;
}

/** Each shard's gradient by shard index. */
export function gradientsByShard({ results, shards, layout }: ShardResults): (Float32Array | undefined)[] {
  return byShard(results, shards, layout.trainedSize, ({ gradient }) => gradient?.values);
}

const NONE = new Float32Array(0);

/** Each shard's batch-norm statistics by shard index; a model without any has shards that bring none. */
export function statisticsByShard({ results, shards, layout }: ShardResults): (Float32Array | undefined)[] {
  return byShard(results, shards, layout.statisticsSize, ({ statistics = NONE }) => statistics);
}

/** The whole gradient sum, not divided, in a new array. In one turn: for checks and tests, not for steps. */
export function sumGradients(input: ShardResults): Float32Array {
  const sum = new ShardSum(gradientsByShard(input));
  const total = new Float32Array(input.layout.trainedSize);
  for (let start = 0; start < total.length; start += SLICE_ELEMENTS)
    sum.divided(start, 1, total.subarray(start, Math.min(start + SLICE_ELEMENTS, total.length)));
  return total;
}

function byShard(
  results: readonly ShardResult[],
  shards: number,
  size: number,
  read: (result: ShardResult) => Float32Array | undefined,
): (Float32Array | undefined)[] {
  const arrays = new Array<Float32Array | undefined>(shards).fill(undefined);
  for (const result of results) {
    const values = read(result);
    invariant(result.shard < shards && arrays[result.shard] === undefined, 'each shard answers once');
    invariant(values?.length === size, 'a shard answers for the whole layout');
    arrays[result.shard] = values;
  }
  return arrays;
}

function add(left: Float32Array, right: Float32Array, into: Float32Array): void {
  for (let i = 0; i < into.length; i++) into[i] = left[i] + right[i];
}

function divide(values: Float32Array, divisor: number, into: Float32Array): void {
  for (let i = 0; i < into.length; i++) into[i] = values[i] / divisor;
}

function addAndDivide(left: Float32Array, right: Float32Array, divisor: number, into: Float32Array): void {
  for (let i = 0; i < into.length; i++) into[i] = Math.fround(left[i] + right[i]) / divisor;
}
