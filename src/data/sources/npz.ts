/**
 * Owns: `--data FILE.npz`, or the .npy files of a folder: which arrays are inputs and targets, of which split.
 * Does not: read them (../files/npy_arrays.ts).
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Dataset } from '../../common/dataset.js';
import { DataError } from '../../common/errors.js';
import { listNpyArrays, rowsOf, type NpyArray, type NpyArrays } from '../files/npy_arrays.js';
import { STORED_TYPES } from '../files/value_type.js';
import type { OnDataProgress } from '../progress.js';
import { datasetOfTables, fieldNames, tablesError } from '../tables/dataset.js';
import { groupsIn, groupsKey, groupsText, membersOf, type NameGroup } from '../tables/named_columns.js';
import { openRowFiles } from '../tables/row_file.js';
import { rowsAtOnce, type RowFile, type Rows, type Table, type TableField } from '../tables/table.js';
import { memoryBytesOf, type DataConfig, type SourceRow } from './source.js';

export const npz: SourceRow = {
  says: 'an .npz or .npy file',
  isMeant: (data) => /\.(npz|npy)$/i.test(data) || isNpyFolder(data),
  everywhere: false,
  load: loadNpz,
  open: openRowFiles,
};

function isNpyFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory() && readdirSync(path).some((name) => name.endsWith('.npy'));
}

/** What arrays are usually called. */
const INPUTS = ['x', 'X', 'inputs', 'input', 'images', 'data', 'features'];
const TARGETS = ['y', 'Y', 'targets', 'target', 'labels', 'label'];
/** A split's arrays are called `x_train`, `train_x` and so on; the first that is there counts. */
const WORDS = { train: ['train'], validation: ['validation', 'val', 'valid', 'test'] } as const;

type Split = keyof typeof WORDS;

/**
 * Images of bytes [n, h, w] become [h, w, 1]; all other arrays keep their shape. Whole numbers, one for each example, are indices of classes.
 * @throws DataError
 */
export async function loadNpz(config: DataConfig, onProgress: OnDataProgress = () => {}): Promise<Dataset> {
  const { data: path, scale = null } = config;
  const arrays = await listNpyArrays(path);
  const validationArrays = config.validationFile == null ? null : await listNpyArrays(config.validationFile);
  const known = [...arrays.keys()];
  const groups = {
    inputs: groupsIn(config.inputs ?? [found(path, arrays, INPUTS)], { path, known }),
    targets: groupsIn(config.labels ?? [found(path, arrays, TARGETS)], { path, known }),
  };
  const bases = { inputs: membersOf(groups.inputs), targets: membersOf(groups.targets) };
  const names = { inputs: namesOf(path, groups.inputs, 'inputs'), targets: namesOf(path, groups.targets, 'targets') };
  const memoryBytes = memoryBytesOf(config);
  const tableIn = (from: NpyArrays, where: string, splits: readonly Split[]): Table | null => {
    const all = [...bases.inputs, ...bases.targets].map((base) => arrayOf(from, base, splits));
    if (all.every((picked) => picked === null)) return null;
    const missing = all.indexOf(null);
    if (missing !== -1) throw noArray(where, [...bases.inputs, ...bases.targets][missing], from);
    return tableOf(where, names, all as Picked[], memoryBytes);
  };
  const train = tableIn(arrays, path, ['train']);
  if (train === null) throw noArray(path, bases.inputs[0], arrays);
  const validation =
    validationArrays === null
      ? tableIn(arrays, path, ['validation'])
      : tableIn(validationArrays, config.validationFile!, ['validation', 'train']);
  if (validationArrays !== null && validation === null) throw noArray(config.validationFile!, bases.inputs[0], validationArrays);
  const used = [...arrays.values(), ...(validationArrays?.values() ?? [])];
  onProgress({ kind: 'note', message: `${path}: inputs ${groupsText(groups.inputs)}, labels ${groupsText(groups.targets)}` });
  return datasetOfTables({
    ...{ name: basename(path), source: 'npz', train, validation, scale, memoryBytes },
    stamps: [...new Map(used.flatMap((array) => (array instanceof DataError ? [] : [[array.stamp.path, array.stamp]]))).values()],
    how: {
      ...{ kind: 'npz', scale, validation: validation !== null },
      ...{ inputs: groupsKey(groups.inputs), targets: groupsKey(groups.targets) },
    },
    columns: known,
  });
}

