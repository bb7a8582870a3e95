/**
 * Owns: what people give as rows (tensors, typed arrays, nested arrays) as one flat array and the shape of a row.
 * Does not: know which input or output they are for (fit_data.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { DataError } from '../../common/errors.js';
import { flatNested, type NestedNumbers } from '../../data/given_numbers.js';
import { isTensor } from '../../data/is_tensor.js';

export type { NestedNumbers } from '../../data/given_numbers.js';
export { isTensor } from '../../data/is_tensor.js';

/** A tensor, a typed array (of rows of the shape that the model takes), or a nested array. */
export type Rows = tfjs.Tensor | ArrayBufferView | NestedNumbers;

/** Of several inputs or outputs a list in the model's order, or a record by its names. */
export type NamedRows = Rows | readonly Rows[] | Readonly<Record<string, Rows>>;

/** One batch: tensors, which are disposed of when they are read, or arrays. */
export interface BatchOfRows {
  readonly xs: NamedRows;
  readonly ys: NamedRows;
}

/** What `iterator()` of a tf.data.Dataset gives. Each value is a BatchOfRows; tfjs's type of a data set does not say so. */
export interface BatchIterator {
  next(): Promise<{ readonly value?: unknown; readonly done?: boolean | undefined }>;
}

/** What fitDataset() takes: a tf.data.Dataset, or an object with the one method that tfjs calls too. */
export interface BatchSource {
  iterator(): Promise<BatchIterator>;
  readonly size?: number | null;
}

export interface FlatRows {
  readonly count: number;
  /** Of one row. */
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** `wanted`: the shape of a row, for typed arrays, which have none. @throws DataError DATA_ARRAYS */
export async function flatRows(given: Rows, name: string, wanted: readonly (number | null)[]): Promise<FlatRows> {
  if (isTensor(given)) return ofTensor(given, name);
  if (ArrayBuffer.isView(given)) return ofTyped(given, name, wanted);
  if (Array.isArray(given)) {
    const { shape, values } = flatNested(given as NestedNumbers, name, refuse);
    return { count: shape[0], shape: shape.slice(1), values };
  }
  throw refuse(`${name} is ${given === null ? 'null' : typeof given}, wanted a tensor, a typed array or a nested array`);
}

async function ofTensor(tensor: tfjs.Tensor, name: string): Promise<FlatRows> {
  const { shape, dtype } = tensor;
  if (shape.length === 0) throw refuse(`${name} is a scalar, wanted rows`);
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') throw refuse(`${name} holds ${dtype}, wanted numbers`);
  const values = (await tensor.data()) as FlatRows['values'];
  return { count: shape[0], shape: shape.slice(1), values };
}

function ofTyped(view: ArrayBufferView, name: string, wanted: readonly (number | null)[]): FlatRows {
  const values = numbersOf(view, name);
  const size = wanted.includes(null) ? 0 : (wanted as readonly number[]).reduce((a, b) => a * b, 1);
  if (size === 0)
    throw refuse(
      `${name} is a typed array, and the model takes rows of any size: give a tensor or a nested array, which say theirs`,
    );
  if (values.length % size !== 0)
    throw refuse(`${name} has ${values.length} values, not a multiple of ${size}: a row is [${wanted.join(', ')}]`);
  return { count: values.length / size, shape: wanted as readonly number[], values };
}

/** As a data set holds them: Float64 as float32, small integers as int32. */
function numbersOf(view: ArrayBufferView, name: string): FlatRows['values'] {
  const kind = Object.prototype.toString.call(view).slice(8, -1);
  if (kind === 'DataView' || kind.startsWith('Big')) throw refuse(`${name} is a ${kind}, wanted an array of numbers`);
  const given = view as Float32Array;
  if (kind === 'Uint8Array' || kind === 'Uint8ClampedArray') return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  if (kind.startsWith('Float')) return kind === 'Float32Array' ? given : Float32Array.from(given);
  return kind === 'Int32Array' ? (view as Int32Array) : Int32Array.from(given);
}

export function refuse(message: string): DataError {
  return new DataError({ code: 'DATA_ARRAYS', message, next: 'See docs/library.md, "What x and y may be".' });
}
