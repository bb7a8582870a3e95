/**
 * Owns: the members of a ZIP file, as yauzl reads its directory: where each one's bytes lie, so that one that is only stored is read in place; and
 * inflating those that are compressed.
 */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { DataError } from '../../common/errors.js';

export interface ZipMember {
  readonly name: string;
  readonly compressed: boolean;
  readonly storedBytes: number;
  readonly bytes: number;
  readonly crc: number;
  /** Where its bytes begin. */
  readonly dataAt: number;
}

/** Read at once. */
const PIECE_BYTES = 2 ** 18;
const DEFLATE = 8;

type Fail = (problem: string) => DataError;

/** The file stays the caller's to close. @throws what `fail` makes */
export async function listZip(file: FileHandle, fail: Fail): Promise<ZipMember[]> {
  const members: ZipMember[] = [];
  // With the first file of its kind: every run and every replica loads this module.
  const { fromFdPromise } = await import('yauzl');
  try {
    const archive = await fromFdPromise(file.fd, { autoClose: false });
    for await (const entry of archive.eachEntry()) {
      const { fileName: name, compressionMethod, compressedSize, uncompressedSize, crc32: crc } = entry;
      if (entry.isEncrypted()) throw fail(`its ${name} is encrypted`);
      if (compressionMethod !== 0 && compressionMethod !== DEFLATE)
        throw fail(`its ${name} is compressed by method ${compressionMethod}, known are 0 (stored) and ${DEFLATE} (deflate)`);
      const { fileDataStart: dataAt } = await archive.readLocalFileHeaderPromise(entry, { minimal: true });
      const compressed = compressionMethod === DEFLATE;
      members.push({ name, compressed, storedBytes: compressedSize, bytes: uncompressedSize, crc, dataAt });
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw fail('is no ZIP file, or a damaged one');
  }
  return members;
}

/** The member's content, piece by piece; its length and checksum are compared at the end. @throws what `fail` makes */
export async function* contentOf(file: FileHandle, member: ZipMember, fail: Fail): AsyncGenerator<Buffer> {
  const { name, storedBytes, bytes, compressed, crc, dataAt } = member;
  const source = bytesAt(file, dataAt, storedBytes, () => fail('is cut off'));
  const content = compressed ? inflated(source) : source;
  let length = 0;
  let sum = 0;
  try {
    for await (const piece of content) {
      length += piece.length;
      if (length > bytes) throw fail(`its ${name} holds more than the ${bytes} bytes that the directory says`);
      sum = crc32(piece, sum);
      yield piece;
    }
  } catch (cause) {
    if (!(cause as NodeJS.ErrnoException).code?.startsWith('Z_')) throw cause;
    throw fail(`its ${name} is damaged (${(cause as Error).message})`);
  }
  if (length !== bytes) throw fail(`its ${name} holds ${length} bytes, and the directory says ${bytes}`);
  if (sum !== crc) throw fail(`its ${name} is damaged: its checksum is another`);
}

function inflated(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const inflate = createInflateRaw({ chunkSize: PIECE_BYTES });
  // Its failure is the reader's, who may also leave early.
  pipeline(Readable.from(source), inflate).catch(() => undefined);
  return inflate as AsyncIterable<Buffer>;
}

/** So many bytes from there on. The file stays open: a stream of its own would close it. */
export async function* bytesAt(file: FileHandle, start: number, bytes: number, cutOff: () => Error): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes;) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, bytes - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, start + at);
    if (bytesRead === 0) throw cutOff();
    yield piece.subarray(0, bytesRead);
    at += bytesRead;
  }
}
