import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { Dataset, StoredSplit } from '../../../src/common/dataset.js';
import { emptyArray, isInMemory } from '../../../src/common/dataset.js';
import type { DataConfig } from '../../../src/data/sources/source.js';
import { loadNpz, npz } from '../../../src/data/sources/npz.js';
import { openSplit } from '../../../src/data/open_split.js';
import { openStored } from '../../../src/data/open_stored.js';
import { plain, type PlainData } from '../../support/plain_data.js';
import { temporaryFolder } from '../../support/temporary_folder.js';

/** Made by scripts/golden/make_files.py. */
const file = (name: string): string => fileURLToPath(new URL(`../../golden/files/${name}`, import.meta.url));
const config = (name: string, options: Partial<DataConfig> = {}): DataConfig => ({
  ...{ data: name.includes('/') ? name : file(name), dataDir: null, trainLimit: null, validationLimit: null, seed: 1 },
  ...options,
});

async function load(name: string, options: Partial<DataConfig> = {}): Promise<PlainData> {
  const set = await loadNpz(config(name, options));
  return plain({ ...set, validation: set.validation ?? set.train });
}

async function failure(name: string, options: Partial<DataConfig> = {}): Promise<string> {
  const error: unknown = await loadNpz(config(name, options)).catch((thrown: unknown) => thrown);
  const { code, message } = error as Error & { code: string };
  return `${code} ${message.replaceAll(/\/[^ :,]*\//g, '')}`;
}

/** A cache of the test's own. */
async function ownCache(): Promise<void> {
  const before = process.env.TFJS_PARALLEL_CACHE;
  process.env.TFJS_PARALLEL_CACHE = await temporaryFolder();
  onTestFinished(() => {
    if (before === undefined) delete process.env.TFJS_PARALLEL_CACHE;
    else process.env.TFJS_PARALLEL_CACHE = before;
  });
}

const COUNTING = Uint8Array.from({ length: 7 * 12 }, (_, at) => at);

test('x_train, y_train, x_test and y_test make a data set as the same IDX files do, stored or compressed', async () => {
  for (const name of ['stored.npz', 'compressed.npz']) {
    const set = await load(name);
    expect(set).toMatchObject({ name, inputShape: [3, 4, 1], labelShape: [], classes: 3, scale: 1 / 255 });
    expect(set.train).toEqual({ count: 7, x: COUNTING, y: Uint8Array.of(0, 1, 2, 0, 1, 2, 2) });
    expect(set.validation.count).toBe(3);
    expect([...set.validation.x.subarray(0, 12)]).toEqual([8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3]);
  }
});

test('each type that numpy has for numbers is read, little- and big-endian', async () => {
  for (const kind of ['i2', 'u2', 'i4', 'u4', 'i8', 'u8', 'f2', 'f4', 'f8'])
    for (const order of '<>') {
      const { train } = await load('types.npz', { inputs: [order + kind], labels: ['y'] });
      expect(train.x).toEqual((kind.startsWith('f') ? Float32Array : Int32Array).of(0, 1, 2, 3, 100, 7));
      expect(train.y).toEqual(Int32Array.of(1, 0, 1));
    }
  expect((await load('types.npz', { inputs: ['b1'], labels: ['y'] })).train.x).toEqual(Int32Array.of(0, 0, 1, 1, 1, 1));
  expect((await load('types.npz', { inputs: ['i1'], labels: ['y'] })).train.x).toEqual(Int32Array.of(-0, -1, -2, -3, -100, -7));
  // Each half is a float32: 0.1 and 1/3 rounded to 11 bits.
  expect((await load('types.npz', { inputs: ['half'], labels: ['y'] })).train.x).toEqual(
    Float32Array.of(65504, -(2 ** -24), 2 ** -14, 1638 / 2 ** 14, -0, 1365 / 2 ** 12),
  );
});

