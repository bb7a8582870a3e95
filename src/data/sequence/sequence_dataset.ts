/**
 * Owns: a data set whose training examples are a sequence: its fields, as the first example leaves no other, and what is known of it before it is read.
 * Does not: read on (sequence_batches.ts), or know who gave it (sources/module.ts, the library).
 */
import { createHash } from 'node:crypto';
import {
  emptyArray,
  UNNAMED,
  rowBytes,
  type DataFields,
  type Field,
  type MemoryDataset,
  type MemorySplit,
  type NumericArray,
  type SequenceFacts,
} from '../../common/dataset.js';
import { DataError } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import type { TrainConfig } from '../../common/train_config.js';
import { datasetFromArrays, type ArraysSource } from '../arrays.js';
import type { FieldOptions } from '../fields.js';
import { isRecord, optionOf, type Named } from '../named.js';
import { keptAs, type Fail, type SourceArray } from '../share.js';
import type { Example, Flat, Side } from './example_values.js';
import { Examples } from './examples.js';
import { SequenceBatches, type SequenceReader } from './sequence_batches.js';
import { failureOfSequence, isSequence, sequenceOf, type SequenceSource } from './sequence_source.js';

/** What `train` takes for data, and a module exports, where examples come one after the other. */
export interface SequencesSource extends Omit<FieldOptions, 'inputShape'> {
  readonly train: SequenceSource;
  /** A sequence too, read at each evaluation, or arrays. */
  readonly validation?: SequenceSource | ArraysSource['validation'];
  /** Of one example; needed where it is a typed array of more than one axis. */
  readonly inputShape?: FieldOptions['inputShape'];
  /** For people. */
  readonly name?: string;
}

/** `evaluated`: for its validation set alone, which is then read into memory. */
export type SequenceUse = 'streamed' | 'evaluated' | 'refused';

type Limits = { readonly overfit?: number | null | undefined };

export interface OpenedSequences {
  readonly dataset: MemoryDataset;
  /** Absent where what was wanted is in memory. */
  readonly readers?: SequenceReaders;
}

export type ReaderSettings = Pick<TrainConfig, 'batch' | 'seed' | 'shuffle' | 'shuffleBuffer'>;

export interface SequenceReaders {
  train(facts: SequenceFacts, settings: ReaderSettings): SequenceReader;
  validation(facts: SequenceFacts, settings: ReaderSettings): SequenceReader;
}

/** @throws DataError DATA_SEQUENCE, DATA_SEQUENTIAL, DATA_EMPTY, DATA_ARRAYS */
export async function openSequences(
  source: SequencesSource,
  use: SequenceUse,
  { overfit = null }: Limits,
): Promise<OpenedSequences> {
  const { name = UNNAMED.sequence, validation } = source;
  const fail = failureOfSequence(name);
  const train = new Examples(sequenceOf(source.train, 'train', fail), source.inputShape, 'train', fail);
  const first = await train.first();
  const validated = isSequence(validation)
    ? new Examples(sequenceOf(validation, 'validation', fail), source.inputShape, 'validation', fail)
    : null;
  const firstValidated = (await validated?.first()) ?? null;
  const arrays = {
    ...source,
    ...arraysOf(source, first, fail),
    name,
    validation: firstValidated === null ? (validation ?? null) : arraysOf(source, firstValidated, fail).train,
  } as ArraysSource;
  const made = await datasetFromArrays(arrays);
  const dataset: MemoryDataset = {
    ...made,
    fields: withoutGuesses(made.fields, source),
    sha256: createHash('sha256').update(`sequence ${made.sha256}`).digest('hex'),
  };
  const readers: SequenceReaders = {
    train: (facts, settings) => readerOf(train, dataset.fields, 'train', { facts, settings, fail }),
    validation: (facts, settings) =>
      readerOf(validated ?? train, dataset.fields, 'validation', { facts, settings: { ...settings, shuffle: false }, fail }),
  };
  const facts = { train: { count: train.count }, validation: validated && { count: validated.count } };
  const settings = { batch: overfit ?? ROWS_AT_ONCE, seed: 0, shuffle: false, shuffleBuffer: null };
  if (overfit !== null) {
    const few = await wholeOf(readers.train({ count: overfit }, settings), dataset.fields);
    return { dataset: { ...dataset, train: few, validation: few } };
  }
  if (use === 'evaluated') {
    if (facts.validation === null) return { dataset };
    return { dataset: { ...dataset, validation: await wholeOf(readers.validation(facts.validation, settings), dataset.fields) } };
  }
  if (use === 'refused')
    throw new DataError({
      code: 'DATA_SEQUENTIAL',
      message: `${name} gives its training examples one after the other, which can only be trained on, on one machine: there is no way to the rows of another`,
      next: 'Give the sets as { count, read(rows) }, of which each machine reads its own rows (docs/data.md, "Rows that are read").',
    });
  return { dataset: { ...dataset, sequence: { ...facts, where: null } }, readers };
}

const ROWS_AT_ONCE = 1024;

