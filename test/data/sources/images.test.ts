import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Dataset, StoredSplit } from '../../../src/common/dataset.js';
import { loadDataset } from '../../../src/data/load.js';
import { openStored } from '../../../src/data/open_stored.js';
import type { DataConfig } from '../../../src/data/sources/source.js';
import { plain } from '../../support/plain_data.js';
import { temporaryFolder } from '../../support/temporary_folder.js';

const golden = (name: string): string => fileURLToPath(new URL(`../../golden/files/pictures/${name}`, import.meta.url));

let notes: string[];
beforeEach(async () => {
  notes = [];
  const before = process.env.TFJS_PARALLEL_CACHE;
  process.env.TFJS_PARALLEL_CACHE = await temporaryFolder();
  onTestFinished(
    () => void (before === undefined ? delete process.env.TFJS_PARALLEL_CACHE : (process.env.TFJS_PARALLEL_CACHE = before)),
  );
});

async function load(data: string, options: Partial<DataConfig> = {}): Promise<Dataset> {
  const config = { data, dataDir: null, trainLimit: null, validationLimit: null, seed: 1, ...options };
  return loadDataset(config, {
    onProgress: (progress) => progress.kind === 'note' && notes.push(progress.message.replaceAll(data, 'pictures')),
  });
}

/** Gray pictures of 2 × 3 whose pixels are all the number; other files as they are. */
async function folder(files: Readonly<Record<string, number | string>>): Promise<string> {
  const place = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    const path = join(place, name);
    await mkdir(dirname(path), { recursive: true });
    if (typeof content !== 'number')
      await (content.endsWith('.csv') || content.includes('\n') ? writeFile(path, content) : copyFile(golden(content), path));
    else
      await sharp(Buffer.alloc(6, content), { raw: { width: 3, height: 2, channels: 1 } })
        .png()
        .toFile(path);
  }
  return place;
}

const pixelsOf = (values: ArrayLike<number>): number[] => Array.from({ length: values.length / 6 }, (_, at) => values[at * 6]);

test('a folder for each class: classes and pictures in the order of their names, with a validation set', async () => {
  const data = await folder({
    ...{
      'train/dog/2.png': 2,
      'train/dog/10.png': 10,
      'train/cat/a.png': 3,
      'train/cat/deep/b.png': 4,
      'train/.hidden/x.png': 9,
    },
    ...{ 'val/cat/c.png': 5, 'test/dog/d.png': 6, 'train/dog/readme.txt': 'no picture\n' },
  });
  const set = plain(await load(data, { imageChannels: 'gray' }));
  expect(set).toMatchObject({ inputShape: [2, 3, 1], labelShape: [], classes: 2, scale: 1 / 255 });
  expect([pixelsOf(set.train.x), [...set.train.y]]).toEqual([
    [3, 4, 10, 2],
    [0, 0, 1, 1],
  ]);
  expect([pixelsOf(set.validation.x), [...set.validation.y]]).toEqual([[5], [0]]);
  expect(notes).toEqual(['pictures: 2 classes: cat, dog']);
  expect((await load(data, { imageChannels: 'gray' })).classNames).toEqual(['cat', 'dog']);
});

test('folders whose names are one number are not one class', async () => {
  const data = await folder({ '01/a.png': 1, '1/b.png': 2, '0/c.png': 3 });
  await expect(load(data, { imageChannels: 'gray' })).rejects.toMatchObject({
    code: 'DATA_TABLES',
    message: `${data}: its classes 01 and 1 are one number: write it alike, or call one otherwise`,
  });
  const { train } = await load(await folder({ '01/a.png': 1, '10/b.png': 2 }), { imageChannels: 'gray' });
  expect([...train.targets.y]).toEqual([1, 10]);
});

test('a CSV of labels alone fixes the order', async () => {
  const data = await folder({
    ...{ '1.png': 1, '2.png': 2, '3.png': 3, 'labels.csv': 'file,label\n3.png,7\n1.png,0\n3.png,7\n' },
    'test.csv': 'file,label\n2.png,0\n',
  });
  const set = plain(
    await load(data, { imageChannels: 'gray', labelFile: join(data, 'labels.csv'), validationFile: join(data, 'test.csv') }),
  );
  expect([pixelsOf(set.train.x), [...set.train.y], set.classes]).toEqual([[3, 1, 3], [7, 0, 7], 8]);
  expect(pixelsOf(set.validation.x)).toEqual([2]);
});

