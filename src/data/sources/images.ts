/**
 * Owns: `--data FOLDER`: pictures, in a folder for each class or named by a CSV of labels. All are looked at once: those that are broken are named, and the identity is
 * that of the files' bytes, the labels, and what decodes them.
 * Does not: decode (../files/image.ts), or list (../files/image_list.ts).
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { emptyArray, INPUT, TARGET, type Dataset, type DataSplit, type Field, type StoredSplit } from '../../common/dataset.js';
import { errorMessage } from '../../common/error_facts.js';
import { DataError } from '../../common/errors.js';
import { assembleDataset, product } from '../assemble.js';
import { BadImage, openImageDecoder, type ImageDecoder, type ImageForm } from '../files/image.js';
import { classNumbers, imagesInCsv, imagesInFolders, VALIDATION_FOLDERS, type ListedImage } from '../files/image_list.js';
import type { Pixels } from '../files/resample.js';
import { gather, requireWithin } from '../gather.js';
import type { OnDataProgress } from '../progress.js';
import { keep, keyOf, recall, stampOf } from '../tables/known_identity.js';
import { tablesError } from '../tables/dataset.js';
import { fileError } from '../tables/table.js';
import { memoryBytesOf, type DataConfig, type OpenedSplit, type SourceRow } from './source.js';

export const images: SourceRow = {
  says: 'a folder of pictures',
  isMeant: isPictureFolder,
  everywhere: false,
  load: loadImages,
  open: openImages,
};

/** Read and decoded at once; of each, libuv's pool has four threads. */
const AT_ONCE = 8;
/** Of those that are bad, so many are named. */
const NAMED = 5;

function isPictureFolder(path: string): boolean {
  if (!existsSync(path) || !statSync(path).isDirectory()) return false;
  return readdirSync(path, { withFileTypes: true }).some(
    (entry) => entry.isDirectory() || entry.isSymbolicLink() || /\.(png|jpe?g|webp)$/i.test(entry.name),
  );
}

interface Found {
  readonly sha256: string;
  /** Places of those that are bad, by set. */
  readonly bad: Readonly<Record<string, readonly { readonly at: number; readonly why: string }[]>>;
  readonly shape: readonly number[];
}

interface Where {
  readonly files: readonly string[];
  readonly form: ImageForm;
}

