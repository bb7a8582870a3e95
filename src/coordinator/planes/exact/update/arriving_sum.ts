/**
 * Owns: adding shards' gradients in the fixed tree as they arrive: two siblings become one buffer at once, so that S shards that one replica
 * computes in order are held in log2 S + 1 buffers and not in S.
 * Does not: decide the tree (src/common/tree_sum.ts), or divide (step_update.ts does, the sum as its one shard: the same operations in the
 * same order).
 */
import { hostValues } from '../../../../common/host_gradient.js';
import { invariant } from '../../../../common/errors.js';
import type { ShardGradient, ShardResult } from '../../../../common/replica.js';
import { sumTree, type SumTree } from '../../../../common/tree_sum.js';
import { addSlices } from './basic_kernels.js';
import { load, register, SLICE_ELEMENTS, store } from './slice_kernels.js';
import { inTurns } from './turns.js';

interface Branch {
  readonly sibling: SumTree;
  readonly parent: SumTree;
  readonly isLeft: boolean;
}

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
  readonly #root: SumTree;
  readonly #branches = new Map<SumTree, Branch>();
  readonly #leaves = new Map<number, SumTree>();
  /** Sums of whole branches, whose siblings are still to come. */
  readonly #held = new Map<SumTree, ShardGradient>();
  #adding: Promise<void> = Promise.resolve();
  #isReleased = false;

  constructor(options: ArrivingSumOptions) {
    const tree = sumTree(options.present);
    invariant(tree !== null, 'a step has a shard that is not empty');
    this.#options = options;
    this.#root = tree;
    this.#index(tree);
  }

  /** Takes the gradient over, whose memory may be overwritten; the result is returned without it. Each shard is taken once. */
  take(result: ShardResult): ShardResult {
    const { gradient, ...rest } = result;
    const leaf = this.#leaves.get(result.shard);
    invariant(
      leaf !== undefined && gradient !== undefined && hostValues(gradient).length === this.#options.size,
      'a shard answers once, for the whole layout',
    );
    this.#leaves.delete(result.shard);
    // One after the other: all additions share the same registers.
    this.#adding = this.#adding.then(() => this.#add(leaf, gradient));
    // It is the caller of `total` who hears of a failure.
    this.#adding.catch(() => undefined);
    return rest;
  }

  /** The sum over all shards, once all were taken. Valid until `release`. */
  async total(): Promise<Float32Array> {
    await this.#adding;
    const gradient = this.#held.get(this.#root);
    invariant(gradient !== undefined, 'every shard was taken');
    return hostValues(gradient);
  }

  /** Gives all buffers back, also those that are still being added. */
  release(): void {
    this.#isReleased = true;
    for (const gradient of this.#held.values()) gradient.release();
    this.#held.clear();
  }

  async #add(leaf: SumTree, gradient: ShardGradient): Promise<void> {
    let node = leaf;
    let sum = gradient;
    for (let branch = this.#branches.get(node); branch !== undefined; branch = this.#branches.get(node)) {
      const other = this.#held.get(branch.sibling);
      if (other === undefined) break;
      this.#held.delete(branch.sibling);
      const [left, right] = branch.isLeft ? [sum, other] : [other, sum];
      await inTurns(addInto(hostValues(left), hostValues(right)), this.#options);
      right.release();
      [node, sum] = [branch.parent, left];
    }
    if (this.#isReleased) sum.release();
    else this.#held.set(node, sum);
  }

  #index(tree: SumTree): void {
    if ('shard' in tree) {
      this.#leaves.set(tree.shard, tree);
      return;
    }
    this.#branches.set(tree.left, { sibling: tree.right, parent: tree, isLeft: true });
    this.#branches.set(tree.right, { sibling: tree.left, parent: tree, isLeft: false });
    this.#index(tree.left);
    this.#index(tree.right);
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
