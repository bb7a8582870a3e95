import { expect, test } from 'vitest';
import { datasetFromArrays, type ArraysSource, type SourceArray } from '../../src/data/arrays.js';
import { byteSlices } from '../../src/data/assemble.js';
import { plain } from '../support/plain_data.js';

interface PlainSource extends ArraysSource {
  readonly train: { readonly x: SourceArray; readonly y: SourceArray };
  readonly validation: { readonly x: SourceArray; readonly y: SourceArray };
}

/** Three training and two validation examples of [2]. */
function source(over: Partial<PlainSource> = {}): PlainSource {
  return {
    train: { x: Float32Array.of(1, 2, 3, 4, 5, 6), y: Uint8Array.of(0, 2, 1) },
    validation: { x: Float32Array.of(7, 8, 9, 10), y: Uint8Array.of(1, 0) },
    inputShape: [2],
    ...over,
  };
}

async function failure(over: unknown): Promise<string> {
  const error: unknown = await datasetFromArrays(source(over as Partial<PlainSource>)).catch((thrown: unknown) => thrown);
  return `${(error as { code: string }).code} ${(error as Error).message}`;
}

const y = (train: SourceArray, validation: SourceArray): Partial<PlainSource> => ({
  train: { ...source().train, y: train },
  validation: { ...source().validation, y: validation },
});

test('arrays are copied once into shared memory, and changing the originals changes nothing', async () => {
  const given = source({ name: 'mine', scale: 0.5 });
  const set = plain(await datasetFromArrays(given));
  given.train.x[0] = 99;
  given.train.y[0] = 99;
  expect(set).toMatchObject({ name: 'mine', inputShape: [2], labelShape: [], classes: 3, scale: 0.5 });
  expect([...set.train.x, ...set.train.y, set.train.count]).toEqual([1, 2, 3, 4, 5, 6, 0, 2, 1, 3]);
  expect([...set.validation.x, ...set.validation.y, set.validation.count]).toEqual([7, 8, 9, 10, 1, 0, 2]);
  for (const split of [set.train, set.validation])
    for (const values of [split.x, split.y]) expect(values.buffer).toBeInstanceOf(SharedArrayBuffer);
});

test('a tensor is refused as one, with what to give', async () => {
  const values = Float32Array.of(7, 8, 9, 10);
  const tensor = {
    ...{ shape: [2, 2], dtype: 'float32', dataId: {}, kept: false },
    ...{ data: () => Promise.resolve(values), dataSync: () => values },
  };
  const wanted = (path: string, name: string): string =>
    `DATA_ARRAYS arrays: ${path} is a tensor: give its values, ${name}: tensor.dataSync(), and the shape of one example beside train; fit() takes tensors`;
  expect(await failure({ validation: { x: tensor, y: Uint8Array.of(1, 0) } })).toBe(wanted('validation.x', 'x'));
  const train = { x: { left: tensor }, y: Uint8Array.of(0, 1) };
  expect(await failure({ train, validation: null, inputShape: { left: [2] } })).toBe(wanted('train.x.left', 'left'));
});

test('integer labels are class indices, floating-point labels are targets, rows with a single 1 are classes', async () => {
  const shapes = async (over: Partial<PlainSource>): Promise<unknown> => {
    const { labelShape, classes, train } = plain(await datasetFromArrays(source(over)));
    return [labelShape, classes, train.y.constructor.name];
  };
  expect(await shapes(y(Int32Array.of(0, 2, 1), Int32Array.of(1, 0)))).toEqual([[], 3, 'Int32Array']);
  expect(await shapes(y(Float32Array.of(0.5, 2, 1), Float32Array.of(1, 0)))).toEqual([[1], undefined, 'Float32Array']);
  expect(await shapes({ ...y(Float32Array.of(0, 2, 1), Float32Array.of(1, 0)), labelShape: [] })).toEqual([[], 3, 'Int32Array']);
  expect(await shapes(y(Float32Array.of(0, 1, 1, 0, 1, 0), Float32Array.of(1, 0, 0, 1)))).toEqual([[2], 2, 'Float32Array']);
  expect(await shapes(y(Float32Array.of(0, 1, 1, 1, 1, 0), Float32Array.of(1, 0, 0, 1)))).toEqual([
    [2],
    undefined,
    'Float32Array',
  ]);
  expect(await shapes({ ...y(Int32Array.of(0, 2, 1), Int32Array.of(1, 0)), classes: 12 })).toEqual([[], 12, 'Int32Array']);
});

test('other typed arrays are kept in a type that holds their values', async () => {
  const cases: [SourceArray, string, number[]][] = [
    [Uint8ClampedArray.of(255, 0), 'Uint8Array', [255, 0]],
    [Int8Array.of(-128, 1), 'Int32Array', [-128, 1]],
    [Int16Array.of(-300, 1), 'Int32Array', [-300, 1]],
    [Uint16Array.of(65535, 1), 'Int32Array', [65535, 1]],
    [Float64Array.of(0.1, 1), 'Float32Array', [Math.fround(0.1), 1]],
  ];
  for (const [x, type, values] of cases) {
    const one = { x, y: Uint8Array.of(0) };
    const set = plain(await datasetFromArrays(source({ train: one, validation: one })));
    expect([set.train.x.constructor.name, ...set.train.x]).toEqual([type, ...values]);
  }
});

