/**
 * Owns: the last step of every source: checks that hold for all data sets, and the identity (SHA-256).
 * Does not: read or convert anything.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { invariant, DataError } from '../common/errors.js';
import { INPUT, TARGET, type Dataset, type DataSplit, type Field, type NumericArray } from '../common/dataset.js';

/** Hashed between two turns of the event loop, bytes. */
const HASH_SLICE_BYTES = 8 * 2 ** 20;

type Parts = Omit<Dataset, 'sha256'>;

interface Leave {
  /** Nothing is evaluated then. */
  readonly mayLackValidation?: boolean;
}

/**
 * Checks the splits against the shapes and the labels against the class count, and adds the identity.
 * `classes` absent with one label of a value: the largest of both splits + 1 where all of them could be indices of classes. Whether they are is for the
 * loss to say (objective/labels.ts).
 * @throws DataError DATA_EMPTY or DATA_LABELS.
 */
export async function assembleDataset(parts: Parts, { mayLackValidation = false }: Leave = {}): Promise<Dataset> {
  const { inputs } = parts.fields;
  const targets = parts.fields.targets.map((field) => {
    const classes = field.classes ?? (field.shape.length === 0 ? classesIn(parts, field) : undefined);
    return { ...field, ...(classes !== undefined && { classes }) };
  });
  for (const [which, split] of splitsOf(parts)) {
    const mayBeEmpty = mayLackValidation && which === 'validation';
    if (split.count === 0 && !mayBeEmpty)
      throw refuse('DATA_EMPTY', `${parts.name}: the ${which} set is empty`, 'Give at least one example.');
    for (const field of inputs) requireFilled(field, split.inputs[field.name], split.count);
    for (const field of targets) {
      requireFilled(field, split.targets[field.name], split.count);
      checkLabels(field, split.targets[field.name], { name: parts.name, which });
    }
  }
  const dataset = { ...parts, fields: { inputs, targets } };
  return { ...dataset, sha256: await identity(dataset) };
}

/** Of a data set of one input and one target, which nobody named. */
export async function assemblePlain(
  parts: {
    readonly name: string;
    /** Of one example, channels last. */
    readonly inputShape: readonly number[];
    readonly labelShape: readonly number[];
    readonly classes?: number | undefined;
    readonly scale: number;
    readonly train: PlainSplit;
    readonly validation: PlainSplit;
  },
  leave: Leave = {},
): Promise<Dataset> {
  const { name, inputShape, labelShape, classes, scale, train, validation } = parts;
  const target = { name: TARGET, shape: labelShape, scale: 1, ...(classes !== undefined && { classes }) };
  return assembleDataset(
    {
      name,
      fields: { inputs: [{ name: INPUT, shape: inputShape, scale }], targets: [target] },
      train: plainSplit(train),
      validation: plainSplit(validation),
    },
    leave,
  );
}

export interface PlainSplit {
  readonly x: NumericArray;
  readonly y: NumericArray;
  readonly count: number;
}

function plainSplit({ x, y, count }: PlainSplit): DataSplit {
  return { count, inputs: { [INPUT]: x }, targets: { [TARGET]: y } };
}

export function product(shape: readonly number[]): number {
  return shape.reduce((total, extent) => total * extent, 1);
}

function requireFilled({ name, shape }: Field, values: NumericArray, count: number): void {
  invariant(values.length === count * product(shape), `the rows of ${name} fill their shape`);
}

function splitsOf({ train, validation }: Pick<Dataset, 'train' | 'validation'>): [string, DataSplit][] {
  return [
    ['train', train],
    ['validation', validation],
  ];
}

/** Undefined where a label is no index of a class: negative, or with a fraction. */
function classesIn(parts: Parts, { name }: Field): number | undefined {
  let largest = 0;
  for (const [, { targets }] of splitsOf(parts)) {
    const y = targets[name];
    for (let i = 0; i < y.length; i++) {
      if (!(y[i] >= 0 && Number.isInteger(y[i]))) return undefined;
      if (y[i] > largest) largest = y[i];
    }
  }
  return largest + 1;
}

function checkLabels(field: Field, y: NumericArray, { name, which }: { name: string; which: string }): void {
  const { classes } = field;
  if (field.shape.length > 0 || classes === undefined) return;
  for (let i = 0; i < y.length; i++) {
    if (y[i] >= 0 && y[i] < classes && Number.isInteger(y[i])) continue;
    const message = `${name}: label ${i} of the ${which} set is ${y[i]}, wanted a whole number from 0 to ${classes - 1}`;
    throw refuse('DATA_LABELS', message, 'Correct the labels or the number of classes.');
  }
}

function refuse(code: string, message: string, next: string): DataError {
  return new DataError({ code, message, next });
}

/** Over what a model can notice: shapes, scale, value types and every value; not the name, the format or the files. */
async function identity(dataset: Parts): Promise<string> {
  const hash = createHash('sha256');
  hash.update(`${JSON.stringify(headerOf(dataset))}\n`);
  for (const [, split] of splitsOf(dataset)) {
    for (const values of arraysOf(dataset, split)) {
      for (const slice of byteSlices(values)) {
        hash.update(slice);
        await setImmediate();
      }
    }
  }
  return hash.digest('hex');
}

/** Data of one input and one target have the header that they had before fields had names. */
function headerOf(dataset: Parts): object {
  const [input, target] = [dataset.fields.inputs[0], dataset.fields.targets[0]];
  const splits = splitsOf(dataset).map(([, { count, inputs, targets }]) => ({
    count,
    x: inputs[input.name].constructor.name,
    y: targets[target.name].constructor.name,
  }));
  return { inputShape: input.shape, labelShape: target.shape, classes: target.classes ?? null, scale: input.scale, splits };
}

function arraysOf({ fields: { inputs, targets } }: Parts, split: DataSplit): NumericArray[] {
  return [...inputs.map(({ name }) => split.inputs[name]), ...targets.map(({ name }) => split.targets[name])];
}

/** Views of all bytes, in order. No view of the whole: on Node 20 an array holds at most 2^32 bytes, and four times as many as values of 32 bits. */
export function* byteSlices({ buffer, byteOffset, byteLength }: NumericArray): Generator<Uint8Array> {
  for (let at = 0; at < byteLength; at += HASH_SLICE_BYTES) {
    yield new Uint8Array(buffer, byteOffset + at, Math.min(HASH_SLICE_BYTES, byteLength - at));
  }
}
