/**
 * Owns: the rows of compressed files or text, decoded once into a file beside the other caches, where they can be read in any order.
 * Does not: delete: the folder may be deleted whenever no run uses it.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { rowBytes } from '../../common/dataset.js';
import { DataError } from '../../common/errors.js';
import { errorMessage } from '../../common/error_facts.js';

import { cacheFolder } from '../cache_folder.js';
import { byteSlices, product } from '../assemble.js';
import type { RowFile, Rows, Table, TableField } from './table.js';

/** The table with its inputs in row files, and its targets as they came by. */
export async function throughCache(
  table: Table,
  { key, hear }: { key: string; hear: (rows: Rows, first: number) => void },
): Promise<Table> {
  const folder = join(cacheFolder(), 'rows');
  const places = table.inputs.map(({ name }, at) => join(folder, `${key}-${at}-${fileName(name)}`));
  try {
    await mkdir(folder, { recursive: true });
    if (await areThere(table, places)) await pass(table, table.targets, hear);
    else await write(table, places, hear);
    const rowFiles = Object.fromEntries(
      await Promise.all(table.inputs.map(async (field, at) => [field.name, await rowFileOf(table, field, places[at])] as const)),
    );
    return { ...table, rowFiles };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw new DataError({
      code: 'DATA_CACHE',
      message: `${folder}: the decoded rows cannot be kept there: ${errorMessage(cause)}`,
      next: 'Make room, name another folder by TFJS_PARALLEL_CACHE, or give --data-memory so much that the rows fit.',
      cause,
    });
  }
}

async function write(table: Table, places: readonly string[], hear: (rows: Rows, first: number) => void): Promise<void> {
  const fresh = places.map((place) => `${place}.${process.pid}`);
  const files: FileHandle[] = [];
  try {
    for (const place of fresh) files.push(await open(place, 'wx'));
    await pass(table, [...table.inputs, ...table.targets], async (rows, first) => {
      for (const [at, { name }] of table.inputs.entries())
        for (const slice of byteSlices(rows[name])) await files[at].appendFile(slice);
      hear(rows, first);
    });
    for (const file of files) await file.close();
    for (const [at, place] of places.entries()) await rename(fresh[at], place);
  } catch (error) {
    for (const file of files) await file.close().catch(() => undefined);
    for (const place of fresh) await rm(place, { force: true });
    throw error;
  }
}

/** All rows once, with the number of the first of each piece. */
export async function pass(
  table: Table,
  fields: readonly TableField[],
  take: (rows: Rows, first: number) => unknown,
): Promise<void> {
  let first = 0;
  if (fields.length === 0) return;
  const [{ name, shape }] = fields;
  for await (const rows of table.read(fields)) {
    await take(rows, first);
    first += rows[name].length / product(shape);
  }
}

async function areThere(table: Table, places: readonly string[]): Promise<boolean> {
  const sizes = await Promise.all(
    places.map((place) =>
      stat(place).then(
        ({ size }) => size,
        () => -1,
      ),
    ),
  );
  return table.inputs.every((field, at) => sizes[at] === bytesOf(field, table.count));
}

async function rowFileOf({ count }: Table, { type, shape }: TableField, path: string): Promise<RowFile> {
  const { size, mtimeMs } = await stat(path);
  const bigEndian = endianness() === 'BE';
  return { path, at: 0, type, bigEndian, count, width: product(shape), bytes: size, changedMs: mtimeMs };
}

export function bytesOf(field: TableField, count: number): number {
  return count * rowBytes([field]);
}

const fileName = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 8);
