/**
 * Owns: a tf.data.Dataset, or anything whose iterator() gives batches `{ xs, ys }`, as a stream of batches in the replicas' rows.
 * Does not: know the run (coordinator/batch_stream.ts is what it is to it).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { DataError } from '../../common/errors.js';
import type { BatchStream } from '../../coordinator/batch_stream.js';
import { isTensor, refuse, type BatchOfRows, type BatchSource, type FlatRows, type NamedRows } from './rows.js';
import { exampleRows, type ExampleRows, type RowsByName } from './example_rows.js';

type BatchIterator = Awaited<ReturnType<BatchSource['iterator']>>;

interface Request {
  readonly model: tfjs.LayersModel;
  readonly source: BatchSource;
  /** Batches of an epoch, from one iterator for all epochs; null: each epoch has its own iterator, to its end. */
  readonly batchesPerEpoch: number | null;
  /** Hears what the caller should know. */
  readonly warn: (message: string) => void;
}

export class DatasetStream implements BatchStream {
  readonly #request: Request;
  #put: ((batch: ExampleRows) => void) | null = null;
  #iterator: BatchIterator | null = null;
  /** Read to learn what batches look like. */
  #first: ExampleRows | null = null;
  #taken = 0;
  #epoch = 0;

  constructor(request: Request) {
    this.#request = request;
  }

  /** The first batch, which the first step takes. */
  async first(): Promise<ExampleRows> {
    this.#first = await this.#read();
    if (this.#first === null) throw empty('the dataset has no batch');
    return this.#first;
  }

  /** Says where batches go from now on. */
  into(put: (batch: ExampleRows) => void): this {
    this.#put = put;
    return this;
  }

  async next(): Promise<number | null> {
    const { batchesPerEpoch, warn } = this.#request;
    if (this.#taken === batchesPerEpoch) return this.#endEpoch();
    const batch = this.#first ?? (await this.#read());
    this.#first = null;
    if (batch === null) {
      if (this.#taken === 0) throw empty(`the dataset has no batch left for epoch ${this.#epoch + 1}`);
      if (batchesPerEpoch !== null)
        warn(
          `the dataset ran out after ${this.#taken} of ${batchesPerEpoch} batches of epoch ${this.#epoch + 1}; repeat() gives it more`,
        );
      return this.#endEpoch();
    }
    this.#taken += 1;
    this.#put?.(batch);
    return batch.count;
  }

  #endEpoch(): null {
    this.#taken = 0;
    this.#epoch += 1;
    if (this.#request.batchesPerEpoch === null) this.#iterator = null;
    return null;
  }

  async #read(): Promise<ExampleRows | null> {
    const { model, source } = this.#request;
    this.#iterator ??= await source.iterator();
    return nextBatch(model, this.#iterator);
  }
}

/** All batches, or so many, as one: what is validated on. */
export async function allBatches(model: tfjs.LayersModel, source: BatchSource, limit: number | null): Promise<ExampleRows> {
  const iterator = await source.iterator();
  const batches: ExampleRows[] = [];
  while (batches.length < (limit ?? Infinity)) {
    const batch = await nextBatch(model, iterator);
    if (batch === null) break;
    batches.push(batch);
  }
  if (batches.length === 0) throw empty('the validation dataset has no batch');
  const side = (which: 'x' | 'y'): RowsByName => {
    const names = Object.keys(batches[0][which]);
    return Object.fromEntries(names.map((name) => [name, joined(batches.map((batch) => batch[which][name]))]));
  };
  return { count: batches.reduce((sum, { count }) => sum + count, 0), x: side('x'), y: side('y') };
}

async function nextBatch(model: tfjs.LayersModel, iterator: BatchIterator): Promise<ExampleRows | null> {
  const { value, done } = await iterator.next();
  if (value === null || value === undefined) {
    if (done) return null;
    throw refuse('the dataset gave nothing in place of a batch');
  }
  const { xs, ys } = value as Partial<BatchOfRows>;
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

function joined(parts: readonly FlatRows[]): FlatRows {
  const [{ shape, values: first }] = parts;
  const Values = first.constructor as new (length: number) => Float32Array;
  const values = new Values(parts.reduce((sum, part) => sum + part.values.length, 0));
  let at = 0;
  for (const part of parts) {
    if (part.shape.join() !== shape.join())
      throw refuse(`a batch has rows of [${part.shape.join(', ')}], another of [${shape.join(', ')}]`);
    values.set(part.values, at);
    at += part.values.length;
  }
  return { count: parts.reduce((sum, { count }) => sum + count, 0), shape, values };
}

function empty(message: string): DataError {
  return new DataError({
    code: 'DATA_EMPTY',
    message,
    next: 'Give a dataset that begins anew with each iterator(), or one with repeat() and as many batches as batchesPerEpoch × epochs.',
  });
}
