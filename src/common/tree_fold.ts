/**
 * Owns: which values of shards are to be added next, in the fixed tree, as they arrive: two siblings become one value at once, so that S shards that come in
 * order are held in log2 S + 1 values and not in S. Does not: add (the caller does), or decide the tree (tree_sum.ts).
 */
import { invariant } from './errors.js';
import { sumTree, type SumTree } from './tree_sum.js';

interface Branch {
  readonly sibling: SumTree;
  readonly parent: SumTree;
  readonly isLeft: boolean;
}

/** Two sums to be added, and where their sum belongs. */
export interface Siblings<Value> {
  readonly left: Value;
  readonly right: Value;
  readonly node: SumTree;
}

export class TreeFold<Value> {
  readonly #root: SumTree;
  readonly #branches = new Map<SumTree, Branch>();
  readonly #leaves = new Map<number, SumTree>();
  /** Sums of whole branches, whose siblings are still to come. */
  readonly #held = new Map<SumTree, Value>();

  /** `present`, by shard: whether it has examples. */
  constructor(present: readonly boolean[]) {
    const tree = sumTree(present);
    invariant(tree !== null, 'a step has a shard that is not empty');
    this.#root = tree;
    this.#index(tree);
  }

  /** Where a shard's value belongs. Each shard answers once. */
  leaf(shard: number): SumTree {
    const leaf = this.#leaves.get(shard);
    invariant(leaf !== undefined, 'a shard answers once');
    this.#leaves.delete(shard);
    return leaf;
  }

  /** Whether it is of all shards. */
  isWhole(node: SumTree): boolean {
    return node === this.#root;
  }

  /** Keeps the value until its sibling is there; both, where it is. */
  put(node: SumTree, value: Value): Siblings<Value> | null {
    const branch = this.#branches.get(node);
    const other = branch && this.#held.get(branch.sibling);
    if (branch === undefined || other === undefined) {
      this.#held.set(node, value);
      return null;
    }
    this.#held.delete(branch.sibling);
    const [left, right] = branch.isLeft ? [value, other] : [other, value];
    return { left, right, node: branch.parent };
  }

  /** Takes a shard's value in, and adds siblings for as long as both are there. */
  add(shard: number, value: Value, sum: (left: Value, right: Value) => Value): void {
    let pair = this.put(this.leaf(shard), value);
    while (pair !== null) pair = this.put(pair.node, sum(pair.left, pair.right));
  }

  /** The sum over all shards, once it is there. */
  get total(): Value | undefined {
    return this.#held.get(this.#root);
  }

  /** All values that wait for others, and the total. */
  get held(): Value[] {
    return [...this.#held.values()];
  }

  clear(): void {
    this.#held.clear();
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
