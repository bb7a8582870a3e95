/**
 * Owns: options that are one value, a list by position or a record by name, as arrays are: `x`, `x: [a, b]`, `x: { a, b }`.
 * Does not: look into the values.
 */
import type { Fail } from './share.js';
import { isTensor } from './is_tensor.js';
import { text } from './share.js';

export type Named<T> = T | readonly T[] | Readonly<Record<string, T>>;

/** How the arrays of one side were given, with their names: a list's are `0`, `1` and so on. */
export interface Names {
  readonly form: 'one' | 'list' | 'record';
  readonly names: readonly string[];
}

/** Arrays by name; `single` is the name of one alone. */
export function arraysByName(given: unknown, single: string): { names: Names; arrays: Record<string, unknown> } {
  if (Array.isArray(given) && given.length > 0 && given.every((item) => ArrayBuffer.isView(item))) {
    const arrays = { ...(given as unknown[]) } as Record<string, unknown>;
    return { names: { form: 'list', names: Object.keys(arrays) }, arrays };
  }
  if (isRecord(given) && !isTensor(given)) return { names: { form: 'record', names: Object.keys(given) }, arrays: given };
  return { names: { form: 'one', names: [single] }, arrays: { [single]: given } };
}

/** `train.x`, `train.x[0]`, `train.x.left`. */
export function pathOf(side: string, { form }: Names, name: string): string {
  if (form === 'one') return side;
  return form === 'list' ? `${side}[${name}]` : `${side}.${name}`;
}

/** What an option says of one array: one value for one, a list for a list, a record for a record; absent for an option that is not there. */
export function optionOf(
  option: unknown,
  given: { names: Names; name: string; label: string; fail: Fail },
): { label: string; value: unknown } {
  const { names, name, label, fail } = given;
  const path = pathOf(label, names, name);
  if (names.form === 'one' || option === undefined) return { label: path, value: option };
  if (names.form === 'list' && Array.isArray(option)) return { label: path, value: (option as unknown[])[Number(name)] };
  if (names.form === 'record' && isRecord(option)) {
    const unknown = Object.keys(option).find((key) => !names.names.includes(key));
    if (unknown !== undefined) throw fail(`${label}.${unknown} is of no array: there are ${names.names.join(', ')}`);
    return { label: path, value: option[name] };
  }
  const wanted = names.form === 'list' ? `a list of ${names.names.length}` : `a record of ${names.names.join(', ')}`;
  throw fail(`${label} is ${text(option)}, wanted ${wanted}, as the arrays are given`);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
