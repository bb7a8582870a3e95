/**
 * Owns: whether two answers to one shard are the same, as a number to compare; and, where one of them may have been made to fit, as a digest.
 */
import { createCipheriv } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { hostValues } from '../../../../common/host_gradient.js';
import type { ShardResult } from '../../../../common/replica.js';

/** Over every bit that a step is made of and that is here, which a gradient on a device is not: two answers to one shard are equal only if these are. */
export function checksumOf(result: ShardResult): number {
  return partsOf(result).reduce((sum, part) => crc32(part, sum), 0);
}

/**
 * Over the same bits, in hex: whoever does not know the key, 32 random bytes, cannot make another answer to one shard that has the same. It is the tag of
 * AES-256-GCM over data that are only authenticated (NIST SP 800-38D), which takes less time than a CRC-32; that its nonce is always the same gives nothing
 * away, because no tag leaves this process.
 */
export function digestOf(result: ShardResult, key: Uint8Array): string {
  const cipher = createCipheriv('aes-256-gcm', key, NONCE);
  for (const part of partsOf(result))
    for (let at = 0; at < part.length; at += PIECE_BYTES) cipher.setAAD(part.subarray(at, at + PIECE_BYTES));
  cipher.final();
  return cipher.getAuthTag().toString('hex');
}

const NONCE = new Uint8Array(12);
/** OpenSSL counts the bytes of one call in 31 bits. */
const PIECE_BYTES = 2 ** 30;

/** None is empty: zlib answers 0, not the sum so far, for memory of no length. */
function partsOf({ lossSum, sums, examples, gradient, statistics, classified }: ShardResult): Uint8Array[] {
  const numbers = Float64Array.of(lossSum, ...sums, examples);
  return [numbers, gradient?.kind === 'host' ? hostValues(gradient) : undefined, statistics, classified].flatMap((values) =>
    values === undefined || values.length === 0 ? [] : bytesOf(values),
  );
}

function bytesOf(values: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
