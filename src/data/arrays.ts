/**
 * Owns: a data set made from a user's own typed arrays: for the library call, and for data modules (module.ts).
 * Does not: scale or shuffle: values are used as they are.
 *
 * Each array is copied once into shared memory; from then on all threads read the same copy.
 */
import type { Dataset, NumericArray } from '../common/dataset.js';
import { DataError } from '../common/errors.js';
import { assemblePlain, product, type PlainSplit } from './assemble.js';

/** What can be given. Int8, Int16 and Uint16 are kept as Int32, Float64 as Float32. */
export type SourceArray =
  Uint8Array | Uint8ClampedArray | Int8Array | Int16Array | Uint16Array | Int32Array | Float32Array | Float64Array;

export interface SplitSource {
  /** `count × product(inputShape)` values, row-major. */
  readonly x: SourceArray;
  /** `count × product(labelShape)` values. */
  readonly y: SourceArray;
}

export interface ArraysSource {
  readonly train: SplitSource;
  readonly validation: SplitSource;
  /** Shape of one example, channels last. */
  readonly inputShape: readonly number[];
  /**
   * `[]` for class indices, `[10]` for one-hot rows or ten targets, `[1]` for one target. Left out: `[]` for integer arrays with one
   * value per example, otherwise `[values per example]`.
   */
  readonly labelShape?: readonly number[];
  /** Number of classes, checked against the labels. Left out: the largest class index + 1, or the row length of one-hot rows. */
  readonly classes?: number;
  /** The model sees `x * scale`. Default 1. */
  readonly scale?: number;
  /** For people. */
  readonly name?: string;
}

type MutableSplit = { -readonly [K in keyof PlainSplit]: PlainSplit[K] };

/** `validation` null: none is evaluated. @throws DataError DATA_ARRAYS, DATA_EMPTY or DATA_LABELS, naming the split and what was wanted. */
export async function datasetFromArrays(
  source: Omit<ArraysSource, 'validation'> & { readonly validation: SplitSource | null },
): Promise<Dataset> {
  const { name = 'arrays', scale = 1, inputShape } = source;
  const fail = (message: string): DataError =>
    new DataError({ code: 'DATA_ARRAYS', message: `${name}: ${message}`, next: 'See docs/data.md, "Your own arrays".' });
  if (!isShape(inputShape)) throw fail(`inputShape is ${text(inputShape)}, wanted a list of positive whole numbers`);
  if (!Number.isFinite(scale) || scale === 0) throw fail(`scale is ${text(scale)}, wanted a number other than 0`);
  if (source.classes !== undefined && (!Number.isInteger(source.classes) || source.classes < 1)) {
    throw fail(`classes is ${text(source.classes)}, wanted a positive whole number`);
  }
  const train = toSplit(source.train, 'train', inputShape, fail);
  const validation = source.validation === null ? noneLike(train) : toSplit(source.validation, 'validation', inputShape, fail);
  const labelShape = source.labelShape ?? guessLabelShape(train);
  if (!isShape(labelShape)) throw fail(`labelShape is ${text(labelShape)}, wanted a list of positive whole numbers`);
  for (const [which, split] of Object.entries({ train, validation })) {
    const wanted = split.count * product(labelShape);
    if (split.y.length === wanted) continue;
    throw fail(
      `${which}.y has ${split.y.length} values, wanted ${wanted}: ${split.count} examples of labelShape [${labelShape.join(', ')}]`,
    );
  }
  if (train.x.constructor !== validation.x.constructor || train.y.constructor !== validation.y.constructor) {
    throw fail('train and validation differ in the types of their arrays');
  }
  if (labelShape.length === 0) {
    train.y = asIndices(train.y);
    validation.y = asIndices(validation.y);
  }
  const classes = source.classes ?? (oneHot(train, labelShape) && oneHot(validation, labelShape) ? labelShape[0] : undefined);
  if (classes !== undefined && labelShape.length > 0 && labelShape[labelShape.length - 1] !== classes) {
    throw fail(`classes is ${classes}, but labels have the shape [${labelShape.join(', ')}]`);
  }
  return assemblePlain(
    { name, inputShape: [...inputShape], labelShape: [...labelShape], classes, scale, train, validation },
    {
      mayLackValidation: source.validation === null,
    },
  );
}

