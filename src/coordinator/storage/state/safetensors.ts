/**
 * Owns: the safetensors container: encoding with digests, and an index of a file that has passed every check.
 * Does not: know what the tensors mean (state_file.ts does), or read them before the digests are right.
 *
 * Format (huggingface/safetensors, README "Format"): 8 bytes little-endian header length N · N bytes of JSON · tensor bytes without gaps.
 * Ours adds two strings to `__metadata__`: `tensors_sha256` over the tensor bytes and `header_sha256` over the N header bytes with that
 * digest's own 64 characters written as zeros. Any other reader of safetensors sees plain metadata.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { errorMessage } from '../../../common/error_facts.js';
import { invariant } from '../../../common/errors.js';
import { LIMITS } from '../../../common/limits.js';
import { hashParts, readAll } from '../files/atomic_file.js';

const ITEM_BYTES = { F64: 8, F32: 4, I32: 4, U8: 1 } as const;
type SafetensorsType = keyof typeof ITEM_BYTES;

export interface TensorToStore {
  name: string;
  dtype: SafetensorsType;
  shape: readonly number[];
  values: Float64Array | Float32Array | Int32Array | Uint8Array;
}

interface StoredTensor {
  name: string;
  dtype: SafetensorsType;
  shape: number[];
  /** First and last + 1 byte, counted from `dataStart`. */
  begin: number;
  end: number;
}

export interface SafetensorsIndex {
  /** In file order, without gaps. */
  tensors: StoredTensor[];
  /** Without the two digests. */
  metadata: Map<string, string>;
  dataStart: number;
  dataBytes: number;
  tensorsSha256: string;
  /** SHA-256 (hex) of the whole file. */
  fileSha256: string;
}

/** Something that can be read at a position: a file, or bytes in a test. */
export interface ByteSource {
  size(): Promise<number>;
  read(into: Uint8Array, position: number): Promise<number>;
}

/** Why a file was not accepted. */
export class DamagedFileError extends Error {
  override readonly name = 'DamagedFileError';
}

const TENSORS_DIGEST = 'tensors_sha256';
const HEADER_DIGEST = 'header_sha256';
const NO_DIGEST = '0'.repeat(64);
const HEX_DIGEST = /^[0-9a-f]{64}$/;

