/**
 * Owns: adding shards' gradients in the fixed tree as they arrive: two siblings become one buffer at once, so that S shards that one replica
 * computes in order are held in log2 S + 1 buffers and not in S.
 * Does not: decide the tree (src/common/tree_sum.ts), add the last two or divide (step_update.ts does, in one pass with the update: the same operations
 * in the same order).
 */
import { hostValues } from '../../../../common/host_gradient.js';
import { invariant } from '../../../../common/errors.js';
import type { ShardGradient, ShardResult } from '../../../../common/replica.js';
import { TreeFold } from '../../../../common/tree_fold.js';
import type { SumTree } from '../../../../common/tree_sum.js';
import { addSlices } from './basic_kernels.js';
import { load, register, SLICE_ELEMENTS, store } from './slice_kernels.js';
import { inTurns } from './turns.js';

export interface ArrivingSumOptions {
  /** By shard: whether it has examples. */
  readonly present: readonly boolean[];
  /** Elements of a gradient. */
  readonly size: number;
  readonly turnMs: number;
  readonly nowMs: () => number;
}

export class ArrivingSum {
  readonly #options: ArrivingSumOptions;
  readonly #fold: TreeFold<ShardGradient>;
  /** The two halves of the tree, or its only shard. */
  #summands: readonly ShardGradient[] = [];
  #adding: Promise<void> = Promise.resolve();
  #isReleased = false;

  constructor(options: ArrivingSumOptions) {
    this.#options = options;
    this.#fold = new TreeFold(options.present);
  }

  /** Takes the gradient over, whose memory may be overwritten; the result is returned without it. Each shard is taken once. */
  take(result: ShardResult): ShardResult {
    const { gradient, ...rest } = result;
    invariant(
      gradient !== undefined && hostValues(gradient).length === this.#options.size,
      'a shard answers for the whole layout',
    );
    const leaf = this.#fold.leaf(result.id.shard);
    // One after the other: all additions share the same registers.
    this.#adding = this.#adding.then(() => this.#add(leaf, gradient));
    // It is the caller of `summands` who hears of a failure.
    this.#adding.catch(() => undefined);
    return rest;
  }

  /** One or two arrays, whose sum is that over all shards, once all were taken. Valid until `release`. */
  async summands(): Promise<Float32Array[]> {
    await this.#adding;
    invariant(this.#summands.length > 0, 'every shard was taken');
    return this.#summands.map(hostValues);
  }

  /** Gives all buffers back, also those that are still being added. */
  release(): void {
    this.#isReleased = true;
    for (const gradient of [...this.#summands, ...this.#fold.held]) gradient.release();
    this.#summands = [];
    this.#fold.clear();
  }

  async #add(leaf: SumTree, gradient: ShardGradient): Promise<void> {
    let sum = gradient;
    let pair = this.#fold.put(leaf, sum);
    for (; pair !== null && !this.#fold.isWhole(pair.node); pair = this.#fold.put(pair.node, sum)) {
      await inTurns(addInto(hostValues(pair.left), hostValues(pair.right)), this.#options);
      pair.right.release();
      sum = pair.left;
    }
    const { total } = this.#fold;
    if (pair !== null) this.#summands = [pair.left, pair.right];
    else if (total !== undefined) {
      this.#summands = [total];
      this.#fold.clear();
    }
    if (this.#isReleased) this.release();
  }
}

/** left ← left + right */
function* addInto(left: Float32Array, right: Float32Array): Generator<void, void> {
  const [a, b] = [register(0), register(1)];
  for (let start = 0; start < left.length; start += SLICE_ELEMENTS) {
    const end = Math.min(start + SLICE_ELEMENTS, left.length);
    const into = left.subarray(start, end);
    load(a, into);
    load(b, right.subarray(start, end));
    addSlices(a, a, b, end - start);
    store(a, into);
    yield;
  }
}
