/**
 * Owns: the batches of a sequence, epoch by epoch: its examples through a keyed shuffle buffer, and a running hash of all that was read, by which a replay is told
 * from another sequence.
 * Does not: know the run, or in which thread it runs (sequence_aside.ts).
 */
import { createHash, type Hash } from 'node:crypto';
import { emptyArray, type DataFields, type Field, type MemorySplit, type NumericArray } from '../../common/dataset.js';
import { DataError } from '../../common/errors.js';
import { below, deriveKey, PURPOSE, wordStream } from '../../common/random.js';
import { LIMITS } from '../../common/limits.js';
import { product } from '../assemble.js';
import { pathOf } from '../named.js';
import type { Fail } from '../share.js';
import { writeValues } from './example_values.js';
import type { Examples, OpenExamples } from './examples.js';

/** That which is computed, and the one that is being filled. */
const SETS = LIMITS.batchesReadAhead + 2;

/** What was read of an epoch. */
export interface SequenceMark {
  readonly examples: number;
  /** Over every value read, in the order of the sequence. */
  readonly sha256: string;
}

export interface SequenceBatch {
  /** Its memory is used again for the fourth batch after it. */
  readonly split: MemorySplit;
  readonly mark: SequenceMark;
}

interface BatchesPlan {
  readonly batch: number;
  readonly seed: number;
  /** Examples among which the next one is drawn; 1 leaves them in their order. */
  readonly buffer: number;
  /** Examples of an epoch: no more are read. Null: to the sequence's end. */
  readonly most: number | null;
  /** An epoch of fewer is an error. */
  readonly exact: boolean;
}

/** One epoch after the other. Calls are made one at a time. */
export interface SequenceReader {
  /** Goes to where `skip` examples of an epoch (from 1) were given out. */
  begin(at: { readonly epoch: number; readonly skip: number }): Promise<SequenceMark>;
  /** Reads all of an epoch, for its hash. */
  readThrough(epoch: number): Promise<SequenceMark>;
  /** Null at the epoch's end. */
  next(): Promise<SequenceBatch | null>;
  close(): Promise<void>;
}

type Arrays = Record<string, NumericArray>;

interface Rows {
  readonly inputs: Arrays;
  readonly targets: Arrays;
  readonly places: Int32Array;
}

interface Parts {
  readonly examples: Pick<Examples, 'open'>;
  readonly fields: DataFields;
  readonly plan: BatchesPlan;
  /** In words: `train`. */
  readonly which: string;
  readonly fail: Fail;
}

export class SequenceBatches implements SequenceReader {
  readonly #parts: Parts;
  readonly #fields: readonly { readonly side: 'inputs' | 'targets'; readonly field: Field; readonly size: number }[];
  #sets: Rows[] = [];
  #given = 0;
  /** The shuffle buffer's rows. */
  #held: Rows;
  #room: number;
  #filled = 0;
  /** A row of the buffer that was given out, to be filled again. */
  #hole: number | null = null;
  #words: () => number = () => 0;
  #opened: OpenExamples | null = null;
  #isOver = false;
  #epoch = 0;
  #read = 0;
  #hash: Hash = createHash('sha256');

  constructor(parts: Parts) {
    this.#parts = parts;
    const { inputs, targets } = parts.fields;
    const sized = (side: 'inputs' | 'targets', fields: readonly Field[]) =>
      fields.map((field) => ({ side, field, size: product(field.shape) }));
    this.#fields = [...sized('inputs', inputs), ...sized('targets', targets)];
    this.#room = Math.min(parts.plan.buffer, FIRST_ROOM);
    this.#held = this.#rows(this.#room, false);
  }