/** The one name of the list that the arrays go by. */
function found(path: string, arrays: NpyArrays, names: readonly string[]): string {
  const there = names.filter((name) => arrayOf(arrays, name, ['train']) !== null);
  if (there.length === 1) return there[0];
  const problem = there.length === 0 ? `none of its arrays is called ${names.join(', ')}` : `it has both ${there.join(' and ')}`;
  throw tablesError(path, `${problem}; it has ${listed(arrays)}`);
}

interface Picked {
  readonly name: string;
  readonly array: NpyArray;
}

/** @throws DataError where it is no array of numbers */
function arrayOf(arrays: NpyArrays, base: string, splits: readonly Split[]): Picked | null {
  const names = splits.flatMap((split) => [
    ...WORDS[split].flatMap((word) => [`${base}_${word}`, `${word}_${base}`]),
    ...(split === 'train' ? [base] : []),
  ]);
  const name = names.find((candidate) => arrays.has(candidate));
  if (name === undefined) return null;
  const array = arrays.get(name)!;
  if (array instanceof DataError) throw array;
  return { name, array };
}

function noArray(path: string, base: string, arrays: NpyArrays): Error {
  return tablesError(path, `it has no array ${base}, ${base}_train or the like; it has ${listed(arrays)}`);
}

const listed = (arrays: NpyArrays): string => [...arrays.keys()].slice(0, 20).join(', ') || 'no arrays';

interface FieldNames {
  readonly inputs: readonly string[];
  readonly targets: readonly string[];
}

/** The model's, where they are said: `left=x_left`. An array is one input whole. */
function namesOf(path: string, groups: readonly NameGroup[], side: 'inputs' | 'targets'): readonly string[] {
  if (groups[0].name === null) return fieldNames(membersOf(groups), side);
  return groups.map(({ name, members }) => {
    if (members.length === 1) return name!;
    throw tablesError(path, `${name} is given ${members.length} arrays (${members.join(', ')}), wanted one`);
  });
}

/** `all`: of the inputs, then of the targets. */
function tableOf(path: string, names: FieldNames, all: readonly Picked[], memoryBytes: number): Table {
  const [first] = all;
  for (const { name, array } of all) {
    if (array.shape.length === 0) throw tablesError(path, `${name} is one number, wanted a row for each example`);
    if (array.shape[0] !== first.array.shape[0])
      throw tablesError(path, `${name} has ${array.shape[0]} rows, ${first.name} has ${first.array.shape[0]}`);
    if (array.shape.slice(1).includes(0)) throw tablesError(path, `${name} has the shape (${array.shape.join(', ')})`);
  }
  const fields = [...names.inputs, ...names.targets].map((name, at): TableField => {
    const { type, shape } = all[at].array;
    const { keptAs } = STORED_TYPES[type];
    const row = shape.slice(1);
    return { name, type: keptAs, shape: at < names.inputs.length ? inputShape(row, keptAs) : labelShape(row, keptAs) };
  });
  const inputs = fields.slice(0, names.inputs.length);
  const arrays = new Map(fields.map(({ name }, at) => [name, all[at].array]));
  const files = inputs.map(({ name }) => [name, arrays.get(name)!.rowFile] as const);
  return {
    ...{ count: first.array.shape[0], inputs, targets: fields.slice(inputs.length) },
    read: (asked) => together(asked, arrays, memoryBytes),
    ...(files.every(([, file]) => file !== null) && { rowFiles: Object.fromEntries(files) as Record<string, RowFile> }),
  };
}

/** As in IDX files: gray images have one channel. */
const inputShape = (row: readonly number[], type: string): readonly number[] =>
  row.length === 0 ? [1] : row.length === 2 && type === 'uint8' ? [...row, 1] : row;

/** Keras has [n, 1] for indices of classes too. */
function labelShape(row: readonly number[], type: string): readonly number[] {
  if (type !== 'float32' && (row.length === 0 || row.join() === '1')) return [];
  return row.length === 0 ? [1] : row;
}

async function* together(
  fields: readonly TableField[],
  arrays: ReadonlyMap<string, NpyArray>,
  memoryBytes: number,
): AsyncGenerator<Rows> {
  const rows = rowsAtOnce(fields);
  const readers = fields.map(({ name }) => rowsOf(arrays.get(name)!, rows, memoryBytes));
  try {
    for (;;) {
      const pieces = await Promise.all(readers.map((reader) => reader.next()));
      if (pieces.some(({ done }) => done)) return;
      yield Object.fromEntries(fields.map(({ name }, at) => [name, pieces[at].value])) as Rows;
    }
  } finally {
    await Promise.all(readers.map((reader) => reader.return(undefined)));
  }
}
