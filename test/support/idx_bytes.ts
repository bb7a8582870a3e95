/**
 * Owns: making IDX files for tests.
 */
import { createHash } from 'node:crypto';

/** Header of an IDX file. */
export function idxHeader(typeByte: number, shape: readonly number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = typeByte;
  header[3] = shape.length;
  shape.forEach((extent, axis) => header.writeUInt32BE(extent, 4 + 4 * axis));
  return header;
}

/** An IDX file of bytes. Values default to 0, 1, 2 ... (modulo 251, so that neighboring rows differ). */
export function idxBytes(shape: readonly number[], values?: readonly number[]): Buffer {
  const count = shape.reduce((product, extent) => product * extent, 1);
  return Buffer.concat([idxHeader(0x08, shape), Buffer.from(values ?? Array.from({ length: count }, (_, i) => i % 251))]);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