/** The file as parts to be written one after the other; tensor parts are views of the given arrays. */
export async function encodeSafetensors(
  tensors: readonly TensorToStore[],
  metadata: ReadonlyMap<string, string>,
): Promise<Uint8Array[]> {
  invariant(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1, 'this machine is little-endian');
  const parts = tensors.map(({ values }) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const stored: Record<string, unknown> = {
    __metadata__: { ...Object.fromEntries(metadata), [TENSORS_DIGEST]: await hashParts(parts), [HEADER_DIGEST]: NO_DIGEST },
  };
  let end = 0;
  for (const { name, dtype, shape, values } of tensors) {
    invariant(!(name in stored), `tensor names are unique: ${name}`);
    invariant(elements(shape) * ITEM_BYTES[dtype] === values.byteLength, `values of ${name} fill its shape`);
    const begin = end;
    end += values.byteLength;
    stored[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const json = Buffer.from(JSON.stringify(stored));
  const header = Buffer.alloc(Math.ceil(json.byteLength / 8) * 8, ' ');
  json.copy(header);
  invariant(header.byteLength <= LIMITS.maxStateHeaderBytes, 'the header stays below its limit');
  const marker = `"${HEADER_DIGEST}":"`;
  // Metadata comes first in the JSON, and a marker inside one of its strings would have escaped quotes.
  const at = header.indexOf(marker) + marker.length;
  header.write(sha256(header), at, 'latin1');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.byteLength));
  return [length, header, ...parts];
}

/**
 * Reads the header, checks all of it and both digests, and returns the index. Nothing is believed: no more memory is taken than the file
 * is long, a constant and the limits of the header allow.
 * @throws DamagedFileError with the first thing that is wrong
 */
export async function verifySafetensors(source: ByteSource): Promise<SafetensorsIndex> {
  const size = await source.size();
  if (size < 10) throw new DamagedFileError(`${size} bytes are too few for a header`);
  const lengthBytes = await readExactly(source, 8, 0);
  const headerBytes = new DataView(lengthBytes.buffer).getBigUint64(0, true);
  if (headerBytes > BigInt(size - 8)) throw new DamagedFileError(`header length ${headerBytes} in a file of ${size} bytes`);
  if (headerBytes > BigInt(LIMITS.maxStateHeaderBytes))
    throw new DamagedFileError(`header length ${headerBytes} is above ${LIMITS.maxStateHeaderBytes}`);
  const header = await readExactly(source, Number(headerBytes), 8);
  const dataStart = 8 + header.byteLength;
  const dataBytes = size - dataStart;
  const { tensors, metadata, headerDigest, tensorsSha256 } = indexHeader(header, dataBytes);

  const blanked = Buffer.from(header);
  const at = blanked.indexOf(headerDigest, 0, 'latin1');
  if (at < 0) throw new DamagedFileError(`${HEADER_DIGEST} is not written plainly`);
  blanked.write(NO_DIGEST, at, 'latin1');
  if (sha256(blanked) !== headerDigest)
    throw new DamagedFileError(`header does not match its digest ${headerDigest.slice(0, 12)}…`);

  const file = createHash('sha256').update(lengthBytes).update(header);
  const found = await hashData({ source, dataStart, dataBytes, alsoInto: (slice) => file.update(slice) });
  if (found !== tensorsSha256)
    throw new DamagedFileError(`tensors hash to ${found.slice(0, 12)}…, the header says ${tensorsSha256.slice(0, 12)}…`);
  return { tensors, metadata, dataStart, dataBytes, tensorsSha256, fileSha256: file.digest('hex') };
}

interface HeaderIndex extends Pick<SafetensorsIndex, 'tensors' | 'metadata' | 'tensorsSha256'> {
  headerDigest: string;
}

/** What a header says of `dataBytes` bytes of tensors, its digests not yet compared. @throws DamagedFileError */
export function indexHeader(header: Uint8Array, dataBytes: number): HeaderIndex {
  const { tensors, metadata } = parseHeader(header);
  const headerDigest = takeDigest(metadata, HEADER_DIGEST);
  const tensorsSha256 = takeDigest(metadata, TENSORS_DIGEST);
  checkNoGaps(tensors, dataBytes);
  return { tensors, metadata, headerDigest, tensorsSha256 };
}

/** All tensor bytes of a verified file, hashed once more on the way, so that a file that changes meanwhile is noticed. */
export async function readTensorBytes(source: ByteSource, index: SafetensorsIndex): Promise<Uint8Array> {
  const bytes = new Uint8Array(index.dataBytes);
  for (let start = 0; start < bytes.byteLength; start += LIMITS.storageSliceBytes) {
    const slice = bytes.subarray(start, start + LIMITS.storageSliceBytes);
    if ((await readAll(source, slice, index.dataStart + start)) !== slice.byteLength)
      throw new DamagedFileError('the file became shorter while it was read');
  }
  if ((await hashParts([bytes])) !== index.tensorsSha256) throw new DamagedFileError('the file changed while it was read');
  return bytes;
}

function parseHeader(bytes: Uint8Array): { tensors: StoredTensor[]; metadata: Map<string, string> } {
  checkJsonSize(bytes);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw new DamagedFileError(`header is not JSON: ${errorMessage(error)}`);
  }
  if (!isPlainObject(header)) throw new DamagedFileError('header is not an object');
  const metadata = new Map<string, string>();
  const tensors: StoredTensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (!isPlainObject(entry)) throw new DamagedFileError(`header entry ${brief(name)} is not an object`);
    if (name !== '__metadata__') {
      tensors.push(parseTensor(name, entry));
      continue;
    }
    for (const [key, value] of Object.entries(entry)) {
      if (typeof value !== 'string') throw new DamagedFileError(`metadata ${brief(key)} is not a string`);
      metadata.set(key, value);
    }
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  return { tensors, metadata };
}

