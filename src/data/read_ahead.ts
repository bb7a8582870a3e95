/**
 * Owns: a stored split whose rows are read by a thread of its own, those of the next steps while the replica computes. What was read ahead is used where it is what
 * is asked for, and else read then: results never depend on it.
 * Does not: read (reader_thread.ts), or know steps.
 */
import { Worker } from 'node:worker_threads';
import type { DataFields, NumericArray, StoredSplit } from '../common/dataset.js';
import { toldError } from '../common/environment_error.js';
import { DataError } from '../common/errors.js';
import { builtFile, requirePackageFile } from '../system/package_file.js';
import { gather, requireWithin } from './gather.js';
import type { ReadAnswer, ReadRequest } from './reader_thread.js';
import type { OpenedSplit } from './sources/source.js';

const THREAD_FILE = builtFile('data/reader_thread.js');

export interface SplitAhead extends OpenedSplit {
  /** Begins to read these, each of which will be asked for; keeps `most` that were not. */
  ahead(next: readonly Int32Array[], most: number): void;
}

type Inputs = Readonly<Record<string, NumericArray>>;

interface Pending {
  readonly rows: Int32Array;
  readonly inputs: Promise<Inputs>;
}

export function openAhead(split: StoredSplit, fields: DataFields): SplitAhead {
  const reader = new Reader(split, fields);
  let pending: Pending[] = [];
  const begin = (rows: Int32Array): Pending => {
    const inputs = reader.read(rows);
    // Whoever asks for it hears of its failure.
    inputs.catch(() => undefined);
    return { rows, inputs };
  };
  return {
    count: split.count,
    async read(rows, into) {
      requireWithin(rows, split.count);
      const found = pending.find((one) => isSame(one.rows, rows)) ?? begin(rows);
      pending = pending.filter((one) => one !== found);
      const inputs = await found.inputs;
      for (const [name, values] of Object.entries(into.inputs)) values.set(inputs[name]);
      for (const [name, values] of Object.entries(into.targets)) gather(split.targets[name], split.count, rows, values);
    },
    ahead(next, most) {
      for (const rows of next) if (!pending.some((one) => isSame(one.rows, rows))) pending.push(begin(rows));
      pending = pending.slice(-most);
    },
  };
}

function ended(source: string, code: number): DataError {
  return new DataError({
    code: 'DATA_ROWS',
    message: `the thread that reads rows of ${source} ended by process.exit(${code})`,
    next: 'Take process.exit out of the data module and what it imports, and throw an error instead.',
  });
}

function isSame(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((row, at) => row === b[at]);
}

/** The thread starts with the first rows that are asked for. */
class Reader {
  readonly #data: { readonly split: StoredSplit; readonly fields: DataFields };
  readonly #waiting = new Map<number, { done: (inputs: Inputs) => void; fail: (error: unknown) => void }>();
  #worker: Worker | null = null;
  #asked = 0;

  constructor(split: StoredSplit, fields: DataFields) {
    this.#data = { split, fields };
  }

  read(rows: Int32Array): Promise<Inputs> {
    const id = ++this.#asked;
    return new Promise((done, fail) => {
      this.#waiting.set(id, { done, fail });
      // A copy: a view would take all rows of the epoch with it.
      this.#start().postMessage({ id, rows: rows.slice() } satisfies ReadRequest);
    });
  }

  #start(): Worker {
    if (this.#worker !== null) return this.#worker;
    requirePackageFile(THREAD_FILE);
    const worker = new Worker(THREAD_FILE, { workerData: this.#data });
    worker.on('message', (answer: ReadAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('inputs' in answer) return waiting?.done(answer.inputs);
      waiting?.fail(toldError(answer.failure));
    });
    worker.on('error', (error) => this.#endAll(error));
    worker.on('exit', (code) => this.#endAll(ended(this.#data.split.source, code)));
    this.#worker = worker;
    return worker;
  }

  #endAll(error: unknown): void {
    for (const { fail } of this.#waiting.values()) fail(error);
    this.#waiting.clear();
  }
}
