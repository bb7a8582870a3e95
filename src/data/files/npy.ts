/**
 * Owns: the header of a .npy file (numpy/lib/_format_impl.py, versions 1.0, 2.0, 3.0): type, order and shape of its values, and where they begin.
 * Does not: read files (arrays_of_files.ts), or values (value_type.ts).
 */
import type { Layout, StoredType } from './value_type.js';

export interface NpyHeader extends Layout {
  readonly shape: readonly number[];
  /** Columns first, as Fortran has them. */
  readonly fortran: boolean;
  /** Bytes before the first value. */
  readonly dataAt: number;
}

/** Longest header that is read, bytes: numpy refuses more than 10,000 characters itself. */
export const MAX_NPY_HEADER = 16_384;

const TYPES: Readonly<Record<string, StoredType>> = {
  ...{ b1: 'bool', u1: 'uint8', i1: 'int8', u2: 'uint16', i2: 'int16', u4: 'uint32', i4: 'int32', u8: 'uint64', i8: 'int64' },
  ...{ f2: 'float16', f4: 'float32', f8: 'float64' },
};

/** What numpy calls those that no model takes. */
const NAMES: Readonly<Record<string, string>> = {
  ...{ c: 'complex numbers', O: 'Python objects', S: 'bytes', a: 'bytes', U: 'text', V: 'records', M: 'dates', m: 'time spans' },
  f: 'floating point of another width',
};

/** `head`: the file's first bytes, MAX_NPY_HEADER of them or all. @throws what `fail` makes */
export function readNpyHeader(head: Uint8Array, fail: (problem: string) => Error): NpyHeader {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (bytes.length < 10 || bytes.toString('latin1', 0, 6) !== '\x93NUMPY')
    throw fail('is no .npy file: it does not begin as one');
  const major = bytes[6];
  if (major < 1 || major > 3) throw fail(`is of version ${major}.${bytes[7]} of the format, known are 1.0 to 3.0`);
  const at = major === 1 ? 10 : 12;
  const length = major === 1 ? bytes.readUInt16LE(8) : bytes.length < 12 ? Infinity : bytes.readUInt32LE(8);
  if (at + length > MAX_NPY_HEADER) throw fail(`declares a header of ${length} bytes, at most ${MAX_NPY_HEADER - at} are read`);
  if (at + length > bytes.length) throw fail('ends within its header');
  const header = bytes.toString(major === 3 ? 'utf8' : 'latin1', at, at + length);
  const fortran = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1];
  const descr = /'descr':\s*(?:'([^']*)'|(\[))/.exec(header);
  if (fortran === undefined || shape === undefined || descr === null) throw fail('has a header that cannot be understood');
  if (descr[2] !== undefined) throw fail('holds records of several fields, wanted numbers of one type');
  return {
    ...layoutOf(descr[1], fail),
    shape: shape
      .split(',')
      .map((extent) => extent.trim().replace(/L$/, ''))
      .filter((extent) => extent !== '')
      .map((extent) => {
        if (!/^\d+$/.test(extent)) throw fail(`has the shape (${shape})`);
        return Number(extent);
      }),
    fortran: fortran === 'True',
    dataAt: at + length,
  };
}

function layoutOf(descr: string, fail: (problem: string) => Error): Layout {
  const type = TYPES[descr.slice(1)];
  const order = descr[0];
  if (type !== undefined && '<>|='.includes(order)) return { type, bigEndian: order === '>' };
  const kind = NAMES[/[a-zA-Z]/.exec(descr)?.[0] ?? ''];
  throw fail(`holds ${kind ?? 'values'} (${descr}), wanted numbers: bool, integers, float16, float32 or float64`);
}
