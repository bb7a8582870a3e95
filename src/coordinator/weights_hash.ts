/**
 * Owns: what names a set of weights: the SHA-256 that runs are compared by, and a fast checksum for every step.
 * Does not: guard against tampering by itself: the checksum finds accidents only.
 *
 * Both read the arrays' memory as it is, which is little-endian float32 on every platform that TensorFlow has.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** `weights_sha256`: all weights in `model.weights` order, moving statistics included, then each optimizer slot in trained-weight order; hex. */
export function weightsSha256(parameters: Float32Array, slots: readonly Float32Array[]): string {
  const hash = createHash('sha256');
  for (const values of [parameters, ...slots]) hash.update(bytesOf(values));
  return hash.digest('hex');
}

/** CRC-32 of the same bytes in the same order, as an unsigned number. */
export function weightsChecksum(parameters: Float32Array, slots: readonly Float32Array[]): number {
  return [parameters, ...slots].reduce((checksum, values) => crc32(bytesOf(values), checksum), 0);
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
