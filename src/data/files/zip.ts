/**
 * Owns: the members of a ZIP file (APPNOTE 6.3.9, with Zip64): where each lies, so that one that is only stored is read in place; and inflating those that
 * are compressed.
 * Does not: write, or read encrypted members or archives in several parts.
 */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';

export interface ZipMember {
  readonly name: string;
  readonly compressed: boolean;
  readonly storedBytes: number;
  readonly bytes: number;
  readonly crc: number;
  /** Of its local header. */
  readonly headerAt: number;
}

/** Read at once. */
const PIECE_BYTES = 2 ** 18;

type Fail = (problem: string) => Error;

const END = 0x06054b50;
const END64_LOCATOR = 0x07064b50;
const END64 = 0x06064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
/** The end's record and the longest comment after it. */
const TAIL_BYTES = 22 + 0xffff;
/** Of all members' names, bytes; an .npz of a thousand arrays has some 60,000. */
const MAX_DIRECTORY_BYTES = 16 * 2 ** 20;

/** @throws what `fail` makes */
export async function listZip(file: FileHandle, fail: Fail): Promise<ZipMember[]> {
  const { size } = await file.stat();
  const tail = await readAt(file, Math.max(0, size - TAIL_BYTES), Math.min(size, TAIL_BYTES), fail);
  const end = lastIndexOf(tail, END);
  if (end === -1) throw fail('is no ZIP file, or ends before its directory');
  let entries = tail.readUInt16LE(end + 10);
  let bytes = tail.readUInt32LE(end + 12);
  let at = tail.readUInt32LE(end + 16);
  if (entries === 0xffff || bytes === 0xffffffff || at === 0xffffffff) {
    if (end < 20 || tail.readUInt32LE(end - 20) !== END64_LOCATOR) throw fail('has no directory of 64 bits where it says so');
    const end64 = await readAt(file, Number(tail.readBigUInt64LE(end - 12)), 56, fail);
    if (end64.readUInt32LE(0) !== END64) throw fail('has a damaged directory');
    [entries, bytes, at] = [32, 40, 48].map((place) => Number(end64.readBigUInt64LE(place)));
  }
  if (bytes > MAX_DIRECTORY_BYTES) throw fail(`has a directory of ${bytes} bytes, at most ${MAX_DIRECTORY_BYTES} are read`);
  const directory = await readAt(file, at, bytes, fail);
  const members: ZipMember[] = [];
  for (let place = 0; members.length < entries;) {
    if (place + 46 > directory.length || directory.readUInt32LE(place) !== ENTRY) throw fail('has a damaged directory');
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => directory.readUInt16LE(place + offset));
    const name = directory.toString('utf8', place + 46, place + 46 + nameBytes);
    const method = directory.readUInt16LE(place + 10);
    if ((directory.readUInt16LE(place + 8) & 1) === 1) throw fail(`its ${name} is encrypted`);
    if (method !== 0 && method !== 8)
      throw fail(`its ${name} is compressed by method ${method}, known are 0 (stored) and 8 (deflate)`);
    const sizes = [24, 20, 42].map((offset) => directory.readUInt32LE(place + offset));
    const extra = directory.subarray(place + 46 + nameBytes, place + 46 + nameBytes + extraBytes);
    const [size64, stored, headerAt] = widened(sizes, extra);
    members.push({
      ...{ name, compressed: method === 8, bytes: size64, storedBytes: stored, headerAt },
      crc: directory.readUInt32LE(place + 16),
    });
    place += 46 + nameBytes + extraBytes + commentBytes;
  }
  return members;
}

/** Sizes and offset of 64 bits stand in the extra field, in this order, where those of 32 are full. */
function widened(values: readonly number[], extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let next = at + 4;
    return values.map((value) => {
      if (value !== 0xffffffff || next + 8 > extra.length) return value;
      next += 8;
      return Number(extra.readBigUInt64LE(next - 8));
    });
  }
  return [...values];
}

/** Where the member's bytes begin. @throws what `fail` makes */
export async function dataOf(file: FileHandle, { headerAt, name }: ZipMember, fail: Fail): Promise<number> {
  const head = await readAt(file, headerAt, 30, fail);
  if (head.readUInt32LE(0) !== LOCAL) throw fail(`its ${name} is not where the directory says`);
  return headerAt + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
}

/** The member's content, piece by piece; its length and checksum are compared at the end. @throws what `fail` makes */
export async function* contentOf(file: FileHandle, member: ZipMember, fail: Fail): AsyncGenerator<Buffer> {
  const start = await dataOf(file, member, fail);
  const { name, storedBytes, bytes, compressed, crc } = member;
  const source = bytesAt(file, start, storedBytes, () => fail('is cut off'));
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

async function readAt(file: FileHandle, at: number, bytes: number, fail: Fail): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, at);
  if (bytesRead < bytes) throw fail('is cut off');
  return buffer;
}

function lastIndexOf(bytes: Buffer, signature: number): number {
  for (let at = bytes.length - 22; at >= 0; at--) if (bytes.readUInt32LE(at) === signature) return at;
  return -1;
}