test('broken pictures are named and counted, and skipped where that is wanted', async () => {
  const data = await folder({
    'a/1.png': 1,
    'a/2.png': 'text.png',
    'b/3.png': 3,
    'b/4.jpg': 'cut.jpg',
    'b/5.png': 'gray.png',
    'b/6.jpg': 'cmyk.jpg',
  });
  const error: unknown = await load(data, { imageChannels: 'gray' }).catch((thrown: unknown) => thrown);
  expect(`${(error as { code: string }).code} ${(error as Error).message.replaceAll(data, 'pictures')}`).toMatchInlineSnapshot(
    `"DATA_IMAGES pictures: 4 of 6 pictures cannot be used: pictures/a/2.png cannot be decoded: Input buffer contains unsupported image format; pictures/b/4.jpg cannot be decoded: Input buffer has corrupt header: VipsJpeg: premature end of JPEG image; pictures/b/5.png is 17 × 23, others 2 × 3: --image-size makes them alike; pictures/b/6.jpg is in CMYK, wanted gray or RGB"`,
  );
  const skipped = await load(data, { imageChannels: 'gray', onBadFile: 'skip' });
  const set = plain({ ...skipped, validation: skipped.train });
  expect([pixelsOf(set.train.x), [...set.train.y]]).toEqual([
    [1, 3],
    [0, 1],
  ]);
  expect(notes.some((note) => note.startsWith('pictures: 4 of 6 pictures cannot be used'))).toBe(true);
});

test('beyond the memory that it may take, each row is decoded when it is asked for: the same data', async () => {
  const data = await folder({ 'a/1.png': 1, 'a/2.png': 2, 'b/3.png': 3, 'b/4.png': 4 });
  const whole = await load(data);
  const set = await load(data, { dataMemory: 2 ** -16 });
  expect([set.sha256, set.fields]).toEqual([whole.sha256, whole.fields]);
  const into = { inputs: { x: new Uint8Array(3 * 18) }, targets: { y: new Int32Array(3) } };
  const opened = await openStored(set.train as StoredSplit, set.fields);
  await opened.read(Int32Array.of(3, 0, 2), into);
  expect([[0, 18, 36].map((at) => into.inputs.x[at]), [...into.targets.y]]).toEqual([
    [4, 1, 3],
    [1, 0, 1],
  ]);
  await rm(join(data, 'a/1.png'));
  await expect(opened.read(Int32Array.of(0), into)).rejects.toMatchObject({ code: 'DATA_CHANGED' });
});

test('the identity is that of the bytes, the labels and the size', async () => {
  const files = { 'a/1.png': 1, 'b/3.png': 3 };
  const base = await load(await folder(files));
  const others = await Promise.all([
    load(await folder({ ...files, 'b/3.png': 4 })),
    load(await folder({ 'a/1.png': 1, 'a/3.png': 3, 'b/4.png': 4 })),
    load(await folder(files), { imageSize: '4' }),
    load(await folder(files), { imageChannels: 'gray' }),
  ]);
  expect((await load(await folder(files))).sha256).toBe(base.sha256);
  expect(new Set([base, ...others].map(({ sha256 }) => sha256)).size).toBe(5);
});

test('hidden files are no pictures, at any depth, and links to folders are classes', async () => {
  const data = await folder({ 'cat/a.png': 1, 'cat/.ipynb_checkpoints/a-checkpoint.png': 2, 'dog/b.png': 3 });
  await writeFile(join(data, 'cat', '._a.png'), 'of macOS\n');
  await mkdir(join(data, '__MACOSX'));
  await writeFile(join(data, '__MACOSX', 'x.png'), 'of macOS\n');
  const elsewhere = await folder({ 'c.png': 4 });
  await symlink(elsewhere, join(data, 'bird'));
  const { classNames, train } = await load(data, { imageChannels: 'gray' });
  expect(train.count).toBe(3);
  expect(classNames).toEqual(['bird', 'cat', 'dog']);
});
