/**
 * Owns: one item of a sequence as flat values of named arrays: what tensors, typed arrays, nested arrays and numbers are as an example's input or label.
 * Does not: decide the fields of the data (sequence_dataset.ts), or order examples.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { INPUT, TARGET, type Field, type NumericArray, type NumericType } from '../../common/dataset.js';
import { product } from '../assemble.js';
import { flatNested, type NestedNumbers } from '../given_numbers.js';
import { isTensor } from '../is_tensor.js';
import { isRecord, pathOf, type Names } from '../named.js';
import { keptAs, text, type Fail } from '../share.js';

export interface Flat {
  /** Null: a typed array says none. */
  readonly shape: readonly number[] | null;
  readonly type: NumericType;
  readonly values: ArrayLike<number>;
}

export interface Side {
  readonly names: Names;
  readonly label: string;
  readonly flats: Readonly<Record<string, Flat>>;
}

export interface Example {
  readonly inputs: Side;
  readonly targets: Side;
}

/** Its tensors are disposed of, as tfjs's fitDataset does. */
export async function exampleOf(item: unknown, which: string, fail: Fail): Promise<Example> {
  const { x, y } = sidesOf(item, which, fail);
  try {
    return { inputs: await sideOf(x, `${which}.x`, INPUT, fail), targets: await sideOf(y, `${which}.y`, TARGET, fail) };
  } finally {
    for (const tensor of [...tensorsIn(x), ...tensorsIn(y)]) tensor.dispose();
  }
}

const OF_ARRAYS = ': weights of examples are taken of arrays in memory alone';

/** As Keras, tfjs and our own arrays call them. */
export function isWeights(name: string): boolean {
  return /^(sample_?)?weights?$/i.test(name);
}

function sidesOf(item: unknown, which: string, fail: Fail): { x: unknown; y: unknown } {
  if (Array.isArray(item) && item.length === 2) return { x: item[0] as unknown, y: item[1] as unknown };
  if (Array.isArray(item) && item.length === 3)
    throw fail(`${which} gave three values for an example, wanted [x, y]${OF_ARRAYS}`);
  if (isRecord(item)) {
    const { xs, ys, x = xs, y = ys } = item;
    const stray = Object.keys(item).find((key) => !['x', 'y', 'xs', 'ys'].includes(key));
    if (stray !== undefined)
      throw fail(`${which} gave an example with ${stray}, wanted x and y alone${isWeights(stray) ? OF_ARRAYS : ''}`);
    if (x !== undefined && y !== undefined) return { x, y };
  }
  throw fail(`${which} gave ${text(item)} for an example, wanted { x, y }, { xs, ys } or [x, y]`);
}

async function sideOf(given: unknown, label: string, single: string, fail: Fail): Promise<Side> {
  const { names, parts } = partsOf(given, single);
  const flats: Record<string, Flat> = {};
  for (const name of names.names) flats[name] = await flatOf(parts[name], pathOf(label, names, name), fail);
  return { names, label, flats };
}

function partsOf(given: unknown, single: string): { names: Names; parts: Readonly<Record<string, unknown>> } {
  const isArray = (value: unknown): boolean => isTensor(value) || ArrayBuffer.isView(value);
  if (Array.isArray(given) && given.length > 0 && given.every(isArray)) {
    const parts = { ...(given as unknown[]) } as Record<string, unknown>;
    return { names: { form: 'list', names: Object.keys(parts) }, parts };
  }
  if (isRecord(given) && !isTensor(given)) return { names: { form: 'record', names: Object.keys(given) }, parts: given };
  return { names: { form: 'one', names: [single] }, parts: { [single]: given } };
}

async function flatOf(given: unknown, path: string, fail: Fail): Promise<Flat> {
  if (typeof given === 'number' || typeof given === 'boolean') {
    const value = Number(given);
    return { shape: [], type: Number.isInteger(value) ? 'int32' : 'float32', values: [value] };
  }
  if (isTensor(given)) return ofTensor(given, path, fail);
  if (Array.isArray(given)) return { type: 'float32', ...flatNested(given as NestedNumbers, path, fail) };
  const type = keptAs(given);
  if (type === undefined)
    throw fail(`${path} is ${text(given)}, wanted a number, a tensor, a typed array or a nested array of numbers`);
  return { shape: null, type, values: given as unknown as ArrayLike<number> };
}

