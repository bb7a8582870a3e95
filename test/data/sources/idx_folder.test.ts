import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { loadIdxFolder } from '../../../src/data/sources/idx_folder.js';
import type { DataProgress } from '../../../src/data/progress.js';
import { idxBytes, idxHeader } from '../../support/idx_bytes.js';
import { temporaryFolder } from '../../support/temporary_folder.js';
import { plain } from '../../support/plain_data.js';

type Files = Record<string, Uint8Array>;

/** Five training and three validation images, with labels up to 11. */
function files(imageShape: number[], over: Files = {}): Files {
  return {
    'train-images-idx3-ubyte': idxBytes([5, ...imageShape]),
    'train-labels-idx1-ubyte': idxBytes([5], [0, 1, 2, 3, 4]),
    't10k-images-idx3-ubyte': idxBytes([3, ...imageShape]),
    't10k-labels-idx1-ubyte': idxBytes([3], [11, 0, 1]),
    ...over,
  };
}

function renamed(content: Files, rename: (name: string) => string): Files {
  return Object.fromEntries(Object.entries(content).map(([name, bytes]) => [rename(name), bytes]));
}

async function failure(content: Files): Promise<string> {
  const folder = await temporaryFolder(content);
  const error: unknown = await loadIdxFolder(folder).catch((thrown: unknown) => thrown);
  const { code, message } = error as Error & { code: string };
  return `${code} ${message.replaceAll(`${folder}/`, '').replace(folder, 'folder')}`;
}

test('images of any size are gray images, four dimensions keep their channels, two are vectors', async () => {
  for (const [imageShape, inputShape] of [
    [
      [7, 3],
      [7, 3, 1],
    ],
    [
      [4, 4, 3],
      [4, 4, 3],
    ],
    [[13], [13]],
  ]) {
    const set = plain(await loadIdxFolder(await temporaryFolder(files(imageShape))));
    expect(set).toMatchObject({
      inputShape,
      labelShape: [],
      classes: 12,
      scale: 1 / 255,
      train: { count: 5 },
      validation: { count: 3 },
    });
    expect([...set.validation.y]).toEqual([11, 0, 1]);
  }
});

test('the usual names are all understood and make the same data', async () => {
  const base = files([2, 3]);
  const ways: ((name: string) => string)[] = [
    (name) => name,
    (name) => name.replace('-idx', '.idx'),
    (name) => name.replace('t10k', 'test'),
    (name) => name.replace('t10k', 'validation').replace(/-idx.*/, '.idx'),
    (name) => name.replace('t10k', 'val').replace(/-idx.*/, ''),
    (name) => name.replace(/^(train|t10k)-/, '$1_'),
    (name) => `emnist-balanced-${name.replace('t10k', 'test')}`,
  ];
  const hashes = await Promise.all(
    ways.map(async (way) => (await loadIdxFolder(await temporaryFolder(renamed(base, way)))).sha256),
  );
  const zipped = Object.fromEntries(Object.entries(base).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]));
  hashes.push((await loadIdxFolder(await temporaryFolder(zipped))).sha256);
  hashes.push((await loadIdxFolder(await temporaryFolder({ ...zipped, ...base, 'readme.txt': idxBytes([1]) }))).sha256);
  expect(new Set(hashes).size).toBe(1);
});

test('more than 256 classes come as wider labels, and floating-point images are used as they are', async () => {
  const labels = (...values: number[]): Buffer => {
    const body = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => body.writeInt32BE(value, 4 * i));
    return Buffer.concat([idxHeader(0x0c, [values.length]), body]);
  };
  const floats = (...values: number[]): Buffer => {
    const body = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => body.writeFloatBE(value, 4 * i));
    return Buffer.concat([idxHeader(0x0d, [values.length, 1]), body]);
  };
  const folder = await temporaryFolder({
    'train-images': floats(0.5, -2),
    'train-labels': labels(999, 0),
    'test-images': floats(8),
    'test-labels': labels(7),
  });
  const set = plain(await loadIdxFolder(folder));
  expect(set).toMatchObject({ inputShape: [1], classes: 1000, scale: 1 });
  expect([...set.train.x, ...set.train.y]).toEqual([0.5, -2, 999, 0]);
});

test('what does not fit together is refused', async () => {
  expect(await failure({})).toBe('DATA_MISSING folder: no train images found');
  expect(await failure(files([2, 2], { 'emnist-train-images': idxBytes([1, 2, 2]) }))).toBe(
    'DATA_AMBIGUOUS folder: 2 files could be the train images: emnist-train-images, train-images-idx3-ubyte',
  );
  expect(await failure(files([2, 2], { 'train-labels-idx1-ubyte': idxBytes([4]) }))).toBe(
    'DATA_SHAPE train-images-idx3-ubyte has 5 images, train-labels-idx1-ubyte has 4 labels',
  );
  expect(await failure(files([2, 2], { 't10k-images-idx3-ubyte': idxBytes([3, 2, 3]) }))).toBe(
    'DATA_SHAPE folder: training images are uint8 [2, 2, 1], validation images uint8 [2, 3, 1]',
  );
  expect(await failure(files([2, 2], { 'train-labels-idx1-ubyte': idxBytes([5, 1]) }))).toBe(
    'DATA_SHAPE train-labels-idx1-ubyte: has 2 dimensions [5, 1], wanted 1',
  );
  expect(
    await failure(files([2], { 't10k-images-idx3-ubyte': idxBytes([0, 2]), 't10k-labels-idx1-ubyte': idxBytes([0]) })),
  ).toMatch(/^DATA_EMPTY .*: the validation set is empty$/);
});

