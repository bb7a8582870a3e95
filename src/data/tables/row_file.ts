/** Owns: rows of an uncompressed file, read where they lie, in any order. */
import { close, fstat, open, read } from 'node:fs';
import { promisify } from 'node:util';
import type { DataFields, NumericArray, StoredSplit } from '../../common/dataset.js';
import { errorMessage } from '../../common/error_facts.js';
import { gather, requireWithin } from '../gather.js';
import type { OpenedSplit } from '../sources/source.js';
import { decode, STORED_TYPES } from '../files/value_type.js';
import { fileError, type RowFile } from './table.js';

/** Reads under way at once: the threads that Node reads files with are four. */
const READS_AT_ONCE = 16;

/** No FileHandle: the thread that reads holds its files until it ends. */
const files = { open: promisify(open), stat: promisify(fstat), read: promisify(read), close: promisify(close) };

/** A split whose inputs lie in files. `where` is what datasetOfTables put there: by input, its RowFile. */
export async function openRowFiles(split: StoredSplit, { inputs }: DataFields): Promise<OpenedSplit> {
  const where = split.where as Readonly<Record<string, RowFile>>;
  const readers = new Map<string, OpenedRowFile>();
  for (const { name } of inputs) readers.set(name, await openRowFile(where[name]));
  return {
    count: split.count,
    async read(rows, into) {
      requireWithin(rows, split.count);
      await Promise.all(Object.entries(into.inputs).map(([name, values]) => readers.get(name)!.read(rows, values)));
      for (const [name, values] of Object.entries(into.targets)) gather(split.targets[name], split.count, rows, values);
    },
  };
}

export interface OpenedRowFile {
  /** Copies these rows to the start of `into`. @throws DataError DATA_CHANGED or DATA_VALUE */
  read(rows: Int32Array, into: NumericArray): Promise<void>;
  close(): Promise<void>;
}

/** @throws DataError DATA_MISSING or DATA_CHANGED */
export async function openRowFile(file: RowFile): Promise<OpenedRowFile> {
  const descriptor = await files.open(file.path, 'r').catch((cause: unknown) => {
    throw fileError(
      file.path,
      'DATA_MISSING',
      `cannot be opened: ${errorMessage(cause)}`,
      'Put it back, and start again.',
      cause,
    );
  });
  const { size, mtimeMs } = await files.stat(descriptor);
  if (size !== file.bytes || mtimeMs !== file.changedMs) {
    await files.close(descriptor);
    throw changed(file);
  }
  return {
    async read(rows, into) {
      const runs = runsIn(rows);
      for (let at = 0; at < runs.length; at += READS_AT_ONCE)
        await Promise.all(runs.slice(at, at + READS_AT_ONCE).map((run) => readRun(descriptor, file, run, into)));
    },
    close: () => files.close(descriptor),
  };
}

interface Run {
  /** Place among the rows asked for. */
  readonly to: number;
  readonly first: number;
  readonly count: number;
}

/** Neighboring rows are one read. */
function runsIn(rows: Int32Array): Run[] {
  const runs: Run[] = [];
  for (let to = 0; to < rows.length;) {
    let end = to + 1;
    while (end < rows.length && rows[end] === rows[end - 1] + 1) end++;
    runs.push({ to, first: rows[to], count: end - to });
    to = end;
  }
  return runs;
}

async function readRun(descriptor: number, file: RowFile, { to, first, count }: Run, into: NumericArray): Promise<void> {
  const rowBytes = file.width * STORED_TYPES[file.type].bytes;
  const bytes = new Uint8Array(count * rowBytes);
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await files.read(descriptor, bytes, done, bytes.length - done, file.at + first * rowBytes + done);
    if (bytesRead === 0) throw changed(file);
    done += bytesRead;
  }
  const values = decode(bytes, file, (at, why) => badValue(file.path, first * file.width + at, file.width, why));
  into.set(values, to * file.width);
}

export function badValue(path: string, at: number, width: number, why: string): Error {
  const place = width === 1 ? '' : `, value ${at % width}`;
  return fileError(
    path,
    'DATA_VALUE',
    `row ${Math.floor(at / width)}${place} is ${why}`,
    'Correct the value, or leave the row out.',
  );
}

function changed({ path }: RowFile): Error {
  return fileError(
    path,
    'DATA_CHANGED',
    'is not the file any more that was there when the run began',
    'Put it back, or start a new run.',
  );
}
