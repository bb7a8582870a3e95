/** Owns: knowing a tensor of any copy of tfjs. Does not: import tfjs. */
import type * as tfjs from '@tensorflow/tfjs';

export function isTensor(given: unknown): given is tfjs.Tensor {
  const { dataId, data, dtype } = (given ?? {}) as Partial<tfjs.Tensor>;
  return typeof dataId === 'object' && typeof data === 'function' && typeof dtype === 'string';
}
