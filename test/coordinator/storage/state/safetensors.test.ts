import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { xorshift } from '../../../support/xorshift.js';
import { LIMITS } from '../../../../src/common/limits.js';
import {
  DamagedFileError,
  encodeSafetensors,
  readTensorBytes,
  verifySafetensors,
} from '../../../../src/coordinator/storage/state/safetensors.js';
import type { ByteSource } from '../../../../src/coordinator/storage/state/safetensors.js';

const source = (bytes: Uint8Array): ByteSource => ({
  size: async () => bytes.length,
  read: async (into, position) => {
    const piece = bytes.subarray(position, position + into.length);
    into.set(piece);
    return piece.length;
  },
});

const small = async () =>
  Buffer.concat(
    await encodeSafetensors(
      [
        { name: 'a', dtype: 'F32', shape: [2, 1], values: Float32Array.of(1, -2) },
        { name: 'empty', dtype: 'F32', shape: [0, 7], values: new Float32Array(0) },
        { name: 'b', dtype: 'I32', shape: [3], values: Int32Array.of(3, 4, 5) },
      ],
      new Map([['step', '7']]),
    ),
  );

/** A file with the given header JSON, both digests put right, so that only the checks behind them can refuse it. */
function signed(header: Record<string, unknown>, data: Uint8Array): Buffer {
  const zeros = '0'.repeat(64);
  const metadata = { ...(header.__metadata__ as object), tensors_sha256: sha256(data), header_sha256: zeros };
  const blank = Buffer.from(JSON.stringify({ ...header, __metadata__: metadata }));
  return framed(Buffer.from(blank.toString().replace(`"header_sha256":"${zeros}"`, `"header_sha256":"${sha256(blank)}"`)), data);
}

