/**
 * Owns: a table of named columns (CSV, Parquet) as a data set: the input columns side by side are one vector, or one for each input of the model that they
 * name, and so are the target columns. Types follow from all values, of both sets.
 * Does not: parse a format, or read what names the columns (named_columns.ts).
 */
import { basename } from 'node:path';
import { emptyArray, INPUT, TARGET, type Dataset, type NumericType } from '../../common/dataset.js';
import { suggest } from '../../common/suggest.js';
import type { OnDataProgress } from '../progress.js';
import { memoryBytesOf, type DataConfig } from '../sources/source.js';
import { badCell, isWholeIn, numberIn, type Cell, type CellPlace } from './cells.js';
import { datasetOfTables, tablesError } from './dataset.js';
import { stampOf } from './known_identity.js';
import { groupsIn, groupsKey, groupsText, membersOf, type NameGroup } from './named_columns.js';
import { rowsAtOnce, type Rows, type Table, type TableField } from './table.js';

export interface ColumnRow {
  /** Of the columns that were asked for, in that order. */
  readonly cells: readonly Cell[];
  /** `line 7`, `row 3`. */
  readonly place: string;
}

export interface ColumnFile {
  readonly path: string;
  readonly names: readonly string[];
  /** Of these, columns that name or number the rows: no inputs, unless they are asked for. */
  readonly index: readonly string[];
  rows(names: readonly string[]): AsyncIterable<ColumnRow>;
}

/** A column called so is the target where nobody says which. */
const USUAL_TARGETS = ['target', 'targets', 'label', 'labels', 'class', 'y'];

interface Chosen {
  readonly inputs: readonly NameGroup[];
  readonly targets: readonly NameGroup[];
}

const columnsOf = ({ inputs, targets }: Chosen): string[] => [...membersOf(inputs), ...membersOf(targets)];

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
  for (const file of files) requireColumns(file, columnsOf(chosen));
  const surveyed: Surveyed[] = [];
  for (const file of files) surveyed.push(await survey(file, chosen));
  const classes = classesOf(surveyed, chosen);
  const [train, validation = null] = surveyed.map((set) => tableOf(set, surveyed, chosen, classes));
  const leftOut = config.inputs == null ? rowNamesOf(files[0], chosen) : '';
  onProgress({ kind: 'note', message: `${path}: ${told(chosen, classes)}${leftOut}` });
  const { inputs, targets } = chosen;
  const dataset = await datasetOfTables({
    ...{ name: basename(path), source, train, validation, scale, memoryBytes: memoryBytesOf(config) },
    classes: Object.fromEntries([...classes].map(([name, texts]) => [name, texts.length])),
    stamps: await Promise.all(files.map((file) => stampOf(file.path))),
    how: { source, how, inputs: groupsKey(inputs), targets: groupsKey(targets), scale },
    columns: files[0].names,
  });
  const [lone] = classes.values();
  return targets.length > 1 || classes.size === 0 ? dataset : { ...dataset, classNames: lone };
}

/** Texts of targets that are classes, by the field's name, by their numbers. */
type ClassTexts = ReadonlyMap<string, readonly string[]>;

function told({ inputs, targets }: Chosen, classes: ClassTexts): string {
  const isPlain = inputs.length === 1 && inputs[0].name === null;
  const taken = isPlain ? `${inputs[0].members.length} input columns` : `inputs ${groupsText(inputs)}`;
  const lists = [...classes].map(([name, texts]) => {
    const of = targets.length === 1 ? '' : `${name}: `;
    return `; ${of}${texts.length} classes: ${texts.slice(0, 20).join(', ')}${texts.length > 20 ? ', …' : ''}`;
  });
  return `${taken}, labels ${groupsText(targets)}${lists.join('')}`;
}

/** For people. */
function rowNamesOf({ names, index }: ColumnFile, { targets }: Chosen): string {
  const found = names.filter((name) => index.includes(name) && !membersOf(targets).includes(name));
  const named = found.map((name) => name || 'a column without a name');
  return found.length === 0 ? '' : `; not among the inputs: ${named.join(', ')}, which names the rows`;
}

function choose({ path, names, index }: ColumnFile, { inputs = null, labels = null }: DataConfig): Chosen {
  const usual = names.filter((name) => USUAL_TARGETS.includes(name.toLowerCase()));
  if (labels === null && usual.length !== 1)
    throw tablesError(path, `nothing says which of its columns is the label; it has ${names.slice(0, 20).join(', ')}`);
  const targets = groupsIn(labels ?? usual, { path, known: names });
  const labelColumns = membersOf(targets);
  const chosen = inputs ?? names.filter((name) => !labelColumns.includes(name) && !index.includes(name));
  if (chosen.length === 0) throw tablesError(path, 'no column is left for the inputs');
  const groups = groupsIn(chosen, { path, known: names });
  const both = membersOf(groups).find((name) => labelColumns.includes(name));
  if (both !== undefined) throw tablesError(path, `column ${both} is among the inputs and the labels`);
  const fields = targets.map((group) => fieldOf(group, TARGET));
  const twice = groups.map((group) => fieldOf(group, INPUT)).find((name) => fields.includes(name));
  if (twice !== undefined)
    throw tablesError(
      path,
      `an input and an output are called ${twice}, and no model has one name for two: say the outputs' in --labels`,
    );
  return { inputs: groups, targets };
}

/** Of the data set: `x` and `y` where nobody says a name. */
const fieldOf = ({ name }: NameGroup, unnamed: string): string => name ?? unnamed;

