/**
 * Owns: adding the shards' arrays in the fixed tree, slice by slice, with float32 rounding after each addition.
 * Does not: decide the tree (src/common/tree_sum.ts), apply anything (step_update.ts), or release gradients (exact_plane.ts does).
 */
import { hostValues } from '../../../../common/host_gradient.js';
import type { BucketLayout } from '../../../../common/bucket_layout.js';
import { invariant } from '../../../../common/errors.js';
import type { ShardResult } from '../../../../common/replica.js';
import { sumTree, type SumTree } from '../../../../common/tree_sum.js';
import { addAndDivideSlices, addSlices, divideSlice } from './basic_kernels.js';
import { load, register, SLICE_ELEMENTS, store, type Register } from './slice_kernels.js';

/** The register that a sum is left in; those above it are overwritten. */
export const SUM: Register = register(0);

/** The sum over shards of arrays of one length, computed where it is asked for. The shards' arrays are only read. */
export class ShardSum {
  private readonly tree: SumTree;

  /** `shards[i]` is shard i's array, undefined where the shard is empty. */
  constructor(private readonly shards: readonly (Float32Array | undefined)[]) {
    const tree = sumTree(shards.map((values) => values !== undefined));
    invariant(tree !== null, 'a step has a shard that is not empty');
    this.tree = tree;
  }

  /**
   * Leaves sum / divisor of the elements from `start` on in `SUM`, each operation rounded to float32. So is the divisor: a number of
   * examples is exact up to 2^24.
   */
  divide({ start, length, divisor }: { start: number; length: number; divisor: number }): void {
    invariant(length <= SLICE_ELEMENTS, 'shards are added by slices');
    const { tree } = this;
    if ('shard' in tree) {
      this.add(tree, 0, start, length);
      divideSlice(SUM, divisor, length);
    } else {
      this.add(tree.left, 0, start, length);
      this.add(tree.right, 1, start, length);
      addAndDivideSlices(SUM, [SUM, register(1)], divisor, length);
    }
  }

  /** The same in an array. */
  divided(start: number, divisor: number, into: Float32Array): void {
    this.divide({ start, length: into.length, divisor });
    store(SUM, into);
  }

  /** Leaves the sum in register `depth`: the left branch is finished before the right one begins, in the registers above. */
  private add(tree: SumTree, depth: number, start: number, length: number): void {
    const into = register(depth);
    if ('shard' in tree) {
      load(into, (this.shards[tree.shard] as Float32Array).subarray(start, start + length));
    } else {
      this.add(tree.left, depth, start, length);
      this.add(tree.right, depth + 1, start, length);
      addSlices(into, into, register(depth + 1), length);
    }
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
  return byShard(results, shards, layout.trainedSize, ({ gradient }) => gradient && hostValues(gradient));
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
    const { shard } = result.id;
    invariant(shard < shards && arrays[shard] === undefined, 'each shard answers once');
    invariant(values?.length === size, 'a shard answers for the whole layout');
    arrays[shard] = values;
  }
  return arrays;
}