/** @throws DataError DATA_TABLES, DATA_IMAGES; EnvironmentError SHARP_MISSING */
async function loadImages(config: DataConfig, onProgress: OnDataProgress = () => {}): Promise<Dataset> {
  const { data: folder, onBadFile = 'stop', imageChannels = 'rgb', imageDepth = 8, imageFit = 'crop', scale = null } = config;
  if (imageDepth !== 8 && imageDepth !== 16) throw tablesError(folder, `image_depth is ${imageDepth}, wanted 8 or 16`);
  const decoder = await openImageDecoder();
  const sets = await listSets(config);
  const { names, numberOf } = classNumbers(Object.values(sets), folder);
  onProgress({
    kind: 'note',
    message: `${folder}: ${names.length} classes: ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}`,
  });
  const asked = { channels: imageChannels === 'gray' ? 1 : 3, depth: imageDepth === 16 ? 16 : 8, fit: imageFit } as const;
  const form: ImageForm = { ...asked, size: sizeOf(config.imageSize ?? null) };
  const stamps = await Promise.all(Object.values(sets).flatMap((set) => set.map(({ path }) => stampOf(path))));
  const key = keyOf(stamps, {
    kind: 'images',
    form,
    decoder: decoder.version,
    labels: Object.values(sets).map((set) => set.map(({ label }) => label)),
  });
  const found = (await recall<Found>(key)) ?? (await lookAtAll({ sets, form, decoder, numberOf }));
  await keep(key, found);
  const [height, width, channels] = found.shape;
  requireGood(folder, sets, found, { onBadFile, onProgress });
  const field: Field = {
    ...{ name: INPUT, shape: found.shape, type: form.depth === 16 ? 'int32' : 'uint8' },
    scale: scale ?? 1 / (form.depth === 16 ? 65535 : 255),
  };
  const splits: Record<string, DataSplit> = {};
  const bytes =
    Object.values(sets).reduce((sum, set) => sum + set.length, 0) * height * width * channels * (form.depth === 16 ? 4 : 1);
  for (const [which, set] of Object.entries(sets)) {
    const bad = new Set(found.bad[which].map(({ at }) => at));
    const good = set.filter((_, at) => !bad.has(at));
    const y = emptyArray('int32', good.length, { shared: true });
    y.set(good.map(({ label }) => numberOf.get(label)!));
    const where: Where = { files: good.map(({ path }) => path), form: { ...form, size: { height, width } } };
    const stored = { count: good.length, targets: { [TARGET]: y }, source: 'images', where };
    splits[which] = bytes > memoryBytesOf(config) ? stored : await inMemory(stored, field);
  }
  const classes = Math.max(...numberOf.values()) + 1;
  const target: Field = { name: TARGET, shape: [], type: 'int32', scale: 1, classes };
  const parts = { fields: { inputs: [field], targets: [target] }, train: splits.train, validation: splits.validation ?? null };
  const sha256 = createHash('sha256')
    .update(JSON.stringify({ found: found.sha256, field, classes }))
    .digest('hex');
  const dataset = await assembleDataset({ name: basename(folder), oneOfEach: 'Pictures', ...parts }, { sha256 });
  return names.some((label) => numberOf.get(label) !== Number(label)) ? { ...dataset, classNames: names } : dataset;
}

async function listSets(config: DataConfig): Promise<Record<string, ListedImage[]>> {
  const { data: folder, labelFile = null, validationFile = null, inputs = null, labels = null } = config;
  if (labelFile !== null) {
    const list = (csv: string): Promise<ListedImage[]> => imagesInCsv(folder, csv, { inputs, labels });
    return { train: await list(labelFile), ...(validationFile !== null && { validation: await list(validationFile) }) };
  }
  const isSplit = existsSync(join(folder, 'train'));
  const other = VALIDATION_FOLDERS.map((name) => join(folder, name)).find((path) => existsSync(path));
  const validation = validationFile ?? (isSplit ? (other ?? null) : null);
  const train = await imagesInFolders(isSplit ? join(folder, 'train') : folder);
  if (train.length === 0) throw tablesError(folder, 'it has no pictures (.png, .jpg, .webp, .gif, .tif, .avif)');
  return { train, ...(validation !== null && { validation: await imagesInFolders(validation) }) };
}

function sizeOf(text: string | null): ImageForm['size'] {
  if (text === null) return null;
  const [height, width = height] = text.split('x').map(Number);
  return { height, width };
}

interface Looking {
  readonly sets: Readonly<Record<string, readonly ListedImage[]>>;
  readonly form: ImageForm;
  readonly decoder: ImageDecoder;
  readonly numberOf: ReadonlyMap<string, number>;
}

/** Every file once. Without a size that is asked for, all have that of the first good one. */
async function lookAtAll({ sets, form, decoder, numberOf }: Looking): Promise<Found> {
  const hash = createHash('sha256').update(JSON.stringify({ form, decoder: decoder.version }));
  const bad: Record<string, { at: number; why: string }[]> = {};
  let shape: readonly number[] | null = null;
  for (const [which, set] of Object.entries(sets)) {
    const badOnes = (bad[which] = [] as { at: number; why: string }[]);
    for (let first = 0; first < set.length; first += AT_ONCE) {
      const looked = await Promise.all(set.slice(first, first + AT_ONCE).map(({ path }) => look(path, form, decoder)));
      for (const [at, result] of looked.entries()) {
        const index = first + at;
        if (typeof result.seen === 'string') {
          badOnes.push({ at: index, why: result.seen });
          continue;
        }
        const { height, width, channels } = result.seen;
        shape ??= [height, width, channels];
        if (shape[0] !== height || shape[1] !== width) {
          badOnes.push({
            at: index,
            why: `is ${height} × ${width}, others ${shape[0]} × ${shape[1]}: --image-size makes them alike`,
          });
          continue;
        }
        hash.update(JSON.stringify([which, result.sha256, numberOf.get(set[index].label)]));
      }
    }
  }
  return { sha256: hash.digest('hex'), bad, shape: shape ?? [0, 0, 0] };
}

