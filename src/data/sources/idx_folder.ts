/**
 * Owns: a user's own set in IDX format: which files of a folder are which.
 * Does not: parse IDX (idx.ts), or check hashes: nobody knows them.
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { MemoryDataset } from '../../common/dataset.js';
import { errorMessage } from '../../common/error_facts.js';
import { DataError, UsageError } from '../../common/errors.js';
import { assemblePlain, type PlainSplit } from '../assemble.js';
import { readIdx } from '../idx.js';
import type { IdxArray } from '../idx_sink.js';
import type { OnDataProgress } from '../progress.js';
import type { SourceRow } from './source.js';

export const idx: SourceRow = {
  says: 'idx (with --data-dir)',
  isMeant: (data) => data === 'idx',
  everywhere: false,
  load: async ({ dataDir, transpose = false }, onProgress) => {
    if (dataDir !== null) return loadIdxFolder(dataDir, { transpose, onProgress });
    throw new UsageError({
      code: 'DATA_DIR_NEEDED',
      message: 'data idx needs the folder of its files',
      next: 'Add --data-dir FOLDER.',
    });
  },
};

/** `train-images-idx3-ubyte.gz`, `t10k-labels.idx1-ubyte`, `emnist-balanced-test-images-idx3-ubyte`, `val_labels.idx` ... */
const FILE_NAME = /^(?:[^.].*[-_])?(train|t10k|test|val|validation)[-_](images|labels)(?:[-.].*)?$/;

const LAYOUT =
  'The folder needs train-images, train-labels, and for validation test-images, test-labels (or t10k-, validation-, val-), as IDX, with or without -idx3-ubyte and .gz.';

/**
 * Images [n, h, w] become inputs of [h, w, 1]; [n, h, w, c] stay [h, w, c]; [n, d] are vectors of [d]. Bytes get scale 1/255, other
 * types are used as they are. Classes: the largest label + 1. `transpose`: rows become columns.
 * @throws DataError
 */
export async function loadIdxFolder(
  folder: string,
  { transpose = false, onProgress = () => {} }: { transpose?: boolean; onProgress?: OnDataProgress } = {},
): Promise<MemoryDataset> {
  const names = await listFolder(folder);
  const read = (split: 'train' | 'validation'): Promise<IdxSplit> =>
    readSplit({
      images: join(folder, findFile(folder, names, split, 'images')),
      labels: join(folder, findFile(folder, names, split, 'labels')),
      transpose,
    });
  const note = noteOn(findFile(folder, names, 'train', 'images'), transpose);
  if (note !== null) onProgress({ kind: 'note', message: note });
  const train = await read('train');
  const hasValidation = names.some((name) => splitOf(name) === 'validation');
  const validation = hasValidation ? await read('validation') : null;
  const inputShape = inputShapeOf(train.images);
  if (validation !== null) requireAlike(folder, train.images, validation.images);
  const dataset = await assemblePlain({
    name: basename(folder),
    inputShape,
    labelShape: [],
    scale: train.images.type === 'uint8' ? 1 / 255 : 1,
    train: asSplit(train),
    validation: validation === null ? null : asSplit(validation),
  });
  return { ...dataset, oneOfEach: 'IDX files' };
}

/** Sets whose files are not what their names say, known by their names. */
const QMNIST = /^qmnist[-_]/i;
const EMNIST = /^emnist[-_]/i;

function noteOn(images: string, transpose: boolean): string | null {
  if (QMNIST.test(images))
    return 'qmnist: of the eight numbers of a label (class, series, writer, …) the first is used, the class';
  return EMNIST.test(images) && !transpose
    ? 'emnist: its pictures lie transposed in these files, rows and columns swapped, and are used as they are; --transpose turns them upright'
    : null;
}

function requireAlike(folder: string, train: IdxArray, validation: IdxArray): void {
  const [inputShape, other] = [inputShapeOf(train), inputShapeOf(validation)];
  if (inputShape.join() === other.join() && train.type === validation.type) return;
  const message = `${folder}: training images are ${train.type} [${inputShape.join(', ')}], validation images ${validation.type} [${other.join(', ')}]`;
  throw new DataError({ code: 'DATA_SHAPE', message, next: 'Both sets must have the same shape and type.' });
}