function requireColumns({ path, names }: ColumnFile, wanted: readonly string[]): void {
  const twice = names.find((name, at) => name !== '' && names.indexOf(name) !== at);
  if (twice !== undefined) throw tablesError(path, `two of its columns are called ${twice}`);
  const missing = wanted.find((name) => !names.includes(name));
  if (missing === undefined) return;
  const meant = suggest(missing, names);
  const hint = meant === null ? `it has ${names.slice(0, 20).join(', ')}` : `did you mean ${meant}?`;
  throw tablesError(path, `it has no column ${missing}; ${hint}`);
}

/** All values once: how many rows, and what each column is. */
async function survey(file: ColumnFile, chosen: Chosen): Promise<Surveyed> {
  const names = columnsOf(chosen);
  const inputs = membersOf(chosen.inputs).length;
  const mayBeText = [
    ...names.slice(0, inputs).map(() => false),
    ...chosen.targets.flatMap(({ members }) => members.map(() => members.length === 1)),
  ];
  const columns = names.map((): ColumnFacts => ({ width: 0, isText: false, isWhole: true, texts: new Set() }));
  let count = 0;
  for await (const { cells, place } of file.rows(names)) {
    for (const [at, cell] of cells.entries()) {
      const where: CellPlace = { path: file.path, place, name: names[at], mayBeText: mayBeText[at] };
      if (cell === null) throw badCell(where, 'is missing');
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

function note(column: ColumnFacts, value: Cell, where: CellPlace): void {
  const number = numberIn(value, where);
  if (typeof value === 'string' && column.texts.size <= MAX_CLASSES) column.texts.add(value);
  if (number === null) {
    column.isText = true;
    return;
  }
  column.isWhole &&= isWholeIn(value) && number >= -(2 ** 31) && number < 2 ** 31;
}

/** Texts of targets of one column, in the order of their characters, from the training set; of numbers there are none. */
function classesOf(sets: readonly Surveyed[], { inputs, targets }: Chosen): ClassTexts {
  const classes = new Map<string, readonly string[]>();
  let at = membersOf(inputs).length;
  for (const group of targets) {
    const [column] = group.members;
    if (group.members.length === 1 && sets.some(({ columns }) => columns[at].isText))
      classes.set(fieldOf(group, TARGET), textsOf(sets, column, at));
    at += group.members.length;
  }
  return classes;
}

function textsOf([train, ...others]: readonly Surveyed[], column: string, at: number): readonly string[] {
  const texts = [...train.columns[at].texts].sort((a, b) => (a < b ? -1 : 1));
  if (texts.length > MAX_CLASSES)
    throw tablesError(train.file.path, `column ${column} has more than ${MAX_CLASSES} different texts, which are no classes`);
  for (const { file, columns } of others) {
    const unknown = [...columns[at].texts].find((value) => !train.columns[at].texts.has(value));
    if (unknown !== undefined)
      throw tablesError(
        file.path,
        `column ${column} has the class ${JSON.stringify(unknown)}, which the training set does not have`,
      );
  }
  return texts;
}

/** A field with the columns that it is made of. */
interface Part {
  readonly field: TableField;
  readonly columns: readonly string[];
  /** Numbers of the texts, where it is of classes. */
  readonly indices: ReadonlyMap<string, number> | null;
}

function tableOf({ file, count, columns }: Surveyed, all: readonly Surveyed[], chosen: Chosen, classes: ClassTexts): Table {
  const isWhole = (from: number, to: number): boolean =>
    all.every((set) => set.count === 0 || set.columns.slice(from, to).every((column) => column.isWhole));
  let from = 0;
  const partOf = (group: NameGroup, side: 'inputs' | 'targets'): Part => {
    const [at, to] = [from, from + group.members.length];
    from = to;
    const name = fieldOf(group, side === 'inputs' ? INPUT : TARGET);
    const texts = side === 'targets' ? classes.get(name) : undefined;
    const width = columns.slice(at, to).reduce((sum, column) => sum + column.width, 0);
    const type: NumericType = texts !== undefined || isWhole(at, to) ? 'int32' : 'float32';
    const shape = side === 'targets' && type === 'int32' && width === 1 ? [] : [width];
    const indices = texts === undefined ? null : new Map(texts.map((text, index) => [text, index]));
    return { field: { name, type, shape }, columns: group.members, indices };
  };
  const inputs = chosen.inputs.map((group) => partOf(group, 'inputs'));
  const targets = chosen.targets.map((group) => partOf(group, 'targets'));
  const parts = new Map([...inputs, ...targets].map((part) => [part.field.name, part]));
  return {
    ...{ count, inputs: inputs.map(({ field }) => field), targets: targets.map(({ field }) => field) },
    read: (fields) =>
      pieces(
        file,
        fields.map(({ name }) => parts.get(name)!),
      ),
  };
}

async function* pieces(file: ColumnFile, parts: readonly Part[]): AsyncGenerator<Rows> {
  const names = parts.flatMap(({ columns }) => columns);
  const most = rowsAtOnce(parts.map(({ field }) => field));
  let flat: number[][] = parts.map(() => []);
  let held = 0;
  const taken = (): Rows =>
    Object.fromEntries(
      parts.map(({ field: { name, type } }, part) => {
        const values = emptyArray(type, flat[part].length);
        values.set(flat[part]);
        return [name, values];
      }),
    );
  for await (const { cells, place } of file.rows(names)) {
    let at = 0;
    for (const [part, { columns, indices }] of parts.entries())
      for (const name of columns) {
        const cell = cells[at++];
        const where: CellPlace = { path: file.path, place, name, mayBeText: false };
        for (const value of Array.isArray(cell) ? (cell as readonly Cell[]) : [cell])
          flat[part].push(indices !== null ? indices.get(String(value))! : numberIn(value, where)!);
      }
    held += 1;
    if (held < most) continue;
    yield taken();
    [flat, held] = [parts.map(() => []), 0];
  }
  if (held > 0) yield taken();
}