  async begin({ epoch, skip }: { epoch: number; skip: number }): Promise<SequenceMark> {
    await this.#open(epoch);
    for (let given = 0; given < skip; given++) if (!(await this.#draw(null, 0))) break;
    return this.#mark();
  }

  async readThrough(epoch: number): Promise<SequenceMark> {
    await this.#open(epoch);
    while (await this.#readInto(0));
    return this.#mark();
  }

  async next(): Promise<SequenceBatch | null> {
    const { batch } = this.#parts.plan;
    if (this.#sets.length < SETS) this.#sets.push(this.#rows(batch, true));
    const rows = this.#sets[this.#given % SETS];
    let count = 0;
    while (count < batch && (await this.#draw(rows, count))) count += 1;
    if (count === 0) {
      if (this.#read === 0) throw this.#empty();
      return null;
    }
    this.#given += 1;
    return { split: this.#cut(rows, count), mark: this.#mark() };
  }

  async close(): Promise<void> {
    this.#opened?.close();
    this.#opened = null;
  }

  async #open(epoch: number): Promise<void> {
    const { examples, plan } = this.#parts;
    this.#opened?.close();
    this.#opened = await examples.open(epoch);
    this.#epoch = epoch;
    this.#isOver = false;
    [this.#filled, this.#hole, this.#read] = [0, null, 0];
    this.#hash = createHash('sha256');
    this.#words = wordStream({ key: deriveKey({ seed: plan.seed, purpose: PURPOSE.buffer, layer: 0 }), stream: epoch });
  }

  #mark(): SequenceMark {
    return { examples: this.#read, sha256: this.#hash.copy().digest('hex') };
  }

  /** The next example of the epoch's order into a row of `into`; false at the end. */
  async #draw(into: Rows | null, row: number): Promise<boolean> {
    const { buffer } = this.#parts.plan;
    while (!this.#isOver && (this.#hole !== null || this.#filled < buffer)) {
      if (this.#hole === null && this.#filled === this.#room) this.#grow();
      if (!(await this.#readInto(this.#hole ?? this.#filled))) break;
      if (this.#hole === null) this.#filled += 1;
      this.#hole = null;
    }
    if (this.#hole !== null) {
      this.#filled -= 1;
      this.#copy(this.#held, this.#filled, this.#held, this.#hole);
      this.#hole = null;
    }
    if (this.#filled === 0) return false;
    const drawn = this.#filled === 1 ? 0 : below(this.#filled, this.#words);
    if (into !== null) this.#copy(this.#held, drawn, into, row);
    this.#hole = drawn;
    return true;
  }

  /** The next example of the sequence into a row of the buffer; false at its end. */
  async #readInto(row: number): Promise<boolean> {
    const { plan, which, fail } = this.#parts;
    if (this.#isOver) return false;
    const example = plan.most === this.#read ? null : ((await this.#opened?.next()) ?? null);
    if (example === null) {
      this.#isOver = true;
      this.#opened?.close();
      if (plan.exact && plan.most !== null && this.#read < plan.most)
        throw fail(`${which} ended after ${this.#read} of ${plan.most} examples in epoch ${this.#epoch}`);
      return false;
    }
    for (const { side, field, size } of this.#fields) {
      const { flats, names, label } = example[side];
      const flat = flats[field.name];
      const path = (): string => `${pathOf(label, names, field.name)} of example ${this.#read} in epoch ${this.#epoch}`;
      if (flat === undefined) throw fail(`${path()} is not there, and was in the first example`);
      const into = this.#held[side][field.name].subarray(row * size, (row + 1) * size);
      writeValues(flat, field, path, into, fail);
      this.#hash.update(new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
    }
    this.#held.places[row] = this.#read;
    this.#read += 1;
    return true;
  }

  #rows(count: number, shared: boolean): Rows {
    const rows: Rows = { inputs: {}, targets: {}, places: emptyArray('int32', count, { shared }) as Int32Array };
    for (const { side, field, size } of this.#fields) rows[side][field.name] = emptyArray(field.type, count * size, { shared });
    return rows;
  }

  #grow(): void {
    const before = this.#held;
    this.#room = Math.min(this.#parts.plan.buffer, 2 * this.#room);
    this.#held = this.#rows(this.#room, false);
    for (const { side, field } of this.#fields) this.#held[side][field.name].set(before[side][field.name]);
    this.#held.places.set(before.places);
  }

  #copy(from: Rows, at: number, into: Rows, row: number): void {
    for (const { side, field, size } of this.#fields)
      into[side][field.name].set(from[side][field.name].subarray(at * size, (at + 1) * size), row * size);
    into.places[row] = from.places[at];
  }

  #cut(rows: Rows, count: number): MemorySplit {
    const [inputs, targets]: [Arrays, Arrays] = [{}, {}];
    for (const { side, field, size } of this.#fields)
      (side === 'inputs' ? inputs : targets)[field.name] = rows[side][field.name].subarray(0, count * size);
    return { count, inputs, targets, places: rows.places.subarray(0, count) };
  }

  #empty(): DataError {
    return new DataError({
      code: 'DATA_EMPTY',
      message: `${this.#parts.which} gave no example in epoch ${this.#epoch}`,
      next: 'Give a sequence that begins anew in each epoch: a tf.data.Dataset, or a function that makes an iterator.',
    });
  }
}

/** Rows that a buffer begins with; it doubles as it fills. */
const FIRST_ROOM = 256;
