/**
 * Owns: the shape of a data set in memory, as it is shared between threads.
 * Does not: read files (src/data does) or draw batches (src/coordinator does).
 */

/** Row storage. Backed by a SharedArrayBuffer, so that a data set exists once per process. */
export type NumericArray = Uint8Array | Int32Array | Float32Array;

/** One split: `count` examples, row-major. */
export interface DataSplit {
  /** `count × product(inputShape)` values. */
  readonly x: NumericArray;
  /** `count` class indices, or `count × product(labelShape)` values. */
  readonly y: NumericArray;
  readonly count: number;
}

export interface Dataset {
  /** For people: `MNIST`, `synthetic digits`, `./data.mjs`. */
  readonly name: string;
  /** Shape of one example, channels last, e.g. `[28, 28, 1]`. */
  readonly inputShape: readonly number[];
  /** Shape of one label: `[]` for a class index, `[10]` for one-hot or ten regression targets. */
  readonly labelShape: readonly number[];
  /** Number of classes where labels are classes. */
  readonly classes?: number;
  /** The model sees `x * scale` as float32: 1/255 for pixels, 1 for values used as they are. */
  readonly scale: number;
  readonly train: DataSplit;
  readonly validation: DataSplit;
  /** SHA-256 (hex) over shapes, scale and every byte of both splits, before any limit: two processes hold the same data if equal. */
  readonly sha256: string;
}