function parseTensor(name: string, { dtype, shape, data_offsets: offsets, ...rest }: Record<string, unknown>): StoredTensor {
  const fail = (what: string) => new DamagedFileError(`tensor ${brief(name)}: ${what}`);
  if (typeof dtype !== 'string' || !Object.hasOwn(ITEM_BYTES, dtype))
    throw fail(`dtype ${brief(JSON.stringify(dtype) ?? 'missing')} is not one of ${Object.keys(ITEM_BYTES).join(', ')}`);
  if (!isSizes(shape) || shape.length > 8) throw fail('shape is not a list of at most 8 sizes');
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1])
    throw fail('data_offsets are not two ascending positions');
  if (Object.keys(rest).length > 0) throw fail(`unknown key ${brief(Object.keys(rest)[0])}`);
  const wanted = elements(shape) * ITEM_BYTES[dtype as SafetensorsType];
  if (!Number.isSafeInteger(wanted) || offsets[1] - offsets[0] !== wanted)
    throw fail(`shape [${shape.join(', ')}] needs ${wanted} bytes, data_offsets give ${offsets[1] - offsets[0]}`);
  return { name, dtype: dtype as SafetensorsType, shape, begin: offsets[0], end: offsets[1] };
}

function checkNoGaps(tensors: readonly StoredTensor[], dataBytes: number): void {
  let end = 0;
  for (const tensor of tensors) {
    if (tensor.begin !== end)
      throw new DamagedFileError(`tensor ${brief(tensor.name)} begins at ${tensor.begin}, the one before it ends at ${end}`);
    end = tensor.end;
  }
  if (end !== dataBytes) throw new DamagedFileError(`tensors need ${end} bytes, the file holds ${dataBytes}`);
}

/** JSON.parse makes objects several times larger than their text; this bounds how many and how deep, before it is called. */
function checkJsonSize(bytes: Uint8Array): void {
  let depth = 0;
  let tokens = 0;
  let inString = false;
  for (let at = 0; at < bytes.byteLength; at++) {
    const byte = bytes[at];
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
      continue;
    }
    if (byte === QUOTE) inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
    else if (byte !== COMMA && byte !== COLON) continue;
    tokens++;
    if (depth > LIMITS.maxStateHeaderDepth)
      throw new DamagedFileError(`header is nested deeper than ${LIMITS.maxStateHeaderDepth}`);
    if (tokens > LIMITS.maxStateHeaderTokens)
      throw new DamagedFileError(`header has more than ${LIMITS.maxStateHeaderTokens} parts`);
  }
}
const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, COMMA, COLON] = Buffer.from('"\\{}[],:');

async function hashData(data: {
  source: ByteSource;
  dataStart: number;
  dataBytes: number;
  alsoInto: (slice: Uint8Array) => void;
}): Promise<string> {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(Math.min(data.dataBytes, LIMITS.storageSliceBytes));
  for (let start = 0; start < data.dataBytes; start += buffer.byteLength) {
    const slice = buffer.subarray(0, Math.min(buffer.byteLength, data.dataBytes - start));
    if ((await readAll(data.source, slice, data.dataStart + start)) !== slice.byteLength)
      throw new DamagedFileError('the file became shorter while it was read');
    hash.update(slice);
    data.alsoInto(slice);
    if (start > 0) await setImmediate();
  }
  return hash.digest('hex');
}

async function readExactly(source: ByteSource, bytes: number, position: number): Promise<Uint8Array> {
  const into = new Uint8Array(bytes);
  if ((await readAll(source, into, position)) !== bytes) throw new DamagedFileError('the file became shorter while it was read');
  return into;
}

function takeDigest(metadata: Map<string, string>, key: string): string {
  const digest = metadata.get(key);
  if (digest === undefined || !HEX_DIGEST.test(digest)) throw new DamagedFileError(`metadata has no ${key}`);
  metadata.delete(key);
  return digest;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Names come from the file: quoted, and cut before they fill a terminal. */
function brief(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
