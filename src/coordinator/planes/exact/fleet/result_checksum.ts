/**
 * Owns: whether two answers to one shard are the same, as a number to compare.
 */
import { crc32 } from 'node:zlib';
import { hostValues } from '../../../../common/host_gradient.js';
import type { ShardResult } from '../../../../common/replica.js';

/** Over every bit that a step is made of: two answers to one shard are equal if and, but for chance, only if these are. */
export function checksumOf({ lossSum, sums, examples, gradient, statistics, classified }: ShardResult): number {
  let sum = crc32(bytesOf(Float64Array.of(lossSum, ...sums, examples)));
  // zlib answers 0, not the sum so far, for memory of no length.
  const values = gradient && hostValues(gradient);
  if (values !== undefined && values.length > 0) sum = crc32(bytesOf(values), sum);
  if (statistics !== undefined && statistics.length > 0) sum = crc32(bytesOf(statistics), sum);
  if (classified !== undefined && classified.length > 0) sum = crc32(bytesOf(classified), sum);
  return sum;
}

function bytesOf(values: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
