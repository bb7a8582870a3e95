/**
 * Owns: a table of named columns (CSV, Parquet) as a data set: the input columns side by side are one vector, and so are the target columns. Types follow from
 * all values, of both sets.
 * Does not: parse a format.
 */
import { basename } from 'node:path';
import { emptyArray, INPUT, TARGET, type Dataset, type NumericType } from '../../common/dataset.js';
import { suggest } from '../../common/suggest.js';
import type { OnDataProgress } from '../progress.js';
import { memoryBytesOf, type DataConfig } from '../sources/source.js';
import { datasetOfTables, tablesError } from './dataset.js';
import { stampOf } from './known_identity.js';
import { fileError, rowsAtOnce, type Rows, type Table, type TableField } from './table.js';

/** As files hold it: text is a number where it reads as one; null is a value that is missing. */
export type Cell = number | bigint | boolean | string | null | readonly Cell[];

export interface ColumnRow {
  /** Of the columns that were asked for, in that order. */
  readonly cells: readonly Cell[];
  /** `line 7`, `row 3`. */
  readonly place: string;
}

export interface ColumnFile {
  readonly path: string;
  readonly names: readonly string[];
  rows(names: readonly string[]): AsyncIterable<ColumnRow>;
}

/** A column called so is the target where nobody says which. */
const USUAL_TARGETS = ['target', 'targets', 'label', 'labels', 'class', 'y'];

interface Chosen {
  readonly inputs: readonly string[];
  readonly targets: readonly string[];
}

/** What all values of a column have in common. */
interface ColumnFacts {
  width: number;
  isText: boolean;
  isWhole: boolean;
  readonly texts: Set<string>;
}

interface Surveyed {
  readonly file: ColumnFile;
  readonly count: number;
  readonly columns: readonly ColumnFacts[];
}

/** More different texts than this are no classes. */
const MAX_CLASSES = 100_000;

/** @throws DataError DATA_TABLES, DATA_VALUE and what reading throws */
export async function datasetOfColumns(
  { source, open, how }: { source: string; open: (path: string) => Promise<ColumnFile>; how: unknown },
  config: DataConfig,
  onProgress: OnDataProgress,
): Promise<Dataset> {
  const { data: path, scale = null, validationFile = null } = config;
  const files = [await open(path), ...(validationFile === null ? [] : [await open(validationFile)])];
  const chosen = choose(files[0], config);
  for (const file of files) requireColumns(file, [...chosen.inputs, ...chosen.targets]);
  const surveyed: Surveyed[] = [];
  for (const file of files) surveyed.push(await survey(file, chosen));
  const classes = classesOf(surveyed, chosen);
  const [train, validation = null] = surveyed.map((set) => tableOf(set, surveyed, chosen, classes));
  const told =
    classes === null ? '' : `; ${classes.length} classes: ${classes.slice(0, 20).join(', ')}${classes.length > 20 ? ', …' : ''}`;
  onProgress({
    kind: 'note',
    message: `${path}: ${chosen.inputs.length} input columns, labels ${chosen.targets.join(', ')}${told}`,
  });
  const dataset = await datasetOfTables({
    ...{ name: basename(path), source, train, validation, scale, memoryBytes: memoryBytesOf(config) },
    ...(classes !== null && { classes: classes.length }),
    stamps: await Promise.all(files.map((file) => stampOf(file.path))),
    how: { source, how, ...chosen, scale },
  });
  return classes === null ? dataset : { ...dataset, classNames: classes };
}

function choose({ path, names }: ColumnFile, { inputs = null, labels = null }: DataConfig): Chosen {
  const usual = names.filter((name) => USUAL_TARGETS.includes(name.toLowerCase()));
  if (labels === null && usual.length !== 1)
    throw tablesError(path, `nothing says which of its columns is the label; it has ${names.slice(0, 20).join(', ')}`);
  const chosenTargets = labels ?? usual;
  const chosenInputs = inputs ?? names.filter((name) => !chosenTargets.includes(name));
  if (chosenInputs.length === 0) throw tablesError(path, 'no column is left for the inputs');
  const both = chosenInputs.find((name) => chosenTargets.includes(name));
  if (both !== undefined) throw tablesError(path, `column ${both} is among the inputs and the labels`);
  return { inputs: chosenInputs, targets: chosenTargets };
}