async function look(path: string, form: ImageForm, decoder: ImageDecoder): Promise<{ sha256: string; seen: Pixels | string }> {
  try {
    const bytes = await readFile(path);
    return { sha256: createHash('sha256').update(bytes).digest('hex'), seen: await decoder.decode(bytes, form) };
  } catch (error) {
    return { sha256: '', seen: errorMessage(error) };
  }
}

function requireGood(
  folder: string,
  sets: Readonly<Record<string, readonly ListedImage[]>>,
  { bad }: Found,
  { onBadFile, onProgress }: { onBadFile: string; onProgress: OnDataProgress },
): void {
  const named = Object.entries(bad).flatMap(([which, all]) => all.map(({ at, why }) => `${sets[which][at].path} ${why}`));
  if (named.length === 0) return;
  const all = Object.values(sets).reduce((sum, { length }) => sum + length, 0);
  const list = `${named.slice(0, NAMED).join('; ')}${named.length > NAMED ? `; and ${named.length - NAMED} more` : ''}`;
  const message = `${folder}: ${named.length} of ${all} pictures cannot be used: ${list}`;
  if (onBadFile === 'skip' && named.length < all) return onProgress({ kind: 'note', message: `${message}; they are left out` });
  throw new DataError({
    code: 'DATA_IMAGES',
    message,
    next: 'Mend or remove them; --on-bad-file skip leaves them out.',
  });
}

async function inMemory(split: StoredSplit & { where: Where }, field: Field): Promise<DataSplit> {
  const opened = await openImages(split);
  const x = emptyArray(field.type, split.count * product(field.shape), { shared: true });
  const width = product(field.shape);
  for (let first = 0; first < split.count; first += 256) {
    const rows = Int32Array.from({ length: Math.min(256, split.count - first) }, (_, at) => first + at);
    const part = x.subarray(first * width, (first + rows.length) * width);
    await opened.read(rows, { inputs: { [INPUT]: part }, targets: {} });
  }
  return { count: split.count, inputs: { [INPUT]: x }, targets: split.targets };
}

/** In the thread that reads. */
async function openImages(split: StoredSplit): Promise<OpenedSplit> {
  const { files, form } = split.where as Where;
  const decoder = await openImageDecoder();
  const decodeAt = async (row: number): Promise<Pixels> => {
    try {
      return await decoder.decode(await readFile(files[row]), form);
    } catch (cause) {
      if (!(cause instanceof BadImage) && (cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
      const problem = `could be decoded when the run began, and now ${errorMessage(cause)}`;
      throw fileError(files[row], 'DATA_CHANGED', problem, 'Put it back, or start a new run.', cause);
    }
  };
  return {
    count: split.count,
    async read(rows, into) {
      requireWithin(rows, split.count);
      const x = into.inputs[INPUT];
      if (x !== undefined)
        for (let first = 0; first < rows.length; first += AT_ONCE) {
          const decoded = await Promise.all(Array.from(rows.subarray(first, first + AT_ONCE), decodeAt));
          for (const [at, { values }] of decoded.entries()) x.set(values, (first + at) * values.length);
        }
      for (const [name, values] of Object.entries(into.targets)) gather(split.targets[name], split.count, rows, values);
    },
  };
}
