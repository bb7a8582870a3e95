/**
 * Owns: the last step of every source: checks that hold for all data sets, and the identity (SHA-256).
 * Does not: read or convert anything.
 */
import { createHash, type Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { invariant, DataError } from '../common/errors.js';
import {
  INPUT,
  isInMemory,
  TARGET,
  typeOf,
  type Dataset,
  type DataSplit,
  type Field,
  type MemoryDataset,
  type MemorySplit,
  type NumericArray,
} from '../common/dataset.js';

/** Hashed between two turns of the event loop, bytes. */
const HASH_SLICE_BYTES = 8 * 2 ** 20;

type Parts = Omit<Dataset, 'sha256'>;

/** SHA-256 (hex) of every array of a split, by name, where the arrays are not in memory: whoever read them once has hashed them. */
export type ReadHashes = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** By split and input, where the inputs lie in files: all of its values in order, again. */
export type Scans = Readonly<Record<string, Readonly<Record<string, () => AsyncIterable<NumericArray>>>>>;

/** What is known of inputs that are not in memory. */
export interface Unloaded {
  readonly hashes?: ReadHashes;
  /** Then the identity is that of the same values in memory. */
  readonly scans?: Scans;
  /** The identity, where it was computed before. */
  readonly sha256?: string;
}

/**
 * Checks the splits against the shapes and the labels against the class count, and adds the identity.
 * `classes` absent with one label of a value: the largest of both splits + 1 where all of them could be indices of classes. Whether they are is for the
 * loss to say (objective/labels.ts).
 * `unloaded` null: nobody compares the data, and it is not hashed.
 * @throws DataError DATA_EMPTY or DATA_LABELS.
 */
export async function assembleDataset<P extends Parts>(
  parts: P,
  unloaded: Unloaded | null = {},
): Promise<P & { sha256: string }> {
  const { inputs } = parts.fields;
  const targets = parts.fields.targets.map((field) => {
    const classes = field.classes ?? (field.shape.length === 0 ? classesIn(parts, field) : undefined);
    return { ...field, ...(classes !== undefined && { classes }) };
  });
  for (const [which, split] of splitsOf(parts)) {
    if (split.count === 0) throw refuse('DATA_EMPTY', `${parts.name}: the ${which} set is empty`, 'Give at least one example.');
    if (isInMemory(split)) for (const field of inputs) requireFilled(field, split.inputs[field.name], split.count);
    for (const field of targets) {
      requireFilled(field, split.targets[field.name], split.count);
      checkLabels(field, split.targets[field.name], { name: parts.name, which });
    }
  }
  const dataset = { ...parts, fields: { inputs, targets } };
  return { ...dataset, sha256: unloaded === null ? '' : (unloaded.sha256 ?? (await identity(dataset, unloaded))) };
}

/** Of a data set of one input and one target, which nobody named. */
export async function assemblePlain(parts: {
  readonly name: string;
  /** Of one example, channels last. */
  readonly inputShape: readonly number[];
  readonly labelShape: readonly number[];
  readonly classes?: number | undefined;
  readonly scale: number;
  readonly train: PlainSplit;
  readonly validation: PlainSplit | null;
}): Promise<MemoryDataset> {
  const { name, inputShape, labelShape, classes, scale, train, validation } = parts;
  const input = { name: INPUT, shape: inputShape, type: typeOf(train.x), scale };
  const target = { name: TARGET, shape: labelShape, type: typeOf(train.y), scale: 1 };
  return assembleDataset({
    name,
    fields: { inputs: [input], targets: [{ ...target, ...(classes !== undefined && { classes }) }] },
    train: plainSplit(train),
    validation: validation === null ? null : plainSplit(validation),
  });
}

export interface PlainSplit {
  readonly x: NumericArray;
  readonly y: NumericArray;
  readonly count: number;
}

function plainSplit({ x, y, count }: PlainSplit): MemorySplit {
  return { count, inputs: { [INPUT]: x }, targets: { [TARGET]: y } };
}

export function product(shape: readonly number[]): number {
  return shape.reduce((total, extent) => total * extent, 1);
}

function requireFilled({ name, shape }: Field, values: NumericArray, count: number): void {
  invariant(values.length === count * product(shape), `the rows of ${name} fill their shape`);
}

function splitsOf({ train, validation }: Pick<Dataset, 'train' | 'validation'>): [string, DataSplit][] {
  return [['train', train], ...(validation === null ? [] : [['validation', validation] satisfies [string, DataSplit]])];
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

/** Over what a model can notice: shapes, scale, value types and every value; not the name of the data, the format or the files. */
async function identity(dataset: Parts, { hashes, scans }: Unloaded): Promise<string> {
  const splits = splitsOf(dataset);
  const isPlain = namesOf(dataset.fields.inputs) === INPUT && namesOf(dataset.fields.targets) === TARGET;
  const isWeighted = splits.some(([, { weights }]) => weights !== undefined);
  const isScanned = splits.every(([which, split]) => isInMemory(split) || scans?.[which] !== undefined);
  return isPlain && !isWeighted && isScanned ? plainIdentity(dataset, scans) : namedIdentity(dataset, { hashes, scans });
}

const ARRAYS = { uint8: 'Uint8Array', int32: 'Int32Array', float32: 'Float32Array' } as const;

/** Data of one input and one target have the identity that they had before fields had names. */
async function plainIdentity(dataset: Parts, scans: Scans | undefined): Promise<string> {
  const hash = createHash('sha256');
  const { fields } = dataset;
  const { shape: inputShape, scale, type } = fields.inputs[0];
  const { shape: labelShape, classes = null } = fields.targets[0];
  const splits = splitsOf(dataset);
  const heads = splits.map(([, { count, targets }]) => ({ count, x: ARRAYS[type], y: targets[TARGET].constructor.name }));
  hash.update(`${JSON.stringify({ inputShape, labelShape, classes, scale, splits: heads })}\n`);
  for (const [which, split] of splits) {
    if (isInMemory(split)) await hashInto(hash, split.inputs[INPUT]);
    else for await (const values of scans![which][INPUT]()) await hashInto(hash, values);
    await hashInto(hash, split.targets[TARGET]);
  }
  return hash.digest('hex');
}

/** Over each array's own hash, so that arrays may be hashed side by side while their rows are read once. */
async function namedIdentity(dataset: Parts, { hashes, scans }: Unloaded): Promise<string> {
  const { inputs, targets } = dataset.fields;
  const splits: object[] = [];
  for (const [which, split] of splitsOf(dataset)) {
    const arrays: Record<string, string> = {};
    for (const [side, fields] of Object.entries({ inputs, targets })) {
      for (const { name } of fields) {
        const values = side === 'targets' ? split.targets[name] : isInMemory(split) ? split.inputs[name] : undefined;
        const scan = scans?.[which]?.[name];
        arrays[`${side}.${name}`] =
          values !== undefined ? await hashOf([values]) : scan !== undefined ? await hashOf(scan()) : hashes![which][name];
      }
    }
    for (const [name, values] of Object.entries(split.weights ?? {})) arrays[`weights.${name}`] = await hashOf([values]);
    splits.push({ count: split.count, arrays });
  }
  const facts = (fields: readonly Field[]): object[] =>
    fields.map(({ name, shape, type, scale, classes = null }) => ({ name, shape, type, scale, classes }));
  return createHash('sha256')
    .update(JSON.stringify({ inputs: facts(inputs), targets: facts(targets), splits }))
    .digest('hex');
}

async function hashOf(pieces: Iterable<NumericArray> | AsyncIterable<NumericArray>): Promise<string> {
  const hash = createHash('sha256');
  for await (const values of pieces) await hashInto(hash, values);
  return hash.digest('hex');
}

async function hashInto(hash: Hash, values: NumericArray): Promise<void> {
  for (const slice of byteSlices(values)) {
    hash.update(slice);
    await setImmediate();
  }
}

function namesOf(fields: readonly Field[]): string {
  return fields.map(({ name }) => name).join();
}

/** Views of all bytes, in order. No view of the whole: on Node 20 an array holds at most 2^32 bytes, and four times as many as values of 32 bits. */
export function* byteSlices({ buffer, byteOffset, byteLength }: NumericArray): Generator<Uint8Array> {
  for (let at = 0; at < byteLength; at += HASH_SLICE_BYTES) {
    yield new Uint8Array(buffer, byteOffset + at, Math.min(HASH_SLICE_BYTES, byteLength - at));
  }
}