test('what holds no numbers, or such as do not fit, is refused by name and place', async () => {
  const told: string[] = [];
  for (const name of ['complex', 'text', 'objects', 'dates', 'records', 'scalar', 'longer', 'wide', 'nan', 'missing'])
    told.push(await failure('types.npz', { inputs: [name], labels: ['y'] }));
  expect(told).toMatchInlineSnapshot(`
    [
      "DATA_NOT_NUMPY types.npz, complex.npy: holds complex numbers (<c8), wanted numbers: bool, integers, float16, float32 or float64",
      "DATA_NOT_NUMPY types.npz, text.npy: holds text (<U1), wanted numbers: bool, integers, float16, float32 or float64",
      "DATA_NOT_NUMPY types.npz, objects.npy: holds Python objects (|O), wanted numbers: bool, integers, float16, float32 or float64",
      "DATA_NOT_NUMPY types.npz, dates.npy: holds dates (<M8[D]), wanted numbers: bool, integers, float16, float32 or float64",
      "DATA_NOT_NUMPY types.npz, records.npy: holds records of several fields, wanted numbers of one type",
      "DATA_TABLES types.npz: scalar is one number, wanted a row for each example",
      "DATA_TABLES types.npz: y has 3 rows, longer has 4",
      "DATA_VALUE types.npz, wide.npy: row 0 is 2147483648, which is beyond 32 bits: whole numbers are kept as int32",
      "DATA_VALUE types.npz, nan.npy: row 1, value 1 is NaN, wanted a finite float32",
      "DATA_TABLES types.npz: it has no array missing, missing_train or the like; it has y, <i2, >i2, <u2, >u2, <i4, >i4, <u4, >u4, <i8, >i8, <u8, >u8, <f2, >f2, <f4, >f4, <f8, >f8, b1",
    ]
  `);
  expect(await failure('types.npz')).toMatchInlineSnapshot(
    `"DATA_TABLES types.npz: none of its arrays is called x, X, inputs, input, images, data, features; it has y, <i2, >i2, <u2, >u2, <i4, >i4, <u4, >u4, <i8, >i8, <u8, >u8, <f2, >f2, <f4, >f4, <f8, >f8, b1"`,
  );
});

test('columns first (Fortran order) is put right, and refused where it does not fit in memory', async () => {
  const straight = await load('fortran.npz', { inputs: ['straight'], labels: ['y'] });
  const fortran = await load('fortran.npz');
  expect(fortran.train.x).toEqual(Int32Array.from({ length: 24 }, (_, at) => at));
  expect(fortran.sha256).toBe(straight.sha256);
  await ownCache();
  expect(await failure('fortran.npz', { dataMemory: 2 ** -16 })).toMatchInlineSnapshot(
    `"DATA_TOO_LARGE fortran.npz, x.npy: lies column by column (Fortran order), and its 96 bytes are more than is kept in memory"`,
  );
});

test('a value that is refused is told by its place in the row, however the file lies', async () => {
  for (const name of ['straight', 'slanted'])
    expect(await failure('holes.npz', { inputs: [name], labels: ['y'] })).toBe(
      `DATA_VALUE holes.npz, ${name}.npy: row 2, value 5 is NaN, wanted a finite float32`,
    );
});

test('all versions of the header are read, from .npy files side by side', async () => {
  const folder = await temporaryFolder();
  for (const version of [1, 2, 3]) {
    await copyFile(file(`version_${version}.npy`), join(folder, 'x.npy'));
    await copyFile(file(`version_${version}.npy`), join(folder, 'y.npy'));
    expect(npz.isMeant(folder)).toBe(true);
    for (const name of [folder, join(folder, 'x.npy')]) {
      const { train, labelShape, inputShape } = await load(name);
      expect({ ...train, labelShape, inputShape }).toEqual({
        ...{ count: 3, x: Float32Array.of(0, 1, 2, 3, 4, 5), y: Float32Array.of(0, 1, 2, 3, 4, 5) },
        ...{ inputShape: [2], labelShape: [2] },
      });
    }
  }
});

test('several inputs have their names, and a file of its own may hold the validation set', async () => {
  const set = await loadNpz(config('types.npz', { inputs: ['<i4', '>f8'], labels: ['y'], validationFile: file('types.npz') }));
  expect(set.fields.inputs.map(({ name, type, shape }) => [name, type, shape])).toEqual([
    ['<i4', 'int32', [2]],
    ['>f8', 'float32', [2]],
  ]);
  expect(set.validation!.count).toBe(3);
  const renamed = await loadNpz(config('types.npz', { inputs: ['left=<i4', 'right=>f8'], labels: ['rating=y'] }));
  expect([...renamed.fields.inputs, ...renamed.fields.targets].map(({ name }) => name)).toEqual(['left', 'right', 'rating']);
  const values = ({ train }: Dataset): unknown =>
    isInMemory(train) && [...Object.values(train.inputs), ...Object.values(train.targets)];
  expect(values(renamed)).toEqual(values(set));
  expect(await failure('types.npz', { inputs: ['left=<i4', 'left=>f8'], labels: ['y'] })).toBe(
    'DATA_TABLES types.npz: left is given 2 arrays (<i4, >f8), wanted one',
  );
});

