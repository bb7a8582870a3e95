/**
 * Owns: the arrays of an .npz file, or of the .npy files of a folder, by name: what each holds, and its values from front to back.
 * Does not: choose arrays (data/sources/npz.ts), or parse headers (npy.ts, zip.ts).
 */
import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { NumericArray } from '../../common/dataset.js';
import { DataError } from '../../common/errors.js';
import { errorMessage } from '../../common/error_facts.js';
import type { FileStamp } from '../tables/known_identity.js';
import { badValue } from '../tables/row_file.js';
import { fileError, type RowFile } from '../tables/table.js';
import { MAX_NPY_HEADER, readNpyHeader, type NpyHeader } from './npy.js';
import { decode, STORED_TYPES } from './value_type.js';
import { bytesAt, contentOf, listZip, type ZipMember } from './zip.js';

/** By name. What holds no numbers is an error, which counts where it is asked for. */
export type NpyArrays = ReadonlyMap<string, NpyArray | DataError>;

export interface NpyArray extends NpyHeader {
  readonly stamp: FileStamp;
  /** For messages: the file, and its member. */
  readonly label: string;
  /** Null where it is no member of an archive. */
  readonly member: ZipMember | null;
  /** Its values lie in the file as they are, and one row after the other. */
  readonly rowFile: RowFile | null;
}

const NEXT = 'Save it again with numpy.save, numpy.savez or numpy.savez_compressed.';

/** `path`: an .npz file, an .npy file (with those beside it), or a folder of .npy files. @throws DataError DATA_MISSING, DATA_UNREADABLE or DATA_NOT_NUMPY */
export async function listNpyArrays(path: string): Promise<NpyArrays> {
  const isFolder = (await statOf(path)).isDirectory();
  const arrays = new Map<string, NpyArray | DataError>();
  if (!isFolder && !/\.npy$/i.test(path)) {
    await withFile(path, async (file, stamp) => {
      for (const member of await listZip(file, failIn(path))) {
        if (!member.name.endsWith('.npy')) continue;
        const name = member.name.replace(/\.npy$/, '');
        arrays.set(name, await orRefused(() => memberArray(file, path, stamp, member)));
      }
    });
    return arrays;
  }
  const folder = isFolder ? path : dirname(path);
  for (const name of (await readdir(folder)).filter((file) => file.endsWith('.npy')).sort()) {
    const place = join(folder, name);
    await withFile(place, async (file, stamp) => {
      const read = async (): Promise<NpyArray> => {
        const header = readNpyHeader(await headOf(file, 0, stamp.bytes), failIn(place));
        const array = { ...header, stamp, label: place, member: null };
        requireLength(array, stamp.bytes);
        return { ...array, rowFile: rowFileOf(array, stamp, header.dataAt) };
      };
      arrays.set(basename(name, '.npy'), await orRefused(read));
    });
  }
  return arrays;
}

async function orRefused(read: () => Promise<NpyArray>): Promise<NpyArray | DataError> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
}

async function memberArray(file: FileHandle, path: string, stamp: FileStamp, member: ZipMember): Promise<NpyArray> {
  const label = `${path}, ${member.name}`;
  const fail = failIn(label);
  const head = member.compressed ? await firstOf(contentOf(file, member, fail)) : await headOf(file, member.dataAt, member.bytes);
  const header = readNpyHeader(head, fail);
  const array = { ...header, stamp, label, member };
  requireLength(array, member.bytes);
  const at = member.compressed ? null : member.dataAt + header.dataAt;
  return { ...array, rowFile: at === null ? null : rowFileOf(array, stamp, at) };
}

type Described = Omit<NpyArray, 'rowFile'>;

function rowFileOf({ type, bigEndian, shape, fortran }: Described, stamp: FileStamp, at: number): RowFile | null {
  if (shape.length === 0 || (fortran && shape.length > 1)) return null;
  const { path, bytes, changedMs } = stamp;
  return { path, at, type, bigEndian, count: shape[0], width: widthOf(shape), bytes, changedMs };
}

const widthOf = (shape: readonly number[]): number => shape.slice(1).reduce((a, b) => a * b, 1);

function requireLength({ shape, type, dataAt, label }: Described, bytes: number): void {
  const wanted = shape.reduce((a, b) => a * b, 1) * STORED_TYPES[type].bytes + dataAt;
  if (wanted === bytes) return;
  throw fileError(
    label,
    'DATA_LENGTH',
    `its header says (${shape.join(', ')}) of ${type}, which take ${wanted} bytes; it has ${bytes}`,
    NEXT,
  );
}

