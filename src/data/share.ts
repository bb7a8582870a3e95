/** Owns: a user's array copied once into shared memory, in a type that a data set has; and values as they are named in messages. */
import { emptyArray, type NumericArray, type NumericType } from '../common/dataset.js';
import type { DataError } from '../common/errors.js';
import { isTensor } from './is_tensor.js';

/** What can be given. Int8, Int16 and Uint16 are kept as Int32, Float64 as Float32. */
export type SourceArray =
  Uint8Array | Uint8ClampedArray | Int8Array | Int16Array | Uint16Array | Int32Array | Float32Array | Float64Array;

/** `cause`: what a user's code threw. */
export type Fail = (message: string, cause?: unknown) => DataError;

const KEPT_AS: Readonly<Record<string, NumericType | undefined>> = {
  ...{ Uint8Array: 'uint8', Uint8ClampedArray: 'uint8' },
  ...{ Int8Array: 'int32', Int16Array: 'int32', Uint16Array: 'int32', Int32Array: 'int32' },
  ...{ Float32Array: 'float32', Float64Array: 'float32' },
};

/** The array may be of another realm (Jest, node:vm): its class's name counts. Undefined for what is no such array. */
export function keptAs(values: unknown): NumericType | undefined {
  return ArrayBuffer.isView(values) ? KEPT_AS[Object.prototype.toString.call(values).slice(8, -1)] : undefined;
}

export function share(values: unknown, which: string, fail: Fail): NumericArray {
  const type = keptAs(values);
  if (isTensor(values))
    throw fail(
      `${which} is a tensor: give its values, ${which.split('.').at(-1)}: tensor.dataSync(), and the shape of one example beside train; fit() takes tensors`,
    );
  if (type === undefined)
    throw fail(`${which} is ${text(values)}, wanted a typed array (Uint8Array, Int32Array, Float32Array ...)`);
  const given = values as SourceArray;
  const copy = emptyArray(type, given.length, { shared: true });
  copy.set(given);
  requireFinite(copy, given, which, fail);
  return copy;
}

/** `kept` is `given` in the type of a data set. */
export function requireFinite(kept: NumericArray, given: SourceArray, which: string, fail: Fail): void {
  const bad = kept instanceof Float32Array ? kept.findIndex((value) => !Number.isFinite(value)) : -1;
  if (bad !== -1) throw fail(`${which}[${bad}] is ${given[bad]}, wanted a finite float32`);
}

/** A value as it is named in a message. */
export function text(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}`;
  if (Array.isArray(value)) return value.length > 8 ? `an Array of ${value.length}` : `[${value.map(text).join(', ')}]`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return `an object (${value.constructor?.name ?? 'no class'})`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