test('labels below 0 are loaded: they may be the targets of a regression, which the loss says', async () => {
  const negative = Buffer.concat([idxHeader(0x09, [5]), Buffer.from([0, 1, 2, 0xff, 4])]);
  const other = Buffer.concat([idxHeader(9, [3]), Buffer.alloc(3)]);
  const content = files([2], { 'train-labels-idx1-ubyte': negative, 't10k-labels-idx1-ubyte': other });
  const set = plain(await loadIdxFolder(await temporaryFolder(content)));
  expect([...set.train.y, set.classes]).toEqual([0, 1, 2, -1, 4, undefined]);
});

test('a value that is no number is named with its place', async () => {
  const body = Buffer.alloc(4 * 5 * 2);
  body.writeFloatBE(NaN, 4 * 7);
  const images = Buffer.concat([idxHeader(0x0d, [5, 2, 1]), body]);
  expect(await failure(files([2, 1], { 'train-images-idx3-ubyte': images }))).toBe(
    'DATA_NOT_FINITE train-images-idx3-ubyte: the value at [3, 1, 0] is NaN, wanted a finite float32',
  );
  const wide = Buffer.alloc(8 * 5 * 2);
  wide.writeDoubleBE(-1e39, 8 * 2);
  const doubles = Buffer.concat([idxHeader(0x0e, [5, 2]), wide]);
  expect(await failure(files([2], { 'train-images-idx3-ubyte': doubles }))).toBe(
    'DATA_NOT_FINITE train-images-idx3-ubyte: the value at [1, 0] is -Infinity, wanted a finite float32',
  );
});

test('of QMNIST’s labels of eight numbers the first is the class; EMNIST’s pictures are said to be transposed', async () => {
  const labels = (rows: number[][]): Uint8Array => {
    const bytes = Buffer.alloc(rows.length * 32);
    rows.flat().forEach((value, at) => bytes.writeInt32BE(value, 4 * at));
    return Buffer.concat([idxHeader(0x0c, [rows.length, 8]), bytes]);
  };
  const row = (digit: number): number[] => [digit, 4, 2_000, 7, 48 + digit, 9, 0, 0];
  const content = {
    'qmnist-train-images-idx3-ubyte': idxBytes([2, 2, 3]),
    'qmnist-train-labels-idx2-int': labels([row(7), row(0)]),
    'qmnist-test-images-idx3-ubyte': idxBytes([1, 2, 3]),
    'qmnist-test-labels-idx2-int': labels([row(9)]),
  };
  const notes: string[] = [];
  const onProgress = (progress: DataProgress): void => void (progress.kind === 'note' && notes.push(progress.message));
  const set = plain(await loadIdxFolder(await temporaryFolder(content), { onProgress }));
  expect([set.labelShape, set.classes, [...set.train.y], [...set.validation.y]]).toEqual([[], 10, [7, 0], [9]]);
  // Under other names they could be anything.
  const others = renamed(content, (name) => name.replace('qmnist-', ''));
  expect(await failure(others)).toContain('DATA_SHAPE train-labels-idx2-int');
  const emnist = await temporaryFolder(renamed(files([2, 3]), (name) => `emnist-letters-${name.replace('t10k', 'test')}`));
  const lying = plain(await loadIdxFolder(emnist, { onProgress }));
  expect(notes.map((note) => note.split(':')[0])).toEqual(['qmnist', 'emnist']);
  expect(notes[1]).toContain('transposed');
  // With the option that the note names: upright, and nothing is said.
  const upright = plain(await loadIdxFolder(emnist, { transpose: true, onProgress }));
  expect(notes.length).toBe(2);
  expect([lying.inputShape, upright.inputShape]).toEqual([
    [2, 3, 1],
    [3, 2, 1],
  ]);
  expect(upright.sha256).not.toBe(lying.sha256);
  const picture = (of: typeof lying, at: number): number[] => [...of.validation.x.slice(at * 6, at * 6 + 6)];
  const [a, b, c, d, e, f] = picture(lying, 2);
  expect(picture(upright, 2)).toEqual([a, d, b, e, c, f]);
});

test('channels stay together when pictures are turned; vectors cannot be', async () => {
  const folder = await temporaryFolder(files([2, 3, 2]));
  const [lying, upright] = [await loadIdxFolder(folder), await loadIdxFolder(folder, { transpose: true })].map(plain);
  const pixel = (of: typeof lying, row: number, column: number): number[] => {
    const [height, width] = of.inputShape;
    const start = (height * width + row * width + column) * 2;
    return [...of.train.x.slice(start, start + 2)];
  };
  for (const [row, column] of [
    [0, 1],
    [1, 2],
    [1, 0],
  ])
    expect(pixel(upright, column, row)).toEqual(pixel(lying, row, column));
  const vectors = loadIdxFolder(await temporaryFolder(files([13])), { transpose: true });
  await expect(vectors).rejects.toMatchObject({ code: 'DATA_SHAPE', next: 'Leave out --transpose.' });
});