function isShape(shape: unknown): shape is readonly number[] {
  return Array.isArray(shape) && shape.every((extent) => Number.isInteger(extent) && extent > 0);
}

function toSplit(
  source: unknown,
  which: string,
  inputShape: readonly number[],
  fail: (message: string) => DataError,
): MutableSplit {
  if (typeof source !== 'object' || source === null) throw fail(`${which} is ${text(source)}, wanted { x, y } of typed arrays`);
  const { x, y } = source as Partial<SplitSource>;
  const rowSize = product(inputShape);
  const inputs = share(x, `${which}.x`, fail);
  if (inputs.length % rowSize !== 0) {
    throw fail(`${which}.x has ${inputs.length} values, not a multiple of ${rowSize}: inputShape is [${inputShape.join(', ')}]`);
  }
  return { x: inputs, y: share(y, `${which}.y`, fail), count: inputs.length / rowSize };
}

function noneLike({ x, y }: PlainSplit): MutableSplit {
  return { x: x.subarray(0, 0), y: y.subarray(0, 0), count: 0 };
}

/** Copies once into shared memory, in a type that a Dataset has. The array may be of another realm (Jest, node:vm): its class's name counts. */
function share(values: unknown, which: string, fail: (message: string) => DataError): NumericArray {
  const make = MAKERS[ArrayBuffer.isView(values) ? Object.prototype.toString.call(values).slice(8, -1) : ''];
  if (make === undefined)
    throw fail(`${which} is ${text(values)}, wanted a typed array (Uint8Array, Int32Array, Float32Array ...)`);
  const given = values as SourceArray;
  const copy = make(given.length);
  copy.set(given);
  const bad = copy instanceof Float32Array ? copy.findIndex((value) => !Number.isFinite(value)) : -1;
  if (bad !== -1) throw fail(`${which}[${bad}] is ${given[bad]}, wanted a finite float32`);
  return copy;
}

const bytes = (length: number): NumericArray => new Uint8Array(new SharedArrayBuffer(length));
const integers = (length: number): NumericArray => new Int32Array(new SharedArrayBuffer(4 * length));
const floats = (length: number): NumericArray => new Float32Array(new SharedArrayBuffer(4 * length));
const MAKERS: Record<string, ((length: number) => NumericArray) | undefined> = {
  ...{ Uint8Array: bytes, Uint8ClampedArray: bytes },
  ...{ Int8Array: integers, Int16Array: integers, Uint16Array: integers, Int32Array: integers },
  ...{ Float32Array: floats, Float64Array: floats },
};

/** Class indices are integers in a Dataset; an array with a fraction is left as it is, for `assembleDataset` to name the label. */
function asIndices(y: NumericArray): NumericArray {
  if (!(y instanceof Float32Array) || !y.every(Number.isInteger)) return y;
  const indices = new Int32Array(new SharedArrayBuffer(4 * y.length));
  indices.set(y);
  return indices;
}

function guessLabelShape({ y, count }: PlainSplit): number[] {
  if (y.length === count && !(y instanceof Float32Array)) return [];
  return [count === 0 ? 1 : Math.max(1, Math.floor(y.length / count))];
}

/** Every row has a single 1 among zeros. */
function oneHot({ y }: PlainSplit, labelShape: readonly number[]): boolean {
  if (labelShape.length !== 1 || labelShape[0] < 2) return false;
  const width = labelShape[0];
  for (let row = 0; row < y.length; row += width) {
    let ones = 0;
    for (let i = row; i < row + width; i++) {
      if (y[i] === 1) ones++;
      else if (y[i] !== 0) return false;
    }
    if (ones !== 1) return false;
  }
  return true;
}

/** A value as it is named in a message. */
function text(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}`;
  if (Array.isArray(value)) return value.length > 8 ? `an Array of ${value.length}` : `[${value.map(text).join(', ')}]`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) return `an object (${value.constructor?.name ?? 'no class'})`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
