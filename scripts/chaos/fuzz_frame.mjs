/** Owns: a frame with some of it wrong. Does not: send it, or say what must become of it. */
import { crc32 } from 'node:zlib';

const HEAD_BYTES = 64;

/**
 * A copy of `frame` with one to four bytes changed; half of all with right checksums, so that what lies behind them is reached; a tenth cut short.
 * `random` gives numbers in [0, 1).
 */
export function fuzzFrame(frame, random) {
  const below = (n) => Math.floor(random() * n);
  const bytes = Buffer.from(frame);
  for (let mutations = below(4); mutations >= 0; mutations--) bytes[below(bytes.length)] = below(256);
  if (random() < 0.5) {
    const start = HEAD_BYTES + Math.ceil(Math.min(bytes.readUInt32LE(20), 512) / 8) * 8;
    bytes.writeUInt32LE(crc32(bytes.subarray(start)), 44);
    bytes.writeUInt32LE(crc32(bytes.subarray(HEAD_BYTES, start), crc32(bytes.subarray(0, 60))), 60);
  }
  return random() < 0.1 ? bytes.subarray(0, below(bytes.length)) : bytes;
}