function requireColumns({ path, names }: ColumnFile, wanted: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw tablesError(path, `two of its columns are called ${twice}`);
  const missing = wanted.find((name) => !names.includes(name));
  if (missing === undefined) return;
  const meant = suggest(missing, names);
  const hint = meant === null ? `it has ${names.slice(0, 20).join(', ')}` : `did you mean ${meant}?`;
  throw tablesError(path, `it has no column ${missing}; ${hint}`);
}

/** All values once: how many rows, and what each column is. */
async function survey(file: ColumnFile, { inputs, targets }: Chosen): Promise<Surveyed> {
  const names = [...inputs, ...targets];
  const columns = names.map((): ColumnFacts => ({ width: 0, isText: false, isWhole: true, texts: new Set() }));
  let count = 0;
  for await (const { cells, place } of file.rows(names)) {
    for (const [at, cell] of cells.entries()) {
      const where: Where = { file, place, name: names[at], mayBeText: at >= inputs.length && targets.length === 1 };
      const width = Array.isArray(cell) ? cell.length : 1;
      if (count === 0) columns[at].width = width;
      if (width !== columns[at].width || width === 0)
        throw badCell(where, `is a list of ${width}, wanted ${columns[at].width || 'a value'} as in the first row`);
      for (const value of Array.isArray(cell) ? (cell as readonly Cell[]) : [cell]) note(columns[at], value, where);
    }
    count += 1;
  }
  return { file, count, columns };
}

interface Where {
  readonly file: ColumnFile;
  readonly place: string;
  readonly name: string;
  readonly mayBeText: boolean;
}

function note(column: ColumnFacts, value: Cell, where: Where): void {
  const number = numberIn(value, where);
  if (typeof value === 'string' && column.texts.size <= MAX_CLASSES) column.texts.add(value);
  if (number === null) {
    column.isText = true;
    return;
  }
  column.isWhole &&= isWholeIn(value) && number >= -(2 ** 31) && number < 2 ** 31;
}

/** `1.0` is a real number, as others read it, too. */
const isWholeIn = (value: Cell): boolean =>
  typeof value === 'string' ? /^\s*[+-]?\d+\s*$/.test(value) : typeof value === 'bigint' || typeof value === 'boolean';

/** Null for text that may stand there. @throws DataError DATA_VALUE */
function numberIn(value: Cell, where: Where): number | null {
  if (value === null || (typeof value === 'string' && /^\s*(|null|none|na|n\/a|nan)\s*$/i.test(value)))
    throw badCell(where, value === null || value.trim() === '' ? 'is missing' : `is ${value.trim()}: missing`);
  const number = typeof value === 'string' ? numberOf(value) : Number(value);
  if (Number.isNaN(number)) {
    if (typeof value === 'string' && where.mayBeText) return null;
    const comma = typeof value === 'string' && /^[+-]?\d+,\d+$/.test(value.trim()) ? ': write decimals with a point' : '';
    throw badCell(where, `is ${typeof value === 'string' ? JSON.stringify(value) : 'NaN'}, wanted a number${comma}`);
  }
  if (!Number.isFinite(Math.fround(number))) throw badCell(where, `is ${String(value)}, which float32 does not hold`);
  if (isWholeIn(value) && Math.abs(number) >= 2 ** 31 && BigInt(Math.fround(number)) !== exact(value))
    throw badCell(where, `is ${String(value)}, a whole number that neither int32 nor float32 holds`);
  return number;
}

const exact = (value: Cell): bigint =>
  BigInt(typeof value === 'string' ? value.trim().replace('+', '') : (value as bigint | boolean));