interface IdxSplit {
  readonly images: IdxArray;
  readonly labels: IdxArray;
}

async function readSplit(paths: { images: string; labels: string; transpose: boolean }): Promise<IdxSplit> {
  const isQmnist = QMNIST.test(basename(paths.labels));
  const read = await readIdx(paths.labels, {
    rows: 'labels',
    ranks: isQmnist ? [1, 2] : [1],
    types: ['uint8', 'int8', 'int16', 'int32'],
  });
  const labels = read.shape.length === 2 ? firstColumn(read) : read;
  const images = await readIdx(paths.images, { rows: 'images', ranks: [2, 3, 4] });
  if (images.shape[0] !== labels.shape[0]) {
    const message = `${paths.images} has ${images.shape[0]} images, ${paths.labels} has ${labels.shape[0]} labels`;
    throw new DataError({ code: 'DATA_SHAPE', message, next: 'Each image needs its label: take both files from the same set.' });
  }
  return { images: paths.transpose ? transposed(images, paths.images) : images, labels };
}

/** In place, picture by picture. @throws DataError DATA_SHAPE for vectors */
function transposed(images: IdxArray, path: string): IdxArray {
  const [count, height, width, channels = 1] = images.shape;
  if (images.shape.length === 2)
    throw new DataError({
      code: 'DATA_SHAPE',
      message: `${path} has vectors of ${height} values, which have no rows and columns to be swapped`,
      next: 'Leave out --transpose.',
    });
  const { values } = images;
  const size = height * width * channels;
  const before = values.slice(0, size);
  for (let first = 0; first < count * size; first += size) {
    before.set(values.subarray(first, first + size));
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const [from, to] = [(row * width + column) * channels, first + (column * height + row) * channels];
        for (let channel = 0; channel < channels; channel++) values[to + channel] = before[from + channel];
      }
  }
  return { ...images, shape: [count, width, height, ...images.shape.slice(3)] };
}

function firstColumn(labels: IdxArray): IdxArray {
  const [count, width] = labels.shape;
  const values = new Int32Array(new SharedArrayBuffer(count * 4));
  for (let row = 0; row < count; row++) values[row] = labels.values[row * width];
  return { ...labels, shape: [count], values };
}

function inputShapeOf({ shape }: IdxArray): number[] {
  return shape.length === 3 ? [shape[1], shape[2], 1] : shape.slice(1);
}

function asSplit({ images, labels }: IdxSplit): PlainSplit {
  return { x: images.values, y: labels.values, count: images.shape[0] };
}

/** Null for a file that is none of a set's. */
function splitOf(name: string): 'train' | 'validation' | null {
  const match = FILE_NAME.exec(name);
  return match === null ? null : match[1] === 'train' ? 'train' : 'validation';
}

function findFile(folder: string, names: readonly string[], split: 'train' | 'validation', rows: 'images' | 'labels'): string {
  const found = names.filter((name) => {
    return splitOf(name) === split && FILE_NAME.exec(name)?.[2] === rows;
  });
  // The same file twice, unpacked beside its archive, is no question.
  const distinct = found.filter((name) => !(name.endsWith('.gz') && found.includes(name.slice(0, -3))));
  if (distinct.length === 1) return distinct[0];
  if (distinct.length === 0)
    throw new DataError({ code: 'DATA_MISSING', message: `${folder}: no ${split} ${rows} found`, next: LAYOUT });
  const message = `${folder}: ${distinct.length} files could be the ${split} ${rows}: ${distinct.sort().join(', ')}`;
  throw new DataError({ code: 'DATA_AMBIGUOUS', message, next: 'Keep one set in the folder.' });
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const reason = errorMessage(cause);
    throw new DataError({ code: 'DATA_MISSING', message: `${folder}: cannot be listed: ${reason}`, next: LAYOUT, cause });
  }
}