/** Examples that a run of this batch size draws the next one among. */
function bufferOf({ inputs, targets }: DataFields, { shuffle, shuffleBuffer }: ReaderSettings): number {
  if (!shuffle) return 1;
  if (shuffleBuffer !== null) return shuffleBuffer;
  const bytes = rowBytes([...inputs, ...targets]);
  return Math.max(1, Math.min(LIMITS.maxShuffleBuffer, Math.floor(LIMITS.shuffleBufferBytes / bytes)));
}

interface ReaderRequest {
  readonly facts: SequenceFacts;
  readonly settings: ReaderSettings;
  readonly fail: Fail;
}

function readerOf(
  examples: Examples,
  fields: DataFields,
  which: string,
  { facts, settings, fail }: ReaderRequest,
): SequenceReader {
  const { batch, seed } = settings;
  const { count: most, atMost = false } = facts;
  const plan = { batch, seed, buffer: bufferOf(fields, settings), most, exact: !atMost };
  return new SequenceBatches({ examples, fields, plan, which, fail });
}

/** All of its first epoch in memory. */
async function wholeOf(reader: SequenceReader, { inputs, targets }: DataFields): Promise<MemorySplit> {
  await reader.begin({ epoch: 1, skip: 0 });
  const read: MemorySplit[] = [];
  for (let next = await reader.next(); next !== null; next = await reader.next()) {
    const { count, inputs: x, targets: y } = next.split;
    const copies = (arrays: MemorySplit['inputs']): Record<string, NumericArray> =>
      Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, values.slice()]));
    read.push({ count, inputs: copies(x), targets: copies(y) });
  }
  await reader.close();
  const joined = (side: 'inputs' | 'targets', fields: readonly Field[]): Record<string, NumericArray> =>
    Object.fromEntries(
      fields.map(({ name, type }) => {
        const length = read.reduce((sum, part) => sum + part[side][name].length, 0);
        const all = emptyArray(type, length, { shared: true });
        let at = 0;
        for (const part of read) {
          all.set(part[side][name], at);
          at += part[side][name].length;
        }
        return [name, all];
      }),
    );
  const count = read.reduce((sum, part) => sum + part.count, 0);
  return { count, inputs: joined('inputs', inputs), targets: joined('targets', targets) };
}

/** One example says nothing of classes. */
function withoutGuesses({ inputs, targets }: DataFields, { classes: named }: SequencesSource): DataFields {
  return { inputs, targets: named === undefined ? targets.map(({ classes: _, ...field }) => field) : targets };
}

/** The first example as arrays of one row, from which fields are told as from any arrays. */
function arraysOf(
  source: SequencesSource,
  { inputs, targets }: Example,
  fail: Fail,
): Pick<ArraysSource, 'train' | 'inputShape' | 'labelShape'> {
  const validation = isRecord(source.validation) ? (source.validation as Readonly<Record<string, unknown>>) : {};
  const inputShape = byName(inputs, (name, flat) => {
    const { value } = optionOf(source.inputShape, { names: inputs.names, name, label: 'inputShape', fail });
    return value ?? (flat.shape === null ? [flat.values.length] : flat.shape.length === 0 ? [1] : flat.shape);
  });
  const shapes: Record<string, unknown> = {};
  const y = byName(targets, (name, flat) => {
    const { value } = optionOf(source.labelShape, { names: targets.names, name, label: 'labelShape', fail });
    shapes[name] = value ?? (flat.shape !== null && flat.shape.length > 0 ? flat.shape : undefined);
    const isReal = flat.shape?.length === 0 && Array.isArray(value) && value.length > 0;
    const isIndex = Array.isArray(value) ? value.length === 0 : flat.shape?.length === 0 && flat.type === 'int32';
    const beside = keptAs(isRecord(validation.y) ? validation.y[name] : validation.y);
    if (isReal) return arrayOf(flat, 'float32');
    const isWhole = isIndex && Array.from(flat.values).every(Number.isInteger);
    return arrayOf(flat, isWhole ? indexType(beside) : flat.type);
  });
  const x = byName(inputs, (_, flat) => arrayOf(flat, flat.shape?.length === 0 ? 'float32' : flat.type));
  const labelShape = byName(targets, (name) => shapes[name]);
  return { train: { x, y }, inputShape, ...(labelShape !== undefined && { labelShape }) } as Pick<
    ArraysSource,
    'train' | 'inputShape' | 'labelShape'
  >;
}

/** Of indices of classes: as those of the validation set are stored, where that is in memory. */
function indexType(beside: Field['type'] | undefined): Field['type'] {
  return beside === undefined || beside === 'float32' ? 'int32' : beside;
}

function arrayOf({ values }: Flat, type: Field['type']): SourceArray {
  const array = emptyArray(type, values.length);
  array.set(values);
  return array;
}

/** In the form in which the arrays were given. */
function byName<T>({ names: { form, names }, flats }: Side, map: (name: string, flat: Flat) => T): Named<T> {
  const values = names.map((name): [string, T] => [name, map(name, flats[name])]);
  if (form === 'one') return values[0][1];
  return form === 'list' ? values.map(([, value]) => value) : Object.fromEntries(values);
}
