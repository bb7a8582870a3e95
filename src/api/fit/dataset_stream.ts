/**
 * Owns: a tf.data.Dataset, or anything whose iterator() gives batches `{ xs, ys }`, as a stream of batches in the replicas' rows, of which some are read ahead.
 * Does not: know the run (coordinator/batch_stream.ts is what it is to it).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { DataError } from '../../common/errors.js';
import type { BatchStream } from '../../coordinator/batch_stream.js';
import { isWeights } from '../../data/sequence/example_values.js';
import { isTensor, refuse, type BatchIterator, type BatchOfRows, type BatchSource, type NamedRows } from './rows.js';
import { exampleRows, type ExampleRows, type RowsByName } from './example_rows.js';

interface Request {
  readonly model: tfjs.LayersModel;
  readonly source: BatchSource;
  /** Batches of an epoch; null: as many as an iterator has. */
  readonly limit: number | null;
  /** One iterator is for so many epochs; null: each has its own. */
  readonly isFor: number | null;
  /** Batches that are read before they are asked for. No more than the call takes are ever asked of the iterator. */
  readonly ahead: number;
  /** In words: `the dataset`. */
  readonly what: string;
  /** Hears what the caller should know. */
  readonly warn: (message: string) => void;
}

export class DatasetStream implements BatchStream {
  readonly #request: Request;
  #put: ((batch: ExampleRows) => Promise<void>) | null = null;
  #iterator: BatchIterator | null = null;
  /** Asked of the iterator, in order, and not taken. */
  #queue: Promise<ExampleRows | null>[] = [];
  /** Of this iterator; each begins where the one before has ended. */
  #last: Promise<ExampleRows | null> | null = null;
  #asked = 0;
  #taken = 0;
  #epoch = 0;
  #isOver = false;
  #isClosed = false;
  /** Batches of the epoch before. */
  #whole: number | null = null;
  /** Nothing is saved of it. */
  readonly mark = null;

  constructor(request: Request) {
    this.#request = request;
  }

  /** The first batch, which the first step takes. */
  async first(): Promise<ExampleRows> {
    this.#ask(1);
    const batch = await this.#queue[0];
    if (batch === null) throw empty(`${this.#request.what} has no batch`);
    return batch;
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
    const { limit, what, warn, ahead } = this.#request;
    if (this.#taken === limit) return this.#endEpoch();
    this.#ask(1);
    const batch = await this.#queue[0];
    if (batch === null) {
      if (this.#taken === 0) throw empty(`${what} has no batch left for epoch ${this.#epoch + 1}`);
      if (limit !== null)
        warn(`${what} ran out after ${this.#taken} of ${limit} batches of epoch ${this.#epoch + 1}; repeat() gives it more`);
      return this.#endEpoch();
    }
    void this.#queue.shift();
    this.#taken += 1;
    await this.#put?.(batch);
    // Once the step is on its way: an iterator may compute for long.
    const epoch = this.#epoch;
    const askOn = (): void => void (epoch === this.#epoch && this.#ask(ahead));
    if (ahead > 0) setImmediate(askOn);
    return batch.count;
  }

  /**
   * The call has ended. An iterator that gave all that was wanted of it is left as it is, as tfjs leaves it: its owner may go on with it. One of a call that
   * ended before is closed.
   */
  close(): void {
    this.#isClosed = true;
    const { limit, isFor } = this.#request;
    const given = (isFor === null ? 0 : (limit ?? 0) * this.#epoch) + this.#taken;
    if (this.#isOver || this.#iterator === null || given === this.#most) return;
    const { return: end } = this.#iterator as { return?: () => unknown };
    if (typeof end !== 'function') return;
    // Nobody waits for it, nor minds what it says.
    void (async () => end.call(this.#iterator))().catch(() => undefined);
  }

  /** Batches that the call takes of an iterator. */
  get #most(): number {
    const { limit, isFor } = this.#request;
    return limit === null ? Infinity : limit * (isFor ?? 1);
  }

  #endEpoch(): null {
    this.#whole = this.#taken;
    this.#taken = 0;
    this.#epoch += 1;
    if (this.#request.isFor === null)
      [this.#iterator, this.#isOver, this.#queue, this.#last, this.#asked] = [null, false, [], null, 0];
    return null;
  }

  /** So many that were not taken are asked for, as far as the call takes them. */
  #ask(wanted: number): void {
    for (; this.#queue.length < wanted && this.#asked < this.#most && !this.#isClosed; this.#asked++) {
      this.#last = this.#last === null ? this.#read() : this.#last.then((before) => (before === null ? null : this.#read()));
      // Whoever takes it hears of its failure.
      this.#last.catch(() => undefined);
      this.#queue.push(this.#last);
    }
  }

  /** One more batch of the iterator; null at its end. */
  async #read(): Promise<ExampleRows | null> {
    const { model, source, ahead } = this.#request;
    this.#iterator ??= await source.iterator();
    // As in tfjs: what comes with `done` is the last batch.
    if (this.#isOver) return null;
    const { batch, done } = await nextBatch(model, this.#iterator);
    this.#isOver = done;
    return batch === null || ahead === 0 ? batch : ownRows(batch);
  }
}

/** Apart from memory that the iterator may fill again. */
function ownRows({ count, x, y }: ExampleRows): ExampleRows {
  const own = (side: RowsByName): RowsByName =>
    Object.fromEntries(Object.entries(side).map(([name, rows]) => [name, { ...rows, values: rows.values.slice() }]));
  return { count, x: own(x), y: own(y) };
}

type Given = Awaited<ReturnType<BatchIterator['next']>>;

async function nextBatch(
  model: tfjs.LayersModel,
  iterator: BatchIterator,
): Promise<{ batch: ExampleRows | null; done: boolean }> {
  const { value, done = false } = ((await iterator.next()) as Given | undefined) ?? {};
  if (value === null || value === undefined) {
    if (done) return { batch: null, done };
    throw refuse('the dataset gave nothing in place of a batch');
  }
  const { xs, ys } = value as Partial<BatchOfRows>;
  const weights = Object.keys(value as object).find(isWeights);
  if (weights !== undefined)
    throw refuse(`the dataset gives ${weights} beside xs and ys: fit() takes weights of examples, of arrays`);
  if (xs === undefined || ys === undefined)
    throw refuse("the dataset gives no { xs, ys }, where xs are a batch's rows and ys their targets; zip() makes them of two");
  try {
    return { batch: await exampleRows(model, xs, ys, 'the batch: '), done };
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
