/**
 * Owns: a tf.data.Dataset, or anything whose iterator() gives batches `{ xs, ys }`, as a stream of batches in the replicas' rows.
 * Does not: know the run (coordinator/batch_stream.ts is what it is to it).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { DataError } from '../../common/errors.js';
import type { BatchStream } from '../../coordinator/batch_stream.js';
import { isWeights } from '../../data/sequence/example_values.js';
import { isTensor, refuse, type BatchIterator, type BatchOfRows, type BatchSource, type NamedRows } from './rows.js';
import { exampleRows, type ExampleRows } from './example_rows.js';

interface Request {
  readonly model: tfjs.LayersModel;
  readonly source: BatchSource;
  /** Batches of an epoch; null: as many as an iterator has. */
  readonly limit: number | null;
  /** One iterator is for all epochs; else each has its own. */
  readonly isOne: boolean;
  /** In words: `the dataset`. */
  readonly what: string;
  /** Hears what the caller should know. */
  readonly warn: (message: string) => void;
}

export class DatasetStream implements BatchStream {
  readonly #request: Request;
  #put: ((batch: ExampleRows) => Promise<void>) | null = null;
  #iterator: BatchIterator | null = null;
  /** Read to learn what batches look like. */
  #first: ExampleRows | null = null;
  #taken = 0;
  #epoch = 0;
  /** Batches of the epoch before. */
  #whole: number | null = null;
  /** Nothing is saved of it. */
  readonly mark = null;

  constructor(request: Request) {
    this.#request = request;
  }

  /** The first batch, which the first step takes. */
  async first(): Promise<ExampleRows> {
    this.#first = await this.read();
    if (this.#first === null) throw empty(`${this.#request.what} has no batch`);
    return this.#first;
  }

  get batchesPerEpoch(): number | null {
    return this.#request.limit ?? this.#whole;
  }

  /** Says where batches go from now on. */
  into(put: (batch: ExampleRows) => Promise<void>): this {
    this.#put = put;
    return this;
  }

  async next(): Promise<number | null> {
    const { limit, what, warn } = this.#request;
    if (this.#taken === limit) return this.#endEpoch();
    const batch = this.#first ?? (await this.read());
    this.#first = null;
    if (batch === null) {
      if (this.#taken === 0) throw empty(`${what} has no batch left for epoch ${this.#epoch + 1}`);
      if (limit !== null)
        warn(`${what} ran out after ${this.#taken} of ${limit} batches of epoch ${this.#epoch + 1}; repeat() gives it more`);
      return this.#endEpoch();
    }
    this.#taken += 1;
    await this.#put?.(batch);
    return batch.count;
  }

  #endEpoch(): null {
    this.#whole = this.#taken;
    this.#taken = 0;
    this.#epoch += 1;
    if (!this.#request.isOne) this.#iterator = null;
    return null;
  }

  /** One more batch of the iterator; null at its end. */
  async read(): Promise<ExampleRows | null> {
    const { model, source } = this.#request;
    this.#iterator ??= await source.iterator();
    return nextBatch(model, this.#iterator);
  }
}

async function nextBatch(model: tfjs.LayersModel, iterator: BatchIterator): Promise<ExampleRows | null> {
  const { value, done } = await iterator.next();
  if (value === null || value === undefined) {
    if (done) return null;
    throw refuse('the dataset gave nothing in place of a batch');
  }
  const { xs, ys } = value as Partial<BatchOfRows>;
  const weights = Object.keys(value as object).find(isWeights);
  if (weights !== undefined)
    throw refuse(`the dataset gives ${weights} beside xs and ys: fit() takes weights of examples, of arrays`);
  if (xs === undefined || ys === undefined)
    throw refuse("the dataset gives no { xs, ys }, where xs are a batch's rows and ys their targets; zip() makes them of two");
  try {
    return await exampleRows(model, xs, ys, 'the batch: ');
  } finally {
    for (const rows of [...tensorsIn(xs), ...tensorsIn(ys)]) rows.dispose();
  }
}

function tensorsIn(rows: NamedRows): tfjs.Tensor[] {
  if (isTensor(rows)) return [rows];
  if (typeof rows !== 'object' || rows === null || ArrayBuffer.isView(rows)) return [];
  return Object.values(rows).filter(isTensor);
}

function empty(message: string): DataError {
  return new DataError({
    code: 'DATA_EMPTY',
    message,
    next: 'Give a dataset that begins anew with each iterator(), or one with repeat() and as many batches as batchesPerEpoch × epochs.',
  });
}
