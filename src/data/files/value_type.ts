/** Owns: numbers as files hold them, little- or big-endian, and as a data set keeps them. */
import { fromFloat16 } from '../../common/float16.js';
import { endianness } from 'node:os';
import { emptyArray, type NumericArray, type NumericType } from '../../common/dataset.js';

/** How files hold a number. */
export type StoredType =
  'bool' | 'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32' | 'uint64' | 'int64' | 'float16' | 'float32' | 'float64';

interface TypeRow {
  readonly bytes: number;
  readonly keptAs: NumericType;
  readonly read: (view: DataView, at: number, little: boolean) => number;
}

const beyond = 2 ** 31;

export const STORED_TYPES: Readonly<Record<StoredType, TypeRow>> = {
  // Not as bytes, which are pixels.
  bool: { bytes: 1, keptAs: 'int32', read: (view, at) => view.getUint8(at) },
  uint8: { bytes: 1, keptAs: 'uint8', read: (view, at) => view.getUint8(at) },
  int8: { bytes: 1, keptAs: 'int32', read: (view, at) => view.getInt8(at) },
  uint16: { bytes: 2, keptAs: 'int32', read: (view, at, little) => view.getUint16(at, little) },
  int16: { bytes: 2, keptAs: 'int32', read: (view, at, little) => view.getInt16(at, little) },
  uint32: { bytes: 4, keptAs: 'int32', read: (view, at, little) => view.getUint32(at, little) },
  int32: { bytes: 4, keptAs: 'int32', read: (view, at, little) => view.getInt32(at, little) },
  // A double is enough to see that a number is beyond int32.
  uint64: { bytes: 8, keptAs: 'int32', read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  int64: { bytes: 8, keptAs: 'int32', read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  float16: { bytes: 2, keptAs: 'float32', read: (view, at, little) => fromFloat16(view.getUint16(at, little)) },
  float32: { bytes: 4, keptAs: 'float32', read: (view, at, little) => view.getFloat32(at, little) },
  float64: { bytes: 8, keptAs: 'float32', read: (view, at, little) => view.getFloat64(at, little) },
};

export interface Layout {
  readonly type: StoredType;
  readonly bigEndian: boolean;
}

/** @throws what `refuse` makes of a value that a data set cannot hold, with its place among `bytes`' values */
export function decode(bytes: Uint8Array, layout: Layout, refuse: (at: number, why: string) => Error): NumericArray {
  const { bytes: width, keptAs, read } = STORED_TYPES[layout.type];
  const count = bytes.byteLength / width;
  const values = emptyArray(keptAs, count);
  if (isAsKept(layout)) new Uint8Array(values.buffer).set(bytes);
  else {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < count; i++) {
      const value = read(view, i * width, !layout.bigEndian);
      if (keptAs === 'int32' && !(value >= -beyond && value < beyond))
        throw refuse(i, `${value}, which is beyond 32 bits: whole numbers are kept as int32`);
      values[i] = value;
    }
  }
  const bad = values instanceof Float32Array ? values.findIndex((value) => !Number.isFinite(value)) : -1;
  if (bad !== -1) throw refuse(bad, `${values[bad]}, wanted a finite float32`);
  return values;
}

/** Whether the file's bytes are those of the array that is kept. */
function isAsKept({ type, bigEndian }: Layout): boolean {
  if (type === 'uint8') return true;
  return endianness() === 'LE' && !bigEndian && (type === 'int32' || type === 'float32');
}