function framed(header: Uint8Array, data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const refusal = async (bytes: Uint8Array): Promise<string> => {
  try {
    await verifySafetensors(source(bytes));
    return 'accepted';
  } catch (error) {
    if (!(error instanceof DamagedFileError)) throw error;
    return error.message;
  }
};

describe('safetensors', () => {
  it('writes the bytes that the format prescribes', async () => {
    const bytes = await small();
    const headerLength = Number(bytes.readBigUInt64LE());
    expect((8 + headerLength) % 8).toBe(0);
    const header = bytes.subarray(8, 8 + headerLength).toString();
    expect(header.replace(/[0-9a-f]{64}/g, '<sha256>').trimEnd()).toBe(
      '{"__metadata__":{"step":"7","tensors_sha256":"<sha256>","header_sha256":"<sha256>"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"empty":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8]},"b":{"dtype":"I32","shape":[3],"data_offsets":[8,20]}}',
    );
    expect(bytes.subarray(8 + headerLength).toString('hex')).toBe('0000803f000000c0030000000400000005000000');
    // Golden: this very code on 2 tensors and an empty one; changes only when the format does.
    expect(sha256(bytes)).toMatchInlineSnapshot(`"f41e0cc1b19ead0686b4a11cdb14b8acd6dbdfa74255ba655e596de0f77188eb"`);
  });

  it('reads back what it wrote', async () => {
    const bytes = await small();
    const index = await verifySafetensors(source(bytes));
    expect(index.metadata).toEqual(new Map([['step', '7']]));
    expect(index.fileSha256).toBe(sha256(bytes));
    expect(index.tensors.map(({ name, begin, end }) => [name, begin, end])).toEqual([
      ['a', 0, 8],
      ['empty', 8, 8],
      ['b', 8, 20],
    ]);
    const data = await readTensorBytes(source(bytes), index);
    expect([...new Float32Array(data.buffer, 0, 2)]).toEqual([1, -2]);
    expect([...new Int32Array(data.buffer, 8, 3)]).toEqual([3, 4, 5]);
  });

  it('holds no tensors at all when given none', async () => {
    const bytes = Buffer.concat(await encodeSafetensors([], new Map()));
    expect((await verifySafetensors(source(bytes))).tensors).toEqual([]);
  });

  it('notices every truncation', async () => {
    const bytes = await small();
    for (let length = 0; length < bytes.length; length++)
      expect(await refusal(bytes.subarray(0, length)), `${length} bytes`).not.toBe('accepted');
    expect(await refusal(Buffer.concat([bytes, Buffer.alloc(1)]))).not.toBe('accepted');
  });

  it('notices every flip of a single bit', async () => {
    const bytes = await small();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3] ^= 1 << (bit & 7);
      expect(await refusal(bytes), `bit ${bit}`).not.toBe('accepted');
      bytes[bit >> 3] ^= 1 << (bit & 7);
    }
    expect(await refusal(bytes)).toBe('accepted');
  });

  it('refuses a header that is right about its digests and wrong about everything else, and says what', async () => {
    const data = new Uint8Array(8);
    const one = (entry: object) => signed({ w: entry }, data);
    expect(await refusal(signed({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, data))).toBe('accepted');
    expect(await refusal(one({ dtype: 'F16', shape: [4], data_offsets: [0, 8] }))).toBe(
      'tensor "w": dtype "\\"F16\\"" is not one of F64, F32, I32, U8',
    );
    expect(await refusal(one({ dtype: 'F32', shape: [3], data_offsets: [0, 8] }))).toBe(
      'tensor "w": shape [3] needs 12 bytes, data_offsets give 8',
    );
    expect(await refusal(one({ dtype: 'F32', shape: [-2], data_offsets: [0, 8] }))).toContain('shape is not a list');
    expect(await refusal(one({ dtype: 'F32', shape: [1, 1, 1, 1, 1, 1, 1, 1, 2], data_offsets: [0, 8] }))).toContain(
      'at most 8 sizes',
    );
    expect(await refusal(one({ dtype: 'F32', shape: [2 ** 40, 2 ** 40], data_offsets: [0, 8] }))).toContain(
      'bytes, data_offsets give 8',
    );
    expect(await refusal(one({ dtype: 'F32', shape: [2], data_offsets: [8, 0] }))).toContain('two ascending positions');
    expect(await refusal(one({ dtype: 'F32', shape: [2], data_offsets: [4, 12] }))).toBe(
      'tensor "w" begins at 4, the one before it ends at 0',
    );
    expect(await refusal(one({ dtype: 'F32', shape: [1], data_offsets: [0, 4] }))).toBe('tensors need 4 bytes, the file holds 8');
    expect(await refusal(one({ dtype: 'F32', shape: [2], data_offsets: [0, 8], url: 'x' }))).toBe(
      'tensor "w": unknown key "url"',
    );
    const overlap = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
    expect(await refusal(signed({ v: overlap, w: overlap }, data))).toBe('tensor "w" begins at 0, the one before it ends at 8');
    expect(await refusal(signed({ w: overlap, __metadata__: { step: 7 } }, data))).toBe('metadata "step" is not a string');
  });

  it('refuses a header too long, too deep or of too many parts before parsing it', async () => {
    const long = framed(Buffer.alloc(LIMITS.maxStateHeaderBytes + 1, ' '), new Uint8Array(0));
    expect(await refusal(long)).toBe(`header length ${LIMITS.maxStateHeaderBytes + 1} is above ${LIMITS.maxStateHeaderBytes}`);
    expect(await refusal(framed(Buffer.from('['.repeat(1000)), new Uint8Array(0)))).toBe('header is nested deeper than 8');
    expect(await refusal(framed(Buffer.from(`[${'0,'.repeat(LIMITS.maxStateHeaderTokens)}0]`), new Uint8Array(0)))).toBe(
      `header has more than ${LIMITS.maxStateHeaderTokens} parts`,
    );
    expect(await refusal(Buffer.from('ffffffffffffffff7b7d', 'hex'))).toBe(
      'header length 18446744073709551615 in a file of 10 bytes',
    );
  });

  it('refuses 20,000 fuzzed files without a crash, and takes no more memory than they are long and 64 MiB', async () => {
    const bytes = await small();
    const headerLength = Number(bytes.readBigUInt64LE());
    const random = xorshift(20_240_601);
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      '"',
      ',',
      ':',
      '0',
      '-1',
      '1e999',
      '"__metadata__"',
      '"__proto__"',
      'null',
      '\\u0000',
      '18446744073709551615',
      '"F32"',
      '\xff',
    ];
    const before = process.memoryUsage().rss;
    let highest = 0;
    let accepted = 0;
    for (let file = 0; file < 20_000; file++) {
      let mutant: Buffer = Buffer.from(bytes);
      for (let edits = 1 + (random() % 3); edits > 0; edits--) {
        const at = random() % mutant.length;
        const kind = random() % 4;
        if (kind === 0) mutant[at] ^= 1 << (random() % 8);
        else if (kind === 1)
          mutant = Buffer.concat([mutant.subarray(0, at), mutant.subarray(Math.min(mutant.length, at + 1 + (random() % 9)))]);
        else
          mutant = Buffer.concat([
            mutant.subarray(0, at),
            Buffer.from(pieces[random() % pieces.length], 'latin1'),
            mutant.subarray(at + (kind === 2 ? 1 : 0)),
          ]);
        if (mutant.length === 0) break;
      }
      // Half of them get a right length and right digests where their header still is JSON, so that what lies behind is reached.
      if (file % 2 === 0) mutant = resigned(mutant, headerLength) ?? mutant;
      if ((await refusal(mutant)) === 'accepted') accepted++;
      if (file % 1000 === 0) highest = Math.max(highest, process.memoryUsage().rss);
    }
    // Signed mutants may still be right files: other metadata, other numbers in a tensor. Some must be, or the fuzzer never came so far.
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(10_000);
    expect(highest - before).toBeLessThan(64 * 2 ** 20);
  });

  it('parses the worst header that its limits allow within 64 MiB', async () => {
    const value = `[${'[],'.repeat(Math.floor(LIMITS.maxStateHeaderTokens / 3) - 10)}[]]`;
    const before = process.memoryUsage().rss;
    expect(await refusal(framed(Buffer.from(`{"w":${value}}`), new Uint8Array(0)))).toBe('header entry "w" is not an object');
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });
});

function resigned(mutant: Buffer, headerLength: number): Buffer | null {
  const cut = Math.min(mutant.length, 8 + headerLength);
  try {
    const text = mutant.subarray(8, cut).toString();
    const header: unknown = JSON.parse(text.slice(0, text.lastIndexOf('}') + 1));
    return typeof header === 'object' && header !== null ? signed(header as Record<string, unknown>, mutant.subarray(cut)) : null;
  } catch {
    return null;
  }
}