test('the identity changes with any value, shape, scale or split, and with nothing else', async () => {
  const hash = async (over: Partial<PlainSource>): Promise<string> => (await datasetFromArrays(source(over))).sha256;
  const base = await hash({});
  expect(await hash({ name: 'another name' })).toBe(base);
  expect(await hash({ classes: 3, labelShape: [], scale: 1 })).toBe(base);
  const others = await Promise.all([
    hash({ train: { ...source().train, x: Float32Array.of(1, 2, 3, 4, 5, 6.5) } }),
    hash({ train: source().validation, validation: source().train }),
    hash({ scale: 2 }),
    hash({ classes: 4 }),
    hash({ inputShape: [1, 2] }),
    hash(y(Uint8Array.of(0, 2, 1), Uint8Array.of(1, 1))),
    hash(y(Int32Array.of(0, 2, 1), Int32Array.of(1, 0))),
  ]);
  expect(new Set([base, ...others]).size).toBe(8);
});

test('every mistake is named with what was wanted', async () => {
  expect(await failure({ inputShape: undefined })).toBe(
    'DATA_ARRAYS arrays: inputShape is undefined, wanted a list of positive whole numbers',
  );
  expect(await failure({ inputShape: [2, 0] })).toBe(
    'DATA_ARRAYS arrays: inputShape is [2, 0], wanted a list of positive whole numbers',
  );
  expect(await failure({ inputShape: [4] })).toBe(
    'DATA_ARRAYS arrays: train.x has 6 values, not a multiple of 4: inputShape is [4]',
  );
  expect(await failure({ scale: 0 })).toBe('DATA_ARRAYS arrays: scale is 0, wanted a number other than 0');
  expect(await failure({ classes: 2.5 })).toBe('DATA_ARRAYS arrays: classes is 2.5, wanted a positive whole number');
  expect(await failure({ classes: 2 })).toBe(
    'DATA_LABELS arrays: label 1 of the train set is 2, wanted a whole number from 0 to 1',
  );
  expect(await failure({ labelShape: [2] })).toBe(
    'DATA_ARRAYS arrays: train.y has 3 values, wanted 6: 3 examples of labelShape [2]',
  );
  expect(await failure({ train: undefined })).toBe('DATA_ARRAYS arrays: train is undefined, wanted { x, y } of typed arrays');
  expect(await failure({ validation: { x: [[1, 2]], y: Uint8Array.of(1) } })).toBe(
    'DATA_ARRAYS arrays: validation.x is [[1, 2]], wanted a typed array (Uint8Array, Int32Array, Float32Array ...)',
  );
  expect(await failure({ validation: { x: Float32Array.of(), y: Uint8Array.of() } })).toBe(
    'DATA_EMPTY arrays: the validation set is empty',
  );
  expect(await failure({ train: { x: Float32Array.of(1, NaN), y: Uint8Array.of(0) } })).toBe(
    'DATA_ARRAYS arrays: train.x[1] is NaN, wanted a finite float32',
  );
  expect(await failure({ train: { x: Float64Array.of(1, 1e39), y: Uint8Array.of(0) } })).toBe(
    'DATA_ARRAYS arrays: train.x[1] is 1e+39, wanted a finite float32',
  );
  expect(await failure({ validation: { x: Uint8Array.of(1, 2), y: Uint8Array.of(0) } })).toBe(
    'DATA_ARRAYS arrays: train and validation differ in the types of their arrays',
  );
  expect(await failure(y(Uint8Array.of(0, 1), Uint8Array.of(1, 0)))).toMatch(
    /^DATA_ARRAYS arrays: train\.y has 2 values, wanted 3/,
  );
  expect(await failure({ ...y(Float32Array.of(0, 1, 1, 0, 1, 0), Float32Array.of(1, 0, 0, 1)), classes: 3 })).toBe(
    'DATA_ARRAYS arrays: classes is 3, but labels have the shape [2]',
  );
});

test('what labels mean is for the loss to say: one value each may be a target, negative or with a fraction', async () => {
  for (const labels of [
    y(Int32Array.of(0, -1, 2), Int32Array.of(1, 0)),
    y(Int8Array.of(0, -1, 2), Int8Array.of(1, 0)),
    { ...y(Float32Array.of(0, 1.5, 2), Float32Array.of(1, 0)), labelShape: [] },
  ])
    expect(plain(await datasetFromArrays(source(labels)))).toMatchObject({ labelShape: [], classes: undefined });
});

test('arrays of more than 2^32 bytes are hashed in slices: no view of the whole exists on Node 20', () => {
  // 2^30 + 3 values of 32 bits; nothing is read, so no memory is touched.
  const values = new Int32Array(new SharedArrayBuffer(2 ** 32 + 12));
  let bytes = 0;
  let last = 0;
  for (const slice of byteSlices(values)) [bytes, last] = [bytes + slice.length, slice.byteOffset + slice.length];
  expect([bytes, last]).toEqual([2 ** 32 + 12, 2 ** 32 + 12]);
});