/** NaN for what is no decimal number; `Number` also takes 0x10 and an empty text. */
function numberOf(text: string): number {
  const trimmed = text.trim();
  if (/^true$/i.test(trimmed)) return 1;
  if (/^false$/i.test(trimmed)) return 0;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : NaN;
}

function badCell({ file, place, name }: Where, problem: string): Error {
  return fileError(
    file.path,
    'DATA_VALUE',
    `${place}, column ${name}: ${problem}`,
    'Correct the value, leave the row out, or choose columns with --inputs and --labels.',
  );
}

/** Texts of the one target, in the order of their characters, from the training set; null where it is of numbers. */
function classesOf(sets: readonly Surveyed[], { inputs, targets }: Chosen): readonly string[] | null {
  const at = inputs.length;
  if (targets.length !== 1 || !sets.some(({ columns }) => columns[at].isText)) return null;
  const [train, ...others] = sets;
  const texts = [...train.columns[at].texts].sort((a, b) => (a < b ? -1 : 1));
  if (texts.length > MAX_CLASSES)
    throw tablesError(train.file.path, `column ${targets[0]} has more than ${MAX_CLASSES} different texts, which are no classes`);
  for (const { file, columns } of others) {
    const unknown = [...columns[at].texts].find((value) => !train.columns[at].texts.has(value));
    if (unknown !== undefined)
      throw tablesError(
        file.path,
        `column ${targets[0]} has the class ${JSON.stringify(unknown)}, which the training set does not have`,
      );
  }
  return texts;
}

function tableOf(
  { file, count, columns }: Surveyed,
  all: readonly Surveyed[],
  { inputs, targets }: Chosen,
  classes: readonly string[] | null,
): Table {
  const isWhole = (from: number, to: number): boolean =>
    all.every((set) => set.count === 0 || set.columns.slice(from, to).every((column) => column.isWhole));
  const field = (name: string, from: number, to: number): TableField => {
    const width = columns.slice(from, to).reduce((sum, column) => sum + column.width, 0);
    const type: NumericType = (name === TARGET && classes !== null) || isWhole(from, to) ? 'int32' : 'float32';
    return { name, type, shape: name === TARGET && type === 'int32' && width === 1 ? [] : [width] };
  };
  const names = [...inputs, ...targets];
  const x = field(INPUT, 0, inputs.length);
  const y = field(TARGET, inputs.length, names.length);
  const indices = classes === null ? null : new Map(classes.map((name, index) => [name, index]));
  return {
    ...{ count, inputs: [x], targets: [y] },
    read: (fields) => pieces(fields, { file, x, inputs, targets, indices }),
  };
}

interface Reading {
  readonly file: ColumnFile;
  readonly x: TableField;
  readonly inputs: readonly string[];
  readonly targets: readonly string[];
  readonly indices: ReadonlyMap<string, number> | null;
}

async function* pieces(fields: readonly TableField[], { file, x, inputs, targets, indices }: Reading): AsyncGenerator<Rows> {
  const wanted = fields.map((field) => ({ field, names: field.name === x.name ? inputs : targets }));
  const names = wanted.flatMap((part) => part.names);
  const most = rowsAtOnce(fields);
  let flat: number[][] = fields.map(() => []);
  let held = 0;
  const taken = (): Rows =>
    Object.fromEntries(
      fields.map(({ name, type }, part) => {
        const values = emptyArray(type, flat[part].length);
        values.set(flat[part]);
        return [name, values];
      }),
    );
  for await (const { cells, place } of file.rows(names)) {
    let at = 0;
    for (const [part, { names: own }] of wanted.entries())
      for (const name of own) {
        const cell = cells[at++];
        const where: Where = { file, place, name, mayBeText: false };
        for (const value of Array.isArray(cell) ? (cell as readonly Cell[]) : [cell])
          flat[part].push(indices !== null && own === targets ? indices.get(String(value))! : numberIn(value, where)!);
      }
    held += 1;
    if (held < most) continue;
    yield taken();
    [flat, held] = [fields.map(() => []), 0];
  }
  if (held > 0) yield taken();
}