/** All rows of both splits, backwards. */
async function backwards({ train, validation, fields }: Dataset): Promise<number[][]> {
  const [{ name, shape, type }] = fields.inputs;
  const width = shape.reduce((a, b) => a * b, 1);
  const read = [train, validation!].map(async (split) => {
    const opened = isInMemory(split) ? openSplit(split, fields) : await openStored(split, fields);
    const rows = Int32Array.from({ length: split.count }, (_, at) => split.count - 1 - at);
    const into = { inputs: { [name]: emptyArray(type, rows.length * width) }, targets: { y: new Float32Array(rows.length) } };
    await opened.read(rows, into);
    return [...into.inputs[name], ...into.targets.y];
  });
  return Promise.all(read);
}

test('beyond the memory that it may take, rows are read where they lie, or from a cache where they are compressed: the same data', async () => {
  await ownCache();
  const inMemory = await loadNpz(config('stored.npz'));
  for (const name of ['stored.npz', 'compressed.npz', 'compressed.npz']) {
    const set = await loadNpz(config(name, { dataMemory: 2 ** -16 }));
    expect(isInMemory(set.train)).toBe(false);
    expect(set.sha256).toBe(inMemory.sha256);
    expect(await backwards(set)).toEqual(await backwards(inMemory));
  }
});

test('damage is seen by the checksum where rows are read in place, too', async () => {
  await ownCache();
  const bytes = await readFile(file('stored.npz'));
  // A pixel of the inputs.
  bytes[bytes.indexOf(Buffer.from(COUNTING.subarray(0, 24))) + 9] ^= 1;
  const folder = await temporaryFolder({ 'a.npz': bytes });
  for (const dataMemory of [1, 2 ** -16])
    expect(await failure(join(folder, 'a.npz'), { dataMemory })).toBe(
      'DATA_NOT_NUMPY a.npz, x_train.npy: its x_train.npy is damaged: its checksum is another',
    );
});

test('a file that changes under a run is noticed', async () => {
  await ownCache();
  const folder = await temporaryFolder({ 'a.npz': await readFile(file('stored.npz')) });
  const set = await loadNpz(config(join(folder, 'a.npz'), { dataMemory: 2 ** -16 }));
  const bytes = await readFile(file('stored.npz'));
  await writeFile(join(folder, 'a.npz'), Buffer.concat([bytes, Buffer.alloc(1)]));
  await expect(openStored(set.train as StoredSplit, set.fields)).rejects.toMatchObject({ code: 'DATA_CHANGED' });
});

test('a file that is cut off, or damaged, is refused', async () => {
  const bytes = await readFile(file('compressed.npz'));
  const flipped = Buffer.from(bytes);
  flipped[120] ^= 255;
  const folder = await temporaryFolder({
    ...{ 'cut.npz': bytes.subarray(0, 300), 'flipped.npz': flipped, 'text.npz': 'x,y\n1,2\n', 'empty.npz': '' },
    'x.npy': (await readFile(file('version_1.npy'))).subarray(0, 150),
  });
  const told: string[] = [];
  for (const name of ['cut.npz', 'flipped.npz', 'text.npz', 'empty.npz', 'x.npy', 'none.npz'])
    told.push(await failure(join(folder, name), { inputs: ['x'], labels: ['y'] }));
  expect(told).toMatchInlineSnapshot(`
    [
      "DATA_NOT_NUMPY cut.npz: is no ZIP file, or a damaged one",
      "DATA_NOT_NUMPY flipped.npz, x_train.npy: its x_train.npy is damaged: its checksum is another",
      "DATA_NOT_NUMPY text.npz: is no ZIP file, or a damaged one",
      "DATA_NOT_NUMPY empty.npz: is no ZIP file, or a damaged one",
      "DATA_LENGTH x.npy: its header says (3, 2) of float32, which take 152 bytes; it has 150",
      "DATA_MISSING none.npz: no such file",
    ]
  `);
});
