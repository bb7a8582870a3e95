/**
 * Owns: doing the same to many tensors, one by one or to all of them as one array. Does not: know what is done.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { pack, unpack } from './packing.js';

interface Alike {
  /** Those of a kind become one array, in which each operation is one launch for all. */
  readonly inOne: boolean;
  /** Of each tensor: what is done to it depends on this and its numbers alone. */
  readonly keys: readonly number[];
  /** The operands, each a list of as many tensors as there are keys, of the same shapes. */
  readonly lists: readonly (readonly tfjs.Tensor[])[];
}

interface Done {
  /** One for each result, as long as the keys. */
  readonly lists: tfjs.Tensor[][];
  /** The same numbers in as few arrays as they were computed in. */
  readonly arrays: tfjs.Tensor[];
}

/** `apply` works element by element, and returns as many tensors for one key as for any other. */
export function alike(
  tf: typeof tfjs,
  { inOne, keys, lists }: Alike,
  apply: (key: number, operands: readonly tfjs.Tensor[]) => tfjs.Tensor[],
): Done {
  if (!inOne) {
    const each = keys.map((key, at) =>
      apply(
        key,
        lists.map((list) => list[at]),
      ),
    );
    return { lists: transposed(each), arrays: each.flat() };
  }
  const shapes = (lists[0] ?? []).map(({ shape }) => shape);
  const all: tfjs.Tensor[][] = keys.map(() => []);
  const arrays: tfjs.Tensor[] = [];
  for (const key of new Set(keys)) {
    const members = keys.flatMap((other, at) => (other === key ? [at] : []));
    const of = <T>(list: readonly T[]): T[] => members.map((at) => list[at]);
    for (const result of apply(
      key,
      lists.map((list) => pack(tf, of(list))),
    )) {
      arrays.push(result);
      const parts = unpack(tf, result, of(shapes));
      members.forEach((at, index) => all[at].push(parts[index]));
    }
  }
  return { lists: transposed(all), arrays };
}

function transposed(rows: readonly tfjs.Tensor[][]): tfjs.Tensor[][] {
  const [first = []] = rows;
  return first.map((_, column) => rows.map((row) => row[column]));
}
