/**
 * Owns: a user's own set in IDX format: which files of a folder are which.
 * Does not: parse IDX (idx.ts), or check hashes: nobody knows them.
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Dataset } from '../common/dataset.js';
import { errorMessage } from '../common/error_facts.js';
import { DataError } from '../common/errors.js';
import { assemblePlain, type PlainSplit } from './assemble.js';
import { readIdx, type IdxArray } from './idx.js';
import type { OnDataProgress } from './progress.js';

/** `train-images-idx3-ubyte.gz`, `t10k-labels.idx1-ubyte`, `emnist-balanced-test-images-idx3-ubyte`, `val_labels.idx` ... */
const FILE_NAME = /^(?:[^.].*[-_])?(train|t10k|test|val|validation)[-_](images|labels)(?:[-.].*)?$/;

const LAYOUT =
  'The folder needs train-images, train-labels, and test-images, test-labels (or t10k-, validation-, val-), as IDX, with or without -idx3-ubyte and .gz.';

/**
 * Images [n, h, w] become inputs of [h, w, 1]; [n, h, w, c] stay [h, w, c]; [n, d] are vectors of [d]. Bytes get scale 1/255, other
 * types are used as they are. Classes: the largest label + 1.
 * @throws DataError
 */
export async function loadIdxFolder(folder: string, onProgress: OnDataProgress = () => {}): Promise<Dataset> {
  const names = await listFolder(folder);
  const paths = (['train', 'validation'] as const).map((split) => ({
    images: join(folder, findFile(folder, names, split, 'images')),
    labels: join(folder, findFile(folder, names, split, 'labels')),
  }));
  for (const message of notesOn(paths.map(({ images }) => basename(images)))) onProgress({ kind: 'note', message });
  const [train, validation] = [await readSplit(paths[0]), await readSplit(paths[1])];
  const inputShape = inputShapeOf(train.images);
  const other = inputShapeOf(validation.images);
  if (inputShape.join() !== other.join() || train.images.type !== validation.images.type) {
    const message = `${folder}: training images are ${train.images.type} [${inputShape.join(', ')}], validation images ${validation.images.type} [${other.join(', ')}]`;
    throw new DataError({ code: 'DATA_SHAPE', message, next: 'Both sets must have the same shape and type.' });
  }
  return assemblePlain({
    name: basename(folder),
    inputShape,
    labelShape: [],
    scale: train.images.type === 'uint8' ? 1 / 255 : 1,
    train: asSplit(train),
    validation: asSplit(validation),
  });
}

/** Sets whose files are not what their names say, known by their names. */
const QMNIST = /^qmnist[-_]/i;
const EMNIST = /^emnist[-_]/i;

function notesOn(files: readonly string[]): string[] {
  if (files.some((name) => QMNIST.test(name)))
    return ['qmnist: of the eight numbers of a label (class, series, writer, …) the first is used, the class'];
  if (files.some((name) => EMNIST.test(name)))
    return [
      'emnist: its pictures lie transposed in these files, rows and columns swapped, and are used as they are; upright pictures need the same before such a model sees them',
    ];
  return [];
}

interface IdxSplit {
  readonly images: IdxArray;
  readonly labels: IdxArray;
}

async function readSplit(paths: { images: string; labels: string }): Promise<IdxSplit> {
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
  return { images, labels };
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

function findFile(folder: string, names: readonly string[], split: 'train' | 'validation', rows: 'images' | 'labels'): string {
  const found = names.filter((name) => {
    const match = FILE_NAME.exec(name);
    return match !== null && (match[1] === 'train') === (split === 'train') && match[2] === rows;
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
