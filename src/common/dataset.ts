/**
 * Owns: the shape of a data set, as it is shared between threads: named arrays of rows in memory, or where rows are read from.
 * Does not: read files (src/data does) or draw batches (src/coordinator does).
 */

/** Row storage. Backed by a SharedArrayBuffer, so that a data set exists once per process. */
export type NumericArray = Uint8Array | Int32Array | Float32Array;
export type NumericType = 'uint8' | 'int32' | 'float32';

/** What one named array holds for each example. */
export interface Field {
  readonly name: string;
  /** Of one example, channels last: `[28, 28, 1]`; of a label `[]` for a class index, `[10]` for one-hot or ten regression targets. */
  readonly shape: readonly number[];
  readonly type: NumericType;
  /** Of an input: the model sees `value * scale` as float32. 1/255 for pixels, 1 for values used as they are. */
  readonly scale: number;
  /** Of a target: number of classes, where it is one of classes. */
  readonly classes?: number;
}

/** The fields of every batch. Those of data that name none are called `x` and `y`; those given as lists `0`, `1` and so on. */
export interface DataFields {
  readonly inputs: readonly Field[];
  readonly targets: readonly Field[];
}

/** Rows of all fields, row-major: `rows × product(shape)` values each. A split in memory is one, and so is what a replica gathers for its shard. */
export interface Batch {
  readonly inputs: Readonly<Record<string, NumericArray>>;
  readonly targets: Readonly<Record<string, NumericArray>>;
  /** Of each target that has them: by how much each example counts in its loss. */
  readonly weights?: Readonly<Record<string, Float32Array>>;
}

/** One split: `count` examples. */
export type DataSplit = MemorySplit | StoredSplit;

export interface MemorySplit extends Batch {
  readonly count: number;
  /** Of a batch of a sequence: where each example stands in it, which keys its augmentation. Absent: in the order of the rows. */
  readonly places?: Int32Array;
}

export type SplitName = 'train' | 'validation';

/** Its inputs lie elsewhere: each thread that needs rows opens it by its source (data/sources/table.ts). Its targets are in memory all the same. */
export interface StoredSplit extends Pick<Batch, 'targets' | 'weights'> {
  readonly count: number;
  /** Name of the source's row. */
  readonly source: string;
  /** What the source opens it from: plain data. */
  readonly where: unknown;
}

export interface Dataset {
  /** For people: `MNIST`, `synthetic digits`, `./data.mjs`. */
  readonly name: string;
  readonly fields: DataFields;
  readonly train: DataSplit;
  /** Null where there is none: then there is no evaluation, and the run is judged by its training loss. */
  readonly validation: DataSplit | null;
  /** SHA-256 (hex) over fields and every byte of both splits, before any limit: two processes hold the same data if equal. Empty where nobody compares. */
  readonly sha256: string;
  /** Where examples come one after the other: then splits hold the first one, or the batch of the next step. */
  readonly sequence?: DataSequence;
  /** Of a lone target whose classes were told by words (texts of a column, folders of pictures): those, by their numbers. For people; no part of the identity. */
  readonly classNames?: readonly string[];
  /** Of files of named columns or arrays: all that they have to choose from. For people, as well. */
  readonly columns?: readonly string[];
  /** Of pictures and IDX files, an example of which is one input and one label: what they are. For people, as well. */
  readonly oneOfEach?: string;
  /** Made up for a measurement (api/bench.ts): its flags say of which shapes. For people, as well. */
  readonly drawn?: true;
}

/** Advice where a model wants more than is drawn. */
export const TRAIN_INSTEAD =
  'bench draws one input and one label for each example. Train the model for a while on data of its own, tfjs-parallel train --data ./data.mjs --max-steps 50; the records of that run, and tfjs-parallel why, say where a step goes.';

/** Examples that are read one after the other, in each epoch anew (data/sequence). */
export interface DataSequence {
  readonly train: SequenceFacts;
  /** Null where there is no validation set, or one in memory. */
  readonly validation: SequenceFacts | null;
  /** What a thread opens it from: plain data. Null: whoever made the data set holds it. */
  readonly where: unknown;
}

export interface SequenceFacts {
  /** Examples of an epoch; null: nobody knows before the first has ended. */
  readonly count: number | null;
  /** Of a limit that a trial sets: fewer are as well. */
  readonly atMost?: boolean;
}

/** With all of it in memory. */
export interface MemoryDataset extends Dataset {
  readonly train: MemorySplit;
  readonly validation: MemorySplit | null;
}

export const INPUT = 'x';
export const TARGET = 'y';
/** What data is called that a program gives without a name: no source has it. */
export const UNNAMED = { arrays: 'arrays', rows: 'rows', sequence: 'a sequence' } as const;

export function isInMemory(split: DataSplit): split is MemorySplit {
  return 'inputs' in split;
}

const TYPES: Readonly<Record<string, NumericType>> = { Uint8Array: 'uint8', Int32Array: 'int32', Float32Array: 'float32' };
const CLASSES = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

export function typeOf(values: NumericArray): NumericType {
  return TYPES[values.constructor.name];
}

/** In memory of its own, or shared with all threads. */
export function emptyArray(type: NumericType, length: number, { shared = false } = {}): NumericArray {
  const Values = CLASSES[type];
  if (!shared) return new Values(length);
  return new (Values as new (memory: SharedArrayBuffer) => NumericArray)(
    new SharedArrayBuffer(length * Values.BYTES_PER_ELEMENT),
  );
}

/** Of one row of all of them, as they are kept in memory. */
export function rowBytes(fields: readonly Pick<Field, 'type' | 'shape'>[]): number {
  return fields.reduce((sum, { type, shape }) => sum + shape.reduce((a, b) => a * b, CLASSES[type].BYTES_PER_ELEMENT), 0);
}
