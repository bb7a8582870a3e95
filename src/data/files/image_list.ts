/**
 * Owns: which pictures are in a set, in which order, with which labels: a folder for each class, or a CSV of labels.
 * Does not: look into the pictures (images.ts).
 */
import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { tablesError } from '../tables/dataset.js';
import { openCsv } from './csv.js';

export interface ListedImage {
  readonly path: string;
  /** Text, or what is written of a number. */
  readonly label: string;
}

const KINDS = /\.(png|jpe?g|webp|gif|tiff?|avif)$/i;
const FILE_COLUMNS = ['file', 'filename', 'file_name', 'path', 'image', 'image_path'];
const LABEL_COLUMNS = ['label', 'class', 'target', 'labels', 'y'];

export const VALIDATION_FOLDERS = ['validation', 'val', 'valid', 'test'];

/** By class, then by name, in the order of their characters. Other files are left out. */
export async function imagesInFolders(folder: string): Promise<ListedImage[]> {
  const entries = (await readdir(folder)).filter((name) => !isHidden(name));
  // What a link leads to is a class as well.
  const classes = entries.filter((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory());
  if (classes.length === 0)
    throw tablesError(folder, 'it has no folders, wanted one of pictures for each class, or --label-file FILE.csv');
  const listed = await Promise.all(
    classes.sort().map(async (label) => {
      const names = await readdir(join(folder, label), { recursive: true });
      return names
        .filter((name) => KINDS.test(name) && !name.split(sep).some(isHidden))
        .sort()
        .map((name) => ({ path: join(folder, label, name), label }));
    }),
  );
  return listed.flat();
}

/** Of a notebook (`.ipynb_checkpoints`) or of macOS, which puts a `._cat.jpg` that is no picture beside `cat.jpg`, or into `__MACOSX`. */
function isHidden(name: string): boolean {
  return name.startsWith('.') || name === '__MACOSX';
}

/** In the order of the CSV, whose paths are those in the folder. */
export async function imagesInCsv(
  folder: string,
  csv: string,
  { inputs, labels }: { inputs: readonly string[] | null; labels: readonly string[] | null },
): Promise<ListedImage[]> {
  const { names, rows } = await openCsv(csv);
  const column = (given: readonly string[] | null, usual: readonly string[], what: string, flag: string): string => {
    const found = given ?? names.filter((name) => usual.includes(name.toLowerCase()));
    if (found.length === 1 && names.includes(found[0])) return found[0];
    throw tablesError(
      csv,
      `nothing says which of its columns ${what}; it has ${names.slice(0, 20).join(', ')}, and ${flag} names one`,
    );
  };
  const chosen = [
    column(inputs, FILE_COLUMNS, 'names the pictures', '--inputs'),
    column(labels, LABEL_COLUMNS, 'has the labels', '--labels'),
  ];
  const listed: ListedImage[] = [];
  for await (const { cells, place } of rows(chosen)) {
    const [name, label] = cells.map((cell) => String(cell).trim());
    if (name === '' || label === '') throw tablesError(csv, `${place}: ${name === '' ? chosen[0] : chosen[1]} is missing`);
    const path = join(folder, name);
    if (!existsSync(path)) throw tablesError(csv, `${place}: ${path} is not there`);
    listed.push({ path, label });
  }
  return listed;
}

/** Numbers of the classes: whole numbers from 0 as they are, else in the order of their characters. */
export function classNumbers(
  sets: readonly (readonly ListedImage[])[],
  where: string,
): { names: readonly string[]; numberOf: ReadonlyMap<string, number> } {
  const names = [...new Set(sets[0].map(({ label }) => label))];
  const areNumbers = names.every((name) => /^\d{1,6}$/.test(name));
  if (areNumbers) names.sort((a, b) => Number(a) - Number(b));
  else names.sort();
  const numberOf = new Map(names.map((name, index) => [name, areNumbers ? Number(name) : index]));
  const twin = areNumbers ? names.findIndex((name, at) => at > 0 && Number(name) === Number(names[at - 1])) : -1;
  if (twin !== -1)
    throw tablesError(
      where,
      `its classes ${names[twin - 1]} and ${names[twin]} are one number: write it alike, or call one otherwise`,
    );
  for (const set of sets.slice(1)) {
    const stray = set.find(({ label }) => !numberOf.has(label));
    if (stray !== undefined)
      throw tablesError(where, `${stray.path} is of the class ${stray.label}, which the training set does not have`);
  }
  return { names, numberOf };
}
