/**
 * Owns: examples that come one after the other as the streams of a run: batches read ahead, put where replicas read, and replayed where a run goes on.
 * Does not: read or shuffle (data/sequence), or know steps (coordinator/run.ts).
 */
import { LIMITS } from '../common/limits.js';
import type { Dataset, DataSequence, MemorySplit, SequenceFacts, SplitName } from '../common/dataset.js';
import { DataError, invariant } from '../common/errors.js';
import type { TrainConfig } from '../common/train_config.js';
import type { BatchStream, StreamMark } from '../coordinator/batch_stream.js';
import { openSequenceAside } from '../data/sequence/sequence_aside.js';
import type { SequenceBatch, SequenceMark, SequenceReader } from '../data/sequence/sequence_batches.js';
import type { SequenceReaders } from '../data/sequence/sequence_dataset.js';
import type { SequenceWhere } from '../data/sources/module.js';

export interface SequenceStreams {
  readonly of: { readonly stream: BatchStream; readonly validationStream?: BatchStream };
  close(): Promise<void>;
}

interface Request {
  readonly dataset: Dataset;
  readonly sequence: DataSequence;
  readonly config: TrainConfig;
  /** Of a caller; of a module there are none, and a thread runs it. */
  readonly readers: SequenceReaders | undefined;
  readonly crew: { readonly takeData?: (dataset: Dataset, changed: SplitName) => Promise<void> };
}

export function openStreams({ dataset, sequence, config, readers, crew: { takeData } }: Request): SequenceStreams {
  invariant(takeData !== undefined, 'replicas of this process are handed their rows');
  let now = dataset;
  const opened: SequenceReader[] = [];
  const streamOf = (which: SplitName, facts: SequenceFacts): BatchStream => {
    const { batch, seed, shuffle, shuffleBuffer } = config;
    const settings = { batch, seed, shuffle, shuffleBuffer };
    const reader =
      readers?.[which](facts, settings) ?? openSequenceAside({ where: sequence.where as SequenceWhere, which, facts, settings });
    opened.push(reader);
    const put = async (split: MemorySplit): Promise<void> => {
      now = { ...now, [which]: split };
      await takeData(now, which);
    };
    return new SequenceStream({
      reader,
      put,
      batch,
      which,
      name: dataset.name,
      count: facts.atMost === true ? null : facts.count,
    });
  };
  const { train, validation } = sequence;
  return {
    of: { stream: streamOf('train', train), ...(validation && { validationStream: streamOf('validation', validation) }) },
    close: async () => {
      await Promise.all(opened.map((reader) => reader.close()));
    },
  };
}

/** Numbers of examples: 0 where there are none, null where nobody knows yet. */
export function sizesOf({ train, validation, sequence }: Dataset): { train: number | null; validation: number | null } {
  return {
    train: sequence === undefined ? train.count : sequence.train.count,
    validation: sequence?.validation ? sequence.validation.count : (validation?.count ?? 0),
  };
}

/** A limit that a trial sets: a sequence may have fewer. */
export function triedOut<D extends Dataset>(dataset: D): D {
  const { sequence } = dataset;
  if (sequence === undefined) return dataset;
  const { train, validation } = sequence;
  return {
    ...dataset,
    sequence: { ...sequence, train: { ...train, atMost: true }, validation: validation && { ...validation, atMost: true } },
  };
}

interface Parts {
  readonly reader: SequenceReader;
  readonly put: (split: MemorySplit) => Promise<void>;
  readonly batch: number;
  readonly which: 'train' | 'validation';
  readonly name: string;
  readonly count: number | null;
}

class SequenceStream implements BatchStream {
  readonly #parts: Parts;
  mark: StreamMark | null = null;
  /** Batches that are being read, in order. */
  #ahead: Promise<SequenceBatch | null>[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #epoch = 1;
  /** Examples of the last whole epoch. */
  #whole: number | null = null;
  #begun = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get batchesPerEpoch(): number | null {
    const examples = this.#parts.count ?? this.#whole;
    return examples === null ? null : Math.ceil(examples / this.#parts.batch);
  }

  /** @throws DataError DATA_REPLAY where it is not the sequence that the run was trained on */
  async begin({ epoch, nextExample, stream }: Parameters<NonNullable<BatchStream['begin']>>[0]): Promise<void> {
    const { reader, which } = this.#parts;
    this.#epoch = epoch;
    if (which === 'validation' || stream === undefined) return;
    this.#whole = stream.whole;
    this.mark = stream;
    if (stream.epoch < epoch) return this.#requireSame(stream, await reader.readThrough(stream.epoch));
    this.#requireSame(stream, await reader.begin({ epoch, skip: nextExample }));
    this.#begun = true;
  }

  async next(): Promise<number | null> {
    await this.#fill();
    const batch = (await this.#ahead.shift()) ?? null;
    if (batch === null) return this.#endEpoch();
    void this.#fill();
    const { split, mark } = batch;
    this.mark = { epoch: this.#epoch, ...mark, whole: this.#whole };
    await this.#parts.put(split);
    return split.count;
  }

  async isAtEnd(): Promise<boolean> {
    await this.#fill();
    return (await this.#ahead[0]) === null;
  }

  #endEpoch(): null {
    const { mark } = this;
    this.#whole = mark?.examples ?? null;
    this.mark = mark && { ...mark, whole: this.#whole };
    this.#epoch += 1;
    this.#begun = false;
    this.#ahead = [];
    return null;
  }

  async #fill(): Promise<void> {
    const { reader } = this.#parts;
    if (!this.#begun) {
      this.#begun = true;
      const epoch = this.#epoch;
      await this.#inTurn(() => reader.begin({ epoch, skip: 0 }));
    }
    while (this.#ahead.length <= LIMITS.batchesReadAhead - 1) {
      const batch = this.#inTurn(() => reader.next());
      // Whoever takes it hears of its failure.
      batch.catch(() => undefined);
      this.#ahead.push(batch);
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  #requireSame(saved: StreamMark, read: SequenceMark): void {
    if (saved.examples === read.examples && saved.sha256 === read.sha256) return;
    const what =
      saved.examples === read.examples
        ? `other values (sha256 ${saved.sha256.slice(0, 12)}… then, ${read.sha256.slice(0, 12)}… now)`
        : `${read.examples} examples, and gave ${saved.examples}`;
    throw new DataError({
      code: 'DATA_REPLAY',
      message: `${this.#parts.name}: read again, epoch ${saved.epoch} of the sequence gives ${what}: going on would not be the run that was begun`,
      next: 'Let the sequence give the same examples for the same epoch (draw with a seed of the epoch, or leave the order to shuffle_buffer), or begin a new run from the weights of this one.',
    });
  }
}
