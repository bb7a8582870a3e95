import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readIdx } from '../../src/data/idx.js';
import type { IdxExpectation } from '../../src/data/idx_sink.js';
import { idxBytes, idxHeader, sha256 } from '../support/idx_bytes.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const IMAGES: IdxExpectation = { rows: 'images' };

/** Reads `content` from a file; a failure is told as its code, and its message without the folder. */
async function read(content: Uint8Array | string, want: IdxExpectation = IMAGES): Promise<unknown> {
  const folder = await temporaryFolder({ file: content });
  return readIdx(join(folder, 'file'), want).catch(
    (error: Error & { code: string }) => `${error.code} ${error.message.replace(`${folder}/`, '')}`,
  );
}

test('five images of 2 × 3 are read alike from a raw and a compressed file', async () => {
  const bytes = idxBytes([5, 2, 3]);
  for (const gzip of [false, true]) {
    const { type, shape, values, ...rest } = (await read(gzip ? gzipSync(bytes) : bytes)) as Awaited<ReturnType<typeof readIdx>>;
    expect({ type, shape }).toEqual({ type: 'uint8', shape: [5, 2, 3] });
    expect(values.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect([...values]).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(rest).toEqual({ sha256: sha256(bytes), gzip });
  }
});

test('a file larger than the chunks it is read in is put together in order', async () => {
  const shape = [1009, 17, 61];
  const bytes = idxBytes(shape);
  const { values } = (await read(gzipSync(bytes))) as Awaited<ReturnType<typeof readIdx>>;
  expect(Buffer.compare(Buffer.from(values), bytes.subarray(16))).toBe(0);
});

test('an array of no rows has no values', async () => {
  expect(await read(idxBytes([0, 2, 3]))).toMatchObject({ shape: [0, 2, 3], values: new Uint8Array(0) });
});

test('wider types are turned from big-endian into numbers of this machine', async () => {
  const cases: [number, string, string, number[]][] = [
    [0x09, 'int8', 'ff7f', [-1, 127]],
    [0x0b, 'int16', 'fffe0100', [-2, 256]],
    [0x0c, 'int32', 'fffffffd00010000', [-3, 65536]],
    [0x0d, 'float32', '3f800000c0200000', [1, -2.5]],
    [0x0e, 'float64', '3fe00000000000004010000000000000', [0.5, 4]],
  ];
  for (const [typeByte, type, hex, values] of cases) {
    const array = (await read(Buffer.concat([idxHeader(typeByte, [2]), Buffer.from(hex, 'hex')]))) as Awaited<
      ReturnType<typeof readIdx>
    >;
    expect([array.type, ...array.values]).toEqual([type, ...values]);
    expect(array.values.buffer).toBeInstanceOf(SharedArrayBuffer);
  }
});

test('a file cut at any byte says how many whole images it holds', async () => {
  const bytes = idxBytes([3, 2, 2]);
  for (let length = 16; length < bytes.length; length++) {
    expect(await read(bytes.subarray(0, length))).toBe(
      `DATA_LENGTH file: header says 3 images, file holds ${Math.floor((length - 16) / 4)}`,
    );
  }
  for (let length = 4; length < 16; length++) {
    expect(await read(bytes.subarray(0, length))).toBe(`DATA_LENGTH file: ends within its IDX header, after ${length} bytes`);
  }
});

test('an archive of a cut file says the same', async () => {
  const cut = idxBytes([60000, 28, 28].map((extent) => (extent === 60000 ? 600 : extent))).subarray(0, 16 + 413 * 784 + 5);
  expect(await read(gzipSync(cut))).toBe('DATA_LENGTH file: header says 600 images, file holds 413');
});

test('an archive that is cut itself never passes, wherever it is cut', async () => {
  const archive = gzipSync(idxBytes([40, 3, 3]));
  for (let length = 2; length < archive.length; length++) {
    expect(await read(archive.subarray(0, length)), `cut at ${length}`).toMatch(/^DATA_(LENGTH|DAMAGED|NOT_IDX) file: /);
  }
  // All 40 images are there; the check value that proves them is not.
  expect(await read(archive.subarray(0, archive.length - 4))).toBe('DATA_DAMAGED file: its gzip trailer is missing');
});

test('a cut archive still says how many images it holds', async () => {
  // Stored, not compressed: 15 bytes of gzip and block header, then the file itself.
  const archive = gzipSync(idxBytes([100, 10, 10]), { level: 0 });
  expect(await read(archive.subarray(0, 15 + 16 + 41 * 100 + 7))).toBe('DATA_LENGTH file: header says 100 images, file holds 41');
});

test('one flipped bit in an archive is found', async () => {
  const archive = gzipSync(idxBytes([100, 10, 10]), { level: 0 });
  archive[500] ^= 4;
  expect(await read(archive)).toBe('DATA_DAMAGED file: its gzip stream is damaged (incorrect data check)');
});

test('bytes beyond what the header says are refused, and not kept', async () => {
  const bytes = Buffer.concat([idxBytes([3, 2, 2]), Buffer.from([9])]);
  for (const content of [bytes, gzipSync(bytes)]) {
    expect(await read(content)).toBe('DATA_LENGTH file: header says 3 images, file holds more bytes than that');
  }
});

test('an archive that unpacks to far more than its header declares is stopped early', async () => {
  const bomb = gzipSync(Buffer.concat([idxBytes([1, 2, 2]), Buffer.alloc(50_000_000)]));
  expect(bomb.length).toBeLessThan(60_000);
  expect(await read(bomb)).toBe('DATA_LENGTH file: header says 1 images, file holds more bytes than that');
});

test('a small file that declares gigabytes is refused before memory is taken', async () => {
  const claim = idxHeader(0x08, [1_000_000, 28, 28]);
  expect(await read(claim)).toBe('DATA_LENGTH file: header says 1000000 images, file holds 0');
  const archive = gzipSync(claim);
  const atMost = Math.floor((archive.length * 1032 - 16) / 784);
  expect(await read(archive)).toBe(`DATA_LENGTH file: header says 1000000 images, file holds at most ${atMost}`);
  expect(await read(idxHeader(0x08, [2 ** 32 - 1, 2, 1]))).toBe(
    'DATA_TOO_LARGE file: header declares 8589934590 bytes, at most 4294967296 are read',
  );
});

test('what is not IDX is called by its name', async () => {
  const cases: [Uint8Array | string, string][] = [
    ['', 'is empty'],
    ['<!DOCTYPE html><title>404</title>', 'is an HTML page'],
    ['\n  <html lang="en">', 'is an HTML page'],
    ['\ufeff<html>', 'is an HTML page'],
    [gzipSync('<html>moved</html>'), 'is an HTML page'],
    ['version https://git-lfs.github.com/spec/v1\noid', 'is a Git LFS pointer'],
    [Buffer.from([0, 0, 8]), 'starts with the bytes 000008'],
    [Buffer.from('PK\x03\x04zip'), 'starts with the bytes 504b0304'],
    [idxHeader(0x0a, [1]), 'starts with the bytes 00000a01'],
    [idxHeader(0x08, []), 'starts with the bytes 00000800'],
    [idxHeader(0x08, [1, 1, 1, 1, 1]), 'starts with the bytes 00000805'],
  ];
  for (const [content, got] of cases) expect(await read(content)).toBe(`DATA_NOT_IDX file: ${got}, not an IDX file of images`);
});

test('another type, number of dimensions, shape or hash than wanted is refused', async () => {
  const bytes = idxBytes([2, 3]);
  expect(await read(bytes, { rows: 'labels', types: ['int32'] })).toBe('DATA_SHAPE file: values are uint8, wanted int32');
  expect(await read(bytes, { rows: 'labels', ranks: [1] })).toBe('DATA_SHAPE file: has 2 dimensions [2, 3], wanted 1');
  expect(await read(bytes, { rows: 'images', shape: [4, 3] })).toBe('DATA_SHAPE file: dimensions are [2, 3], wanted [4, 3]');
  expect(await read(idxHeader(8, [2, 0]))).toBe('DATA_SHAPE file: dimensions [2, 0] leave no values in a row');
  expect(await read(bytes, { rows: 'images', sha256: 'ab12' })).toBe(
    `DATA_CHECKSUM file: sha256 wanted ab12, got ${sha256(bytes)}`,
  );
});

test('an absent file, a folder, and a stream without a gzip header are errors with a code', async () => {
  const folder = await temporaryFolder();
  await expect(readIdx(join(folder, 'none'), IMAGES)).rejects.toMatchObject({ code: 'DATA_MISSING', exitCode: 4 });
  await expect(readIdx(folder, IMAGES)).rejects.toMatchObject({ code: 'DATA_UNREADABLE', exitCode: 4 });
  expect(await read(Buffer.concat([Buffer.from([0x1f, 0x8b]), deflateRawSync('x')]))).toMatch(
    /^DATA_DAMAGED file: its gzip stream is damaged/,
  );
});
