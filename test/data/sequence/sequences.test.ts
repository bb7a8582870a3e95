/** Owns: what a sequence may be, in which order its examples come, and what is refused of it, without a model. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it, test } from 'vitest';
import type { Dataset } from '../../../src/common/dataset.js';
import { requireCounted } from '../../../src/common/schedule.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../src/common/train_config.js';
import { limitDataset } from '../../../src/data/load.js';
import type { SequenceBatch, SequenceReader } from '../../../src/data/sequence/sequence_batches.js';
import { openSequences, type SequencesSource } from '../../../src/data/sequence/sequence_dataset.js';

const SETTINGS = { batch: 3, seed: 1, shuffle: true, shuffleBuffer: 4 };
const NUMBERS = Array.from({ length: 10 }, (_, row) => ({ x: [row, row / 2], y: row % 3 }));

async function reader(source: SequencesSource, settings = SETTINGS): Promise<SequenceReader> {
  const { dataset, readers } = await openSequences(source, 'streamed', {});
  return readers!.train(dataset.sequence!.train, settings);
}

const valuesOf = ({ split }: SequenceBatch): number[] => [...split.inputs.x].filter((_, at) => at % 2 === 0);

async function epochOf(from: SequenceReader, epoch: number, skip = 0): Promise<number[]> {
  await from.begin({ epoch, skip });
  return restOf(from);
}

async function restOf(from: SequenceReader): Promise<number[]> {
  const values: number[] = [];
  for (let batch = await from.next(); batch !== null; batch = await from.next()) {
    values.push(...valuesOf(batch));
  }
  return values;
}

test('an epoch has each example once, in an order of its own, in which none comes more than a buffer too early', async () => {
  const from = await reader({ train: () => NUMBERS });
  const [first, second] = [await epochOf(from, 1), await epochOf(from, 2)];
  expect([...first].sort((a, b) => a - b)).toEqual(NUMBERS.map(({ x }) => x[0]));
  expect(second).not.toEqual(first);
  await from.begin({ epoch: 1, skip: 3 });
  const batch = await from.next();
  expect([...batch!.split.places!]).toEqual(valuesOf(batch!));
  first.forEach((value, at) => expect(value).toBeLessThan(at + SETTINGS.shuffleBuffer));
  // The numbers are those of the seed and the epoch, wherever they are drawn.
  expect(await epochOf(await reader({ train: () => NUMBERS }), 2)).toEqual(second);
  expect(await epochOf(from, 3, 4)).toEqual((await epochOf(await reader({ train: () => NUMBERS }), 3)).slice(4));
  expect(await epochOf(await reader({ train: () => NUMBERS }, { ...SETTINGS, shuffle: false }), 1)).toEqual(
    NUMBERS.map(({ x }) => x[0]),
  );
});

test('what was read has one hash, however it is given: tensors, typed arrays, batches of either', async () => {
  const shape = { inputShape: [2], labelShape: [] };
  const tensors = NUMBERS.map(({ x, y }) => ({ xs: tf.tensor1d(x), ys: tf.scalar(y, 'int32') }));
  const typed = NUMBERS.map(({ x, y }) => [Float64Array.from(x), Int32Array.of(y)]);
  const four = [NUMBERS.slice(0, 4), NUMBERS.slice(4)].map((rows) => ({
    x: Float32Array.from(rows.flatMap(({ x }) => x)),
    y: Int8Array.from(rows, ({ y }) => y),
  }));
  const kinds: SequencesSource['train'][] = [
    () => NUMBERS,
    NUMBERS,
    async () => Promise.resolve(NUMBERS[Symbol.iterator]()),
    tf.data.array(tensors),
    () => typed,
    { batches: () => four },
    { batches: tf.data.array(NUMBERS).batch(3) },
    { examples: () => tf.data.array(NUMBERS), count: 10 },
  ];
  const marks = [];
  for (const train of kinds) marks.push(await (await reader({ train, ...shape })).readThrough(1));
  expect(new Set(marks.map(({ sha256 }) => sha256)).size).toBe(1);
  expect(marks.map(({ examples }) => examples)).toEqual(kinds.map(() => 10));
});

test('a data set that draws its order at each iterator is at the same one in a later epoch of a new process', async () => {
  const shuffled = (): SequencesSource => ({ train: tf.data.array(NUMBERS).shuffle(10, 'seed') });
  const settings = { ...SETTINGS, shuffle: false };
  const undisturbed = await reader(shuffled(), settings);
  const epochs = [await epochOf(undisturbed, 1), await epochOf(undisturbed, 2), await epochOf(undisturbed, 3)];
  expect(epochs[2]).not.toEqual(epochs[1]);
  expect(await epochOf(await reader(shuffled(), settings), 3)).toEqual(epochs[2]);
});

test('an epoch is told; memory is that of four batches', async () => {
  const epochs: number[] = [];
  const from = await reader({
    train: ({ epoch }) => {
      epochs.push(epoch);
      return NUMBERS;
    },
  });
  await from.begin({ epoch: 1, skip: 0 });
  const [first] = [await from.next(), await from.next(), await from.next(), await from.next()];
  await epochOf(from, 4);
  expect(epochs).toEqual([0, 3]);
  await from.begin({ epoch: 5, skip: 0 });
  expect((await from.next())?.split.inputs.x.buffer).not.toBe(undefined);
  expect(first?.split.count).toBe(3);
});

test('fields are those of the first example: a whole number is the index of a class, unless a shape says otherwise', async () => {
  const fieldsOf = async (source: SequencesSource): Promise<unknown> => {
    const { inputs, targets } = (await openSequences(source, 'streamed', {})).dataset.fields;
    return [...inputs, ...targets].map(({ name, shape, type, classes }) => [name, shape, type, classes]);
  };
  const given = (x: unknown, y: unknown, more = {}): SequencesSource => ({ train: () => [{ x, y }], ...more });
  expect(await fieldsOf(given([1, 2], 3))).toEqual([
    ['x', [2], 'float32', undefined],
    ['y', [], 'int32', undefined],
  ]);
  expect(await fieldsOf(given(5, 3, { labelShape: [1], scale: 2 }))).toEqual([
    ['x', [1], 'float32', undefined],
    ['y', [1], 'float32', undefined],
  ]);
  expect(await fieldsOf(given(Uint8Array.of(1, 2, 3, 4), 0.5, { inputShape: [2, 2, 1] }))).toEqual([
    ['x', [2, 2, 1], 'uint8', undefined],
    ['y', [1], 'float32', undefined],
  ]);
  expect(await fieldsOf(given({ left: [1], right: [[2, 3]] }, [0, 1, 0], { classes: 3 }))).toEqual([
    ['left', [1], 'float32', undefined],
    ['right', [1, 2], 'float32', undefined],
    ['y', [3], 'float32', 3],
  ]);
  const validation = { x: Float32Array.of(1, 2), y: Uint8Array.of(1) };
  expect(await fieldsOf(given([1, 2], 3, { validation }))).toEqual([
    ['x', [2], 'float32', undefined],
    ['y', [], 'uint8', undefined],
  ]);
});

test('few of them, or a validation set, are read into memory where that is wanted', async () => {
  const source = { train: () => NUMBERS, validation: () => NUMBERS.slice(0, 4) };
  const few = (await openSequences(source, 'refused', { overfit: 5 })).dataset;
  expect([few.sequence, few.train.count, few.validation?.count]).toEqual([undefined, 5, 5]);
  expect([...few.train.targets.y]).toEqual([0, 1, 2, 0, 1]);
  const evaluated = (await openSequences(source, 'evaluated', {})).dataset;
  expect([evaluated.sequence, evaluated.validation?.count]).toEqual([undefined, 4]);
  const { dataset } = await openSequences(source, 'streamed', {});
  const limited: Dataset = limitDataset<Dataset>(dataset, { trainLimit: 6, validationLimit: 2 });
  expect(limited.sequence).toEqual({ train: { count: 6 }, validation: { count: 2 }, where: null });
});

const at = (rows: unknown[]): SequencesSource => ({ train: () => [{ x: [1, 2], y: 0 }, ...rows] });
describe('refuses', () => {
  it.each<[string, SequencesSource, string, string]>([
    [
      'an iterator',
      { train: NUMBERS[Symbol.iterator]() as Iterable<unknown> },
      'DATA_SEQUENCE',
      'train is an iterator, which can be gone through once',
    ],
    [
      'fewer than said',
      { train: { examples: () => NUMBERS, count: 60 } },
      'DATA_SEQUENCE',
      'train ended after 10 of 60 examples in epoch 1',
    ],
    ['other rows', at([{ x: [1], y: 0 }]), 'DATA_SEQUENCE', 'train.x of example 1 in epoch 1 is [1], wanted [2]'],
    ['a label between', at([{ x: [1, 2], y: 0.5 }]), 'DATA_SEQUENCE', 'train.y of example 1 in epoch 1 has 0.5, wanted whole'],
    [
      'a label too large',
      { ...at([{ x: [1, 2], y: 7 }]), classes: 3 },
      'DATA_SEQUENCE',
      'is 7, wanted a whole number from 0 to 2',
    ],
    ['no number', at([{ x: [1, NaN], y: 0 }]), 'DATA_SEQUENCE', 'train.x of example 1 in epoch 1 has NaN, wanted finite'],
    ['text', at([{ x: 'ab', y: 0 }]), 'DATA_SEQUENCE', 'train.x is "ab", wanted a number, a tensor'],
    ['weights', at([{ x: [1, 2], y: 0, weights: 1 }]), 'DATA_SEQUENCE', 'an example with weights, wanted x and y alone'],
    [
      'weights by the name that Keras has',
      at([{ xs: [1, 2], ys: 0, sampleWeight: 1 }]),
      'DATA_SEQUENCE',
      'an example with sampleWeight, wanted x and y alone: weights of examples are taken of arrays in memory alone',
    ],
    ['weights as a third', at([[[1, 2], 0, 1]]), 'DATA_SEQUENCE', 'gave three values for an example, wanted [x, y]: weights'],
    ['nothing', { train: () => [] }, 'DATA_EMPTY', 'train gave no example'],
    ['no example', { train: () => [5] }, 'DATA_SEQUENCE', 'train gave 5 for an example, wanted { x, y }'],
    ['no iterator', { train: () => 5 }, 'DATA_SEQUENCE', 'train gave 5, wanted an iterator or an iterable of examples'],
    ['what else there is', { train: { examples: () => NUMBERS, size: 3 } as never }, 'DATA_SEQUENCE', 'train.size is not known'],
  ])('%s', async (_, source, code, message) => {
    const read = async (): Promise<unknown> => (await reader(source)).readThrough(1);
    await expect(read()).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
  });

  it('in the words of what gives them', async () => {
    const from = await reader({
      train: function* ({ epoch }) {
        yield* NUMBERS;
        if (epoch === 1) throw new Error('the line is dead');
      },
    });
    expect(await epochOf(from, 1)).toHaveLength(10);
    await expect(epochOf(from, 2)).rejects.toMatchObject({
      code: 'DATA_SEQUENCE',
      message: expect.stringMatching(
        /^a sequence: train failed at item 10 of epoch 2: Error: the line is dead \(.*sequences\.test\.ts:\d+:\d+\)$/,
      ) as string,
    });
  });

  it('what others cannot read, and schedules by the steps of an epoch that nobody knows', async () => {
    const source = { name: 'lines', train: () => NUMBERS };
    await expect(openSequences(source, 'refused', {})).rejects.toMatchObject({ code: 'DATA_SEQUENTIAL' });
    const { schedule } = DEFAULT_TRAIN_CONFIG.optimizer;
    const counted = (over: Partial<typeof schedule>, count: number | null): void =>
      requireCounted({ ...schedule, ...over }, { name: 'lines', count });
    expect(() => counted({ name: 'cosine' }, null)).toThrow(expect.objectContaining({ code: 'SCHEDULE_NEEDS_COUNT' }) as Error);
    expect(() => counted({ warmupEpochs: 2 }, null)).toThrow('a warm-up of 2 epochs ends after so many steps');
    expect(() => [counted({ name: 'cosine', warmupEpochs: 1 }, 5), counted({ name: 'step' }, null)]).not.toThrow();
  });
});
