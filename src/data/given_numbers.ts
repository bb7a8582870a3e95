/** Owns: numbers as programs hold them, in nested arrays. */
import type { Fail } from './share.js';

export type NestedNumbers = readonly (number | boolean | ArrayLike<number> | NestedNumbers)[];

/** Numbers are float32 and booleans 0 and 1, as tf.tensor makes of them. */
export function flatNested(rows: NestedNumbers, name: string, fail: Fail): { shape: number[]; values: Float32Array } {
  const shape: number[] = [];
  for (let at: unknown = rows; isList(at); at = at[0]) {
    if (at.length === 0) throw fail(`${name} has an empty list in it`);
    shape.push(at.length);
  }
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  let next = 0;
  const fill = (list: ArrayLike<unknown>, depth: number): void => {
    if (list.length !== shape[depth]) throw fail(`${name} is ragged: a list of ${list.length} where others have ${shape[depth]}`);
    for (let at = 0; at < list.length; at++) {
      const item = list[at];
      if (depth + 1 < shape.length && isList(item)) fill(item, depth + 1);
      else if (depth + 1 === shape.length && (typeof item === 'number' || typeof item === 'boolean'))
        values[next++] = Number(item);
      else
        throw fail(
          `${name} has ${isList(item) ? 'a list' : typeof item} where others have ${depth + 1 < shape.length ? 'a list' : 'a number'}`,
        );
    }
  };
  fill(rows, 0);
  return { shape, values };
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}
