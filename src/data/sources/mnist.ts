/**
 * Owns: the four MNIST files: their names and hashes, and where they come from: a folder, the cache, or a mirror.
 * Does not: parse IDX (idx.ts) or move bytes (download.ts).
 *
 * Whatever the source, the SHA-256 of each uncompressed file must be MNIST's; nothing else is ever used in its place.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { MemoryDataset } from '../../common/dataset.js';
import { DataError } from '../../common/errors.js';
import { assemblePlain } from '../assemble.js';
import { cacheFolder } from '../cache_folder.js';
import { download, DOWNLOAD_LIMITS, MirrorsFailed, type DownloadLimits } from '../download.js';
import { readIdx } from '../idx.js';
import type { IdxArray } from '../idx_sink.js';
import type { OnDataProgress } from '../progress.js';
import type { SourceRow } from './source.js';

export const mnist: SourceRow = {
  says: 'mnist',
  isMeant: (data) => data === 'mnist',
  everywhere: true,
  load: ({ dataDir }, onProgress) => loadMnist({ dataDir, onProgress }),
};

export interface MnistFile {
  readonly name: string;
  readonly rows: 'images' | 'labels';
  readonly shape: readonly number[];
  /** Of the uncompressed file. */
  readonly sha256: string;
}

export const MNIST_FILES: readonly [MnistFile, MnistFile, MnistFile, MnistFile] = [
  {
    name: 'train-images-idx3-ubyte',
    rows: 'images',
    shape: [60000, 28, 28],
    sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  },
  {
    name: 'train-labels-idx1-ubyte',
    rows: 'labels',
    shape: [60000],
    sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  },
  {
    name: 't10k-images-idx3-ubyte',
    rows: 'images',
    shape: [10000, 28, 28],
    sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  },
  {
    name: 't10k-labels-idx1-ubyte',
    rows: 'labels',
    shape: [10000],
    sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  },
];

/** Tried in order. The original site (yann.lecun.com) no longer serves the files. */
const MNIST_MIRRORS: readonly string[] = [
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'https://raw.githubusercontent.com/fgnt/mnist/master/',
];

const WAYS_OUT = 'Give a folder that holds the four files with --data-dir, or train on drawn digits with --data synthetic.';

export interface MnistOptions {
  /** Folder with the four files; null for cache and mirrors. */
  readonly dataDir: string | null;
  readonly onProgress: OnDataProgress;
  /** Base URLs with a trailing slash. */
  readonly mirrors?: readonly string[];
  /** Folder of the cached files. */
  readonly cacheDir?: string;
  readonly limits?: DownloadLimits;
  /** The files to get, in the order of MNIST_FILES; tests use small ones. */
  readonly files?: typeof MNIST_FILES;
}

/**
 * @returns 60,000 training and 10,000 validation images, [28, 28, 1], pixels as bytes with scale 1/255.
 * @throws DataError where a file is missing, damaged or not MNIST's, or where no mirror can be reached.
 */
export async function loadMnist(options: MnistOptions): Promise<MemoryDataset> {
  const files = options.files ?? MNIST_FILES;
  const [trainX, trainY, testX, testY] =
    options.dataDir === null ? await fromCache(files, options) : await fromFolder(files, options.dataDir);
  const [count, height, width] = files[0].shape;
  const dataset = await assemblePlain({
    name: 'MNIST',
    inputShape: [height, width, 1],
    labelShape: [],
    classes: 10,
    scale: 1 / 255,
    train: { x: trainX.values, y: trainY.values, count },
    validation: { x: testX.values, y: testY.values, count: files[2].shape[0] },
  });
  return { ...dataset, oneOfEach: 'IDX files' };
}

async function fromFolder(files: readonly MnistFile[], folder: string): Promise<IdxArray[]> {
  const present = await listFolder(folder);
  if (present === null) throw new DataError({ code: 'DATA_MISSING', message: `${folder}: no such folder`, next: WAYS_OUT });
  const paths = files.map((file) => findFile(file, present));
  const missing = files.filter((_, index) => paths[index] === undefined).map((file) => file.name);
  if (missing.length > 0) {
    const message = `${folder}: MNIST needs ${missing.join(', ')} (as they are, or .gz), not found there`;
    throw new DataError({ code: 'DATA_MISSING', message, next: WAYS_OUT });
  }
  const next = 'Replace the file with an intact copy; for another set in this format use --data idx.';
  const arrays: IdxArray[] = [];
  for (const [index, file] of files.entries()) arrays.push(await readFile(file, join(folder, paths[index]!), next));
  return arrays;
}

async function fromCache(files: readonly MnistFile[], options: MnistOptions): Promise<IdxArray[]> {
  const folder = options.cacheDir ?? join(cacheFolder(), 'mnist');
  let mirrors = options.mirrors ?? MNIST_MIRRORS;
  const arrays: IdxArray[] = [];
  for (const file of files) {
    const cached = await readCached(file, folder, options.onProgress);
    if (cached !== null) {
      arrays.push(cached);
      continue;
    }
    const { value, mirror } = await downloadFile(file, folder, mirrors, options);
    arrays.push(value);
    // What served one file will serve the next.
    mirrors = [mirror, ...mirrors.filter((other) => other !== mirror)];
  }
  return arrays;
}

/** A damaged file in the cache is ours to replace, but not in silence. */
async function readCached(file: MnistFile, folder: string, onProgress: OnDataProgress): Promise<IdxArray | null> {
  const name = findFile(file, (await listFolder(folder)) ?? []);
  if (name === undefined) return null;
  try {
    return await readFile(file, join(folder, name));
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    onProgress({ kind: 'note', message: `${error.message}; downloading it again` });
    return null;
  }
}

async function downloadFile(
  file: MnistFile,
  folder: string,
  mirrors: readonly string[],
  { limits, onProgress }: MnistOptions,
): Promise<{ value: IdxArray; mirror: string }> {
  try {
    return await download({
      file: `${file.name}.gz`,
      folder,
      mirrors,
      limits: limits ?? DOWNLOAD_LIMITS,
      onProgress,
      verify: async (path) => {
        const value = await readFile(file, path);
        return { value, name: value.gzip ? `${file.name}.gz` : file.name };
      },
    });
  } catch (cause) {
    if (!(cause instanceof MirrorsFailed)) throw cause;
    const message = `MNIST is not in ${folder} and cannot be downloaded: ${cause.message}`;
    throw new DataError({ code: 'DATA_DOWNLOAD', message, next: WAYS_OUT, cause });
  }
}

function readFile({ rows, shape, sha256 }: MnistFile, path: string, next?: string): Promise<IdxArray> {
  return readIdx(path, { rows, shape, sha256, next, types: ['uint8'], ranks: [shape.length] });
}

/** `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, as it is before `.gz`. */
function findFile({ name }: MnistFile, present: readonly string[]): string | undefined {
  const dotted = name.replace('-idx', '.idx');
  return [name, dotted, `${name}.gz`, `${dotted}.gz`].find((candidate) => present.includes(candidate));
}

async function listFolder(folder: string): Promise<string[] | null> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new DataError({
      code: 'DATA_UNREADABLE',
      message: `${folder}: cannot be read: ${message}`,
      next: 'Check the folder.',
      cause,
    });
  }
}
