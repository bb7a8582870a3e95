/**
 * Owns: what names a set of weights: the SHA-256 that runs are compared by.
 * Does not: store it.
 *
 * The arrays' memory is read as it is, which is little-endian float32 on every platform that TensorFlow has.
 */
import { createHash } from 'node:crypto';
import type { RunValues } from '../planes/plane.js';

/** `weights_sha256`: all weights in `model.weights` order, moving statistics included, then each optimizer slot in trained-weight order; hex. */
export function weightsSha256(parameters: Float32Array, slots: readonly Float32Array[]): string {
  const hash = createHash('sha256');
  for (const values of [parameters, ...slots]) hash.update(bytesOf(values));
  return hash.digest('hex');
}

/** Of a run's values, as `weightsSha256`. */
export function valuesSha256({ parameters, optimizerSlots }: Pick<RunValues, 'parameters' | 'optimizerSlots'>): string {
  return weightsSha256(
    parameters,
    optimizerSlots.map(({ values }) => values),
  );
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
