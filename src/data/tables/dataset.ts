/**
 * Owns: a data set of tables (table.ts): its inputs in memory where they fit, and else in files from which replicas read their rows. Either way it is the same
 * data, with the same identity.
 * Does not: know a format, or choose fields.
 */
import {
  emptyArray,
  INPUT,
  TARGET,
  type Batch,
  type DataFields,
  type Dataset,
  type DataSplit,
  type NumericArray,
} from '../../common/dataset.js';
import { DataError } from '../../common/errors.js';
import { assembleDataset, product, type Scans } from '../assemble.js';
import { targetFields } from '../fields.js';
import type { Names } from '../named.js';
import { keep, keyOf, recall, type FileStamp } from './known_identity.js';
import { openRowFile } from './row_file.js';
import { bytesOf, pass, throughCache } from './row_cache.js';
import { rowsAtOnce, type RowFile, type Table, type TableField } from './table.js';

export interface TablesRequest {
  readonly name: string;
  /** Its row in table.ts of the sources, which opens what is stored. */
  readonly source: string;
  readonly train: Table;
  readonly validation: Table | null;
  /** What the model sees is value × scale; null: bytes / 255, all others as they are. */
  readonly scale: number | null;
  /** Of targets whose classes are known, by their names. */
  readonly classes?: Readonly<Record<string, number>>;
  /** More than this of inputs stays in files, bytes. */
  readonly memoryBytes: number;
  /** The files that all of it comes from, and how they are read. */
  readonly stamps: readonly FileStamp[];
  readonly how: unknown;
  /** All that the files have to choose from, for people. */
  readonly columns: readonly string[];
}

/** @throws DataError DATA_TABLES, DATA_EMPTY, DATA_LABELS, DATA_VALUE, DATA_CACHE, and what reading the tables throws */
export async function datasetOfTables(request: TablesRequest): Promise<Dataset> {
  const { name, train, validation, source, stamps, how, columns } = request;
  const tables = { train, ...(validation !== null && { validation }) };
  for (const [which, { count }] of Object.entries(tables))
    if (count === 0)
      throw new DataError({
        code: 'DATA_EMPTY',
        message: `${name}: the ${which} set is empty`,
        next: 'Give at least one example.',
      });
  if (validation !== null) requireAlike(name, train, validation);
  const bytes = Object.values(tables).reduce((sum, { count, inputs }) => {
    return sum + inputs.reduce((all, field) => all + bytesOf(field, count), 0);
  }, 0);
  const inMemory = bytes <= request.memoryBytes;
  const key = keyOf(stamps, how);
  const splits: Partial<Record<string, DataSplit>> = {};
  const scans: Record<string, Scans[string]> = {};
  for (const [which, table] of Object.entries(tables)) {
    const memory = inMemory ? [...table.inputs, ...table.targets] : [...table.targets];
    const arrays = Object.fromEntries(
      memory.map(({ name: field, type, shape }) => [field, emptyArray(type, table.count * product(shape), { shared: true })]),
    );
    const hear = (rows: Batch['inputs'], first: number): void => {
      for (const { name: field, shape } of memory) arrays[field].set(rows[field], first * product(shape));
    };
    let stored = table;
    if (inMemory || table.rowFiles !== undefined) await pass(table, memory, hear);
    else stored = await throughCache(table, { key: `${key}-${which}`, hear });
    const side = (fields: readonly TableField[]): Record<string, NumericArray> =>
      Object.fromEntries(fields.map(({ name: field }) => [field, arrays[field]]));
    const targets = side(table.targets);
    const { count, rowFiles } = stored;
    splits[which] = inMemory ? { count, inputs: side(table.inputs), targets } : { count, targets, source, where: rowFiles };
    if (!inMemory && rowFiles !== undefined)
      scans[which] = table.rowFiles === rowFiles ? readsOf(table) : scansOf(table.inputs, rowFiles);
  }
  const parts = {
    ...{ name, columns, fields: fieldsOf(request, splits as Record<string, DataSplit>) },
    ...{ train: splits.train!, validation: splits.validation ?? null },
  };
  if (inMemory) return assembleDataset(parts);
  const known = await recall<{ sha256: string }>(key);
  const dataset = await assembleDataset(parts, { scans, ...(known !== null && { sha256: known.sha256 }) });
  if (known === null) await keep(key, { sha256: dataset.sha256 });
  return dataset;
}

function fieldsOf({ train, scale, classes, name }: TablesRequest, splits: Record<string, DataSplit>): DataFields {
  const inputs = train.inputs.map((field) => ({ ...field, scale: scale ?? (field.type === 'uint8' ? 1 / 255 : 1) }));
  const names: Names = { form: 'record', names: train.targets.map((field) => field.name) };
  const shapes = Object.fromEntries(train.targets.map((field) => [field.name, field.shape]));
  const given = Object.values(splits).map(({ count, targets }) => ({ count, inputs: {}, targets }));
  const options = {
    inputShape: {},
    labelShape: shapes,
    ...(classes !== undefined && { classes }),
  };
  return { inputs, targets: targetFields(options, names, given, (message) => tablesError(name, message)) };
}

/** Each input's rows, read from front to back: only so is the checksum seen that an archive has of them. */
function readsOf(table: Table): Scans[string] {
  return Object.fromEntries(table.inputs.map((field) => [field.name, () => readsOfOne(table, field)]));
}

async function* readsOfOne(table: Table, field: TableField): AsyncGenerator<NumericArray> {
  for await (const rows of table.read([field])) yield rows[field.name];
}

/** Each input's rows again, in order, of a cache. */
function scansOf(inputs: readonly TableField[], files: Readonly<Record<string, RowFile>>): Scans[string] {
  return Object.fromEntries(inputs.map((field) => [field.name, () => scan(field, files[field.name])]));
}

async function* scan(field: TableField, file: RowFile): AsyncGenerator<NumericArray> {
  const opened = await openRowFile(file);
  try {
    const step = rowsAtOnce([field]);
    for (let first = 0; first < file.count; first += step) {
      const rows = Int32Array.from({ length: Math.min(step, file.count - first) }, (_, at) => first + at);
      const values = emptyArray(field.type, rows.length * file.width);
      await opened.read(rows, values);
      yield values;
    }
  } finally {
    await opened.close();
  }
}

function requireAlike(name: string, train: Table, validation: Table): void {
  for (const side of ['inputs', 'targets'] as const)
    for (const [at, field] of train[side].entries()) {
      const other = validation[side][at];
      if (other.type === field.type && other.shape.join() === field.shape.join()) continue;
      const text = ({ type, shape }: TableField): string => `${type} [${shape.join(', ')}]`;
      throw tablesError(name, `${field.name} is ${text(field)} in the training set and ${text(other)} in the validation set`);
    }
}

export function tablesError(name: string, problem: string): DataError {
  return new DataError({
    code: 'DATA_TABLES',
    message: `${name}: ${problem}`,
    next: 'Name what the model takes with --inputs, and what it shall answer with --labels; docs/data.md says what fits together.',
  });
}

/** One alone has no name of its own, as data of old have none. */
export function fieldNames(names: readonly string[], side: 'inputs' | 'targets'): readonly string[] {
  return names.length === 1 ? [side === 'inputs' ? INPUT : TARGET] : names;
}
