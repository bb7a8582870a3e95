/**
 * Owns: the last step of every source: checks that hold for all data sets, and the identity (SHA-256).
 * Does not: read or convert anything.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { invariant, DataError } from '../common/errors.js';
import type { Dataset, DataSplit, NumericArray } from '../common/dataset.js';

/** Hashed between two turns of the event loop, bytes. */
const HASH_SLICE_BYTES = 8 * 2 ** 20;

/**
 * Checks the splits against the shapes and the labels against the class count, and adds the identity.
 * `classes` absent with one label of a value: the largest of both splits + 1 where all of them could be indices of classes. Whether they are is for the
 * loss to say (objective/labels.ts).
 * @throws DataError DATA_EMPTY or DATA_LABELS.
 */
export async function assembleDataset(parts: Omit<Dataset, 'sha256'>): Promise<Dataset> {
  const classes = parts.classes ?? (parts.labelShape.length === 0 ? classesIn(parts) : undefined);
  for (const [split, { x, y, count }] of splitsOf(parts)) {
    if (count === 0) throw refuse('DATA_EMPTY', `${parts.name}: the ${split} set is empty`, 'Give at least one example.');
    invariant(x.length === count * product(parts.inputShape), `${split} inputs fill their shape`);
    invariant(y.length === count * product(parts.labelShape), `${split} labels fill their shape`);
    if (parts.labelShape.length === 0 && classes !== undefined) checkLabels(parts.name, split, y, classes);
  }
  const dataset = { ...parts, classes };
  return { ...dataset, sha256: await identity(dataset) };
}

export function product(shape: readonly number[]): number {
  return shape.reduce((total, extent) => total * extent, 1);
}

function splitsOf({ train, validation }: Pick<Dataset, 'train' | 'validation'>): [string, DataSplit][] {
  return [
    ['train', train],
    ['validation', validation],
  ];
}

/** Undefined where a label is no index of a class: negative, or with a fraction. */
function classesIn(parts: Omit<Dataset, 'sha256'>): number | undefined {
  let largest = 0;
  for (const [, { y }] of splitsOf(parts)) {
    for (let i = 0; i < y.length; i++) {
      if (!(y[i] >= 0 && Number.isInteger(y[i]))) return undefined;
      if (y[i] > largest) largest = y[i];
    }
  }
  return largest + 1;
}

function checkLabels(name: string, split: string, y: NumericArray, classes: number): void {
  for (let i = 0; i < y.length; i++) {
    if (y[i] >= 0 && y[i] < classes && Number.isInteger(y[i])) continue;
    const message = `${name}: label ${i} of the ${split} set is ${y[i]}, wanted a whole number from 0 to ${classes - 1}`;
    throw refuse('DATA_LABELS', message, 'Correct the labels or the number of classes.');
  }
}

function refuse(code: string, message: string, next: string): DataError {
  return new DataError({ code, message, next });
}

/** Over what a model can notice: shapes, scale, value types and every value; not the name, the format or the files. */
async function identity(dataset: Omit<Dataset, 'sha256'>): Promise<string> {
  const hash = createHash('sha256');
  const { inputShape, labelShape, classes, scale } = dataset;
  const splits = splitsOf(dataset).map(([, { x, y, count }]) => ({ count, x: x.constructor.name, y: y.constructor.name }));
  hash.update(`${JSON.stringify({ inputShape, labelShape, classes: classes ?? null, scale, splits })}\n`);
  for (const [, { x, y }] of splitsOf(dataset)) {
    for (const values of [x, y]) {
      for (const slice of byteSlices(values)) {
        hash.update(slice);
        await setImmediate();
      }
    }
  }
  return hash.digest('hex');
}

/** Views of all bytes, in order. No view of the whole: on Node 20 an array holds at most 2^32 bytes, and four times as many as values of 32 bits. */
export function* byteSlices({ buffer, byteOffset, byteLength }: NumericArray): Generator<Uint8Array> {
  for (let at = 0; at < byteLength; at += HASH_SLICE_BYTES) {
    yield new Uint8Array(buffer, byteOffset + at, Math.min(HASH_SLICE_BYTES, byteLength - at));
  }
}
