/**
 * Owns: the shape of a data set in memory, as it is shared between threads: named arrays of rows.
 * Does not: read files (src/data does) or draw batches (src/coordinator does).
 */

/** Row storage. Backed by a SharedArrayBuffer, so that a data set exists once per process. */
export type NumericArray = Uint8Array | Int32Array | Float32Array;

/** What one named array holds for each example. */
export interface Field {
  readonly name: string;
  /** Of one example, channels last: `[28, 28, 1]`; of a label `[]` for a class index, `[10]` for one-hot or ten regression targets. */
  readonly shape: readonly number[];
  /** Of an input: the model sees `value * scale` as float32. 1/255 for pixels, 1 for values used as they are. */
  readonly scale: number;
  /** Of a target: number of classes, where it is one of classes. */
  readonly classes?: number;
}

/** Rows of all fields, row-major: `rows × product(shape)` values each. A split is one, and so is what a replica gathers for its shard. */
export interface Batch {
  readonly inputs: Readonly<Record<string, NumericArray>>;
  readonly targets: Readonly<Record<string, NumericArray>>;
}

/** One split: `count` examples. */
export interface DataSplit extends Batch {
  readonly count: number;
}

/** The fields of every batch. Those of data that name none are called `x` and `y`. */
export interface DataFields {
  readonly inputs: readonly Field[];
  readonly targets: readonly Field[];
}

export interface Dataset {
  /** For people: `MNIST`, `synthetic digits`, `./data.mjs`. */
  readonly name: string;
  readonly fields: DataFields;
  readonly train: DataSplit;
  readonly validation: DataSplit;
  /** SHA-256 (hex) over fields and every byte of both splits, before any limit: two processes hold the same data if equal. */
  readonly sha256: string;
}

export const INPUT = 'x';
export const TARGET = 'y';
