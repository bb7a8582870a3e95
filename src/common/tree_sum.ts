/**
 * Owns: the order in which shards are added, as data.
 * Does not: add (src/coordinator/planes/exact/update/reducer.ts does).
 *
 * Shards stand in a row by index. Level by level the pairs (0,1), (2,3), ... are added; an odd one at the end passes up; the partner of
 * an absent (empty) shard passes through with nothing added. So the sum depends on the shards alone, never on who computed
 * them or which came first.
 */
export type SumTree = { readonly shard: number } | { readonly left: SumTree; readonly right: SumTree };

/** By shard, up to the last of these: whether it is among them. */
export function presenceOf(shards: readonly number[]): boolean[] {
  return Array.from({ length: Math.max(...shards) + 1 }, (_, shard) => shards.includes(shard));
}

/** The tree over the present shards; null where none is present. */
export function sumTree(present: readonly boolean[]): SumTree | null {
  let level = present.map((isPresent, shard): SumTree | null => (isPresent ? { shard } : null));
  while (level.length > 1) {
    const above: (SumTree | null)[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i];
      const right = level[i + 1] ?? null;
      above.push(left !== null && right !== null ? { left, right } : (left ?? right));
    }
    level = above;
  }
  return level[0] ?? null;
}

/** `((0 + 1) + 2)`; `nothing` where no shard is present. */
export function printSumTree(tree: SumTree | null): string {
  if (tree === null) return 'nothing';
  return 'shard' in tree ? String(tree.shard) : `(${printSumTree(tree.left)} + ${printSumTree(tree.right)})`;
}