async function ofTensor(tensor: tfjs.Tensor, path: string, fail: Fail): Promise<Flat> {
  const { shape, dtype } = tensor;
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool')
    throw fail(`${path} is a tensor of ${dtype}, wanted one of numbers`);
  return { shape: [...shape], type: dtype === 'bool' ? 'uint8' : dtype, values: await tensor.data() };
}

function tensorsIn(given: unknown): tfjs.Tensor[] {
  if (isTensor(given)) return [given];
  return typeof given === 'object' && given !== null && !ArrayBuffer.isView(given) ? Object.values(given).filter(isTensor) : [];
}

/** The examples of a batch, along the first axis of its arrays. `inputShape`: of typed arrays, which say none. */
export function examplesOfBatch(
  { inputs, targets }: Example,
  { inputShapes, fail }: { inputShapes: (name: string) => readonly number[] | undefined; fail: Fail },
): Example[] {
  const counts = inputs.names.names.map((name) => {
    const { shape, values } = inputs.flats[name];
    if (shape !== null && shape.length > 0) return shape[0];
    const own = inputShapes(name);
    if (shape === null && own !== undefined) return values.length / product(own);
    throw fail(`${pathOf(inputs.label, inputs.names, name)} of a batch does not say how many examples it has: give inputShape`);
  });
  const [count] = counts;
  if (!Number.isInteger(count) || counts.some((other) => other !== count))
    throw fail(`a batch has inputs of ${counts.join(' and ')} examples`);
  const rowsOf = (side: Side): Side[] => {
    const all = side.names.names.map((name): [string, Flat[]] => {
      const { shape, type, values } = side.flats[name];
      const size = values.length / count;
      if (!Number.isInteger(size) || (shape !== null && shape[0] !== count))
        throw fail(`${pathOf(side.label, side.names, name)} of a batch of ${count} has ${values.length} values`);
      // A view: of tensors and nested arrays it is a typed array, too.
      const rows = values as Float32Array;
      const own = shape === null ? null : shape.slice(1);
      return [
        name,
        Array.from({ length: count }, (_, row) => ({ shape: own, type, values: rows.subarray(row * size, (row + 1) * size) })),
      ];
    });
    return Array.from({ length: count }, (_, row) => ({
      ...side,
      flats: Object.fromEntries(all.map(([name, rows]) => [name, rows[row]])),
    }));
  };
  const [x, y] = [rowsOf(inputs), rowsOf(targets)];
  return x.map((side, row) => ({ inputs: side, targets: y[row] }));
}

/** Puts one array of an example where it belongs, in the field's type. @throws what `fail` makes */
export function writeValues(
  { shape, type, values }: Flat,
  field: Field,
  path: () => string,
  into: NumericArray,
  fail: Fail,
): void {
  const size = product(field.shape);
  const isScalar = shape !== null && shape.length === 0;
  const fits = values.length === size && (shape === null || (isScalar && size === 1) || shape.join() === field.shape.join());
  if (!fits)
    throw fail(
      `${path()} is ${shape === null ? `${values.length} values` : `[${shape.join(', ')}]`}, wanted [${field.shape.join(', ')}] as in the first example`,
    );
  const isWhole = field.type !== 'float32';
  for (let at = 0; at < size; at++) {
    const value = values[at];
    const isWell = isWhole ? Number.isInteger(value) : Number.isFinite(Math.fround(value));
    if (
      !isWell ||
      (field.type === 'uint8' && type !== 'uint8' && (value < 0 || value > 255)) ||
      Math.abs(value) > MOST[field.type]
    )
      throw fail(
        `${path()} has ${value}, wanted ${isWhole ? 'whole numbers, as in the first example (labelShape: [1] makes labels real numbers)' : 'finite numbers'}`,
      );
    into[at] = value;
  }
  const { classes } = field;
  if (classes !== undefined && size === 1 && field.shape.length === 0 && !(into[0] >= 0 && into[0] < classes))
    throw fail(`${path()} is ${into[0]}, wanted a whole number from 0 to ${classes - 1}`);
}

const MOST = { uint8: 255, int32: 2 ** 31 - 1, float32: Infinity } as const;