/** Rows in order, at most `rows` at a time. @throws DataError DATA_VALUE, DATA_NOT_NUMPY, or DATA_TOO_LARGE where rows lie column by column and do not fit in memory */
export async function* rowsOf(array: NpyArray, rows: number, memoryBytes: number): AsyncGenerator<NumericArray> {
  const { type, shape, fortran, label } = array;
  const width = widthOf(shape);
  const rowBytes = width * STORED_TYPES[type].bytes;
  if (rowBytes === 0 || shape[0] === 0) return;
  const isTransposed = fortran && shape.length > 1;
  const piece = isTransposed ? rowBytes * shape[0] : rowBytes * rows;
  if (isTransposed && piece > memoryBytes) {
    const problem = `lies column by column (Fortran order), and its ${piece} bytes are more than is kept in memory`;
    throw fileError(label, 'DATA_TOO_LARGE', problem, 'Save numpy.ascontiguousarray(…) of it, or give more --data-memory.');
  }
  let first = 0;
  for await (const bytes of inPieces(bytesOf(array), piece)) {
    const from = first;
    first += bytes.length / rowBytes;
    if (!isTransposed) {
      yield decode(bytes, array, (at, why) => badValue(label, from * width + at, width, why));
      continue;
    }
    const columns = decode(bytes, array, (at, why) => badValue(label, placeByRows(at, shape), width, why));
    const straight = byRows(columns, shape);
    for (let row = 0; row < shape[0]; row += rows) yield straight.subarray(row * width, Math.min(shape[0], row + rows) * width);
  }
}

/** Where the value `at` of an array that lies column by column is, row by row. */
function placeByRows(at: number, shape: readonly number[]): number {
  let [rest, place] = [at, 0];
  for (const [axis, extent] of shape.entries()) {
    place += (rest % extent) * shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    rest = Math.floor(rest / extent);
  }
  return place;
}

/** The first index runs fastest in `columns`, and slowest in what is returned. */
function byRows(columns: NumericArray, shape: readonly number[]): NumericArray {
  const rows = columns.slice();
  const width = widthOf(shape);
  const tail = shape.slice(1);
  for (let cell = 0; cell < width; cell++) {
    // Place of this cell of a row where the first of its indices runs fastest.
    let rest = cell;
    let place = 0;
    for (let axis = tail.length - 1; axis >= 0; axis--) {
      const index = rest % tail[axis];
      rest = Math.floor(rest / tail[axis]);
      place += index * tail.slice(0, axis).reduce((a, b) => a * b, 1);
    }
    for (let row = 0; row < shape[0]; row++) rows[row * width + cell] = columns[place * shape[0] + row];
  }
  return rows;
}

/** The values' bytes, in whatever pieces they come. */
async function* bytesOf({ stamp, member, label, dataAt }: NpyArray): AsyncGenerator<Uint8Array> {
  const file = await open(stamp.path, 'r');
  try {
    if (member === null) {
      yield* bytesAt(file, dataAt, stamp.bytes - dataAt, () => failIn(label)('is cut off'));
      return;
    }
    let skip = dataAt;
    for await (const piece of contentOf(file, member, failIn(label))) {
      if (skip < piece.length) yield piece.subarray(skip);
      skip = Math.max(0, skip - piece.length);
    }
  } finally {
    await file.close();
  }
}

/** The same bytes in pieces of `size`; the last may be shorter. */
async function* inPieces(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let piece = new Uint8Array(0);
  let filled = 0;
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length;) {
      if (filled === 0) piece = new Uint8Array(size);
      const part = bytes.subarray(at, at + size - filled);
      piece.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < size) continue;
      yield piece;
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

async function headOf(file: FileHandle, at: number, bytes: number): Promise<Uint8Array> {
  const head = new Uint8Array(Math.min(bytes, MAX_NPY_HEADER));
  const { bytesRead } = await file.read(head, 0, head.length, at);
  return head.subarray(0, bytesRead);
}

async function firstOf(content: AsyncIterable<Buffer>): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of content) {
    pieces.push(piece);
    length += piece.length;
    if (length >= MAX_NPY_HEADER) break;
  }
  return Buffer.concat(pieces).subarray(0, MAX_NPY_HEADER);
}

async function withFile(path: string, use: (file: FileHandle, stamp: FileStamp) => Promise<void>): Promise<void> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw fileError(
      path,
      'DATA_UNREADABLE',
      `cannot be read: ${errorMessage(cause)}`,
      'Check the file and its permissions.',
      cause,
    );
  });
  try {
    const { size, mtimeMs } = await file.stat();
    await use(file, { path: resolve(path), bytes: size, changedMs: mtimeMs });
  } finally {
    await file.close();
  }
}

async function statOf(path: string): ReturnType<typeof stat> {
  try {
    return await stat(path);
  } catch (cause) {
    throw fileError(path, 'DATA_MISSING', 'no such file', 'Check the path after --data.', cause);
  }
}

const failIn = (label: string) => (problem: string) => fileError(label, 'DATA_NOT_NUMPY', problem, NEXT);
