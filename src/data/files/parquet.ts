/**
 * Owns: a Parquet file as named columns: which of its types are numbers, texts or lists of them; one row group is in memory at a time.
 * Does not: parse the format: hyparquet does.
 */
import type { FileMetaData, SchemaTree } from 'hyparquet';
import { stat } from 'node:fs/promises';
import { errorMessage } from '../../common/error_facts.js';
import { ExpectedError } from '../../common/errors.js';
import type { Cell } from '../tables/cells.js';
import type { ColumnFile, ColumnRow } from '../tables/columns.js';
import { tablesError } from '../tables/dataset.js';
import { fileError } from '../tables/table.js';

/** @throws DataError DATA_MISSING, DATA_NOT_PARQUET */
export async function openParquet(path: string): Promise<ColumnFile> {
  await stat(path).catch((cause: unknown) => {
    throw fileError(path, 'DATA_MISSING', `cannot be read: ${errorMessage(cause)}`, 'Check the path and its permissions.', cause);
  });
  return parsed(path, async () => {
    // With the first file of its kind: every run and every replica loads this module, and the second asks for WebAssembly's memory at once.
    const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
    const { compressors } = await import('hyparquet-compressors');
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const { children } = parquetSchema(metadata);
    const columns = new Map(children.map((column) => [column.element.name, column]));
    const groups = metadata.row_groups.map(({ num_rows }) => Number(num_rows));
    const rows = async function* (names: readonly string[]): AsyncGenerator<ColumnRow> {
      const read = names.map((name) => readerOf(path, columns.get(name)!));
      let first = 0;
      for (const count of groups) {
        const range = { rowStart: first, rowEnd: first + count };
        const objects = await parsed(path, () =>
          parquetReadObjects({ file, metadata, columns: [...new Set(names)], ...range, compressors }),
        );
        for (const [at, object] of objects.entries())
          yield { cells: names.map((name, column) => read[column](object[name])), place: `row ${first + at}` };
        first += count;
      }
    };
    // A name that two columns have is there twice.
    return { path, names: children.map(({ element }) => element.name), index: indexOf(metadata), rows };
  });
}

/** What pandas wrote beside the columns of a table: the names of its rows, which are a column of the file as well. */
function indexOf({ key_value_metadata: told = [] }: FileMetaData): readonly string[] {
  try {
    const facts = JSON.parse(told.find(({ key }) => key === 'pandas')?.value ?? '{}') as { index_columns?: unknown[] };
    return (facts.index_columns ?? []).filter((name) => typeof name === 'string');
  } catch {
    return [];
  }
}

async function parsed<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof ExpectedError) throw cause;
    const next = 'Write it again, with columns of numbers, texts, or lists of one length.';
    throw fileError(path, 'DATA_NOT_PARQUET', `cannot be read as Parquet: ${errorMessage(cause)}`, next, cause);
  }
}

/** Whole numbers become bigint, so that they are told from real ones. @throws DataError DATA_TABLES for a column of another kind */
function readerOf(path: string, column: SchemaTree): (value: unknown) => Cell {
  const { children, element } = column;
  if (children.length === 0) return leafReader(path, element.name, column);
  const list = element.converted_type === 'LIST' || element.logical_type?.type === 'LIST';
  const item = list ? children[0]?.children[0] : undefined;
  if (item === undefined || item.children.length > 0)
    throw tablesError(
      path,
      `column ${element.name} holds ${list ? 'lists of lists or records' : 'records or maps'}, wanted numbers, texts or lists of numbers`,
    );
  const read = leafReader(path, element.name, item);
  return (value) => (value === null || value === undefined ? null : Array.from(value as Iterable<unknown>, read));
}

const isWhole = (value: unknown): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

function leafReader(path: string, name: string, { element }: SchemaTree): (value: unknown) => Cell {
  const { type, converted_type: converted = null, logical_type: logical } = element;
  const kind = converted ?? logical?.type ?? null;
  const absent = (value: unknown): value is null | undefined => value === null || value === undefined;
  if (kind === 'UTF8' || kind === 'STRING' || kind === 'ENUM') return (value) => (absent(value) ? null : (value as string));
  const isInteger = kind === null || kind === 'INTEGER' || /^U?INT_/.test(kind);
  if ((type === 'INT32' || type === 'INT64') && isInteger) return (value) => (isWhole(value) ? BigInt(value) : null);
  const isReal = type === 'FLOAT' || type === 'DOUBLE' || kind === 'FLOAT16' || kind === 'DECIMAL';
  if (isReal) return (value) => (absent(value) ? null : (value as number));
  if (type === 'BOOLEAN') return (value) => (absent(value) ? null : (value as boolean));
  const what = /TIME|DATE/.test(kind ?? '') || type === 'INT96' ? 'dates or times' : kind === null ? 'bytes' : kind;
  throw tablesError(path, `column ${name} holds ${what}, wanted numbers, texts or lists of numbers`);
}
