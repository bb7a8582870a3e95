/**
 * Owns: the bytes of one IDX file (the format of MNIST, http://yann.lecun.com/exdb/mnist/) as they come, into shared memory.
 * Does not: open or unpack it (idx.ts).
 *
 * IDX: two zero bytes, a type byte, the number of dimensions, each dimension as a big-endian uint32, then the values,
 * row-major and big-endian. The header alone decides how much memory is taken: a compressed file can never make us hold more
 * than it declares, and what it declares is checked before anything is allocated.
 */
import { createHash } from 'node:crypto';
import type { NumericArray } from '../common/dataset.js';
import { DataError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';

type IdxType = 'uint8' | 'int8' | 'int16' | 'int32' | 'float32' | 'float64';

/** Type byte of the header → name and bytes per value. */
const TYPES: ReadonlyMap<number, { name: IdxType; bytes: number }> = new Map([
  [0x08, { name: 'uint8', bytes: 1 }],
  [0x09, { name: 'int8', bytes: 1 }],
  [0x0b, { name: 'int16', bytes: 2 }],
  [0x0c, { name: 'int32', bytes: 4 }],
  [0x0d, { name: 'float32', bytes: 4 }],
  [0x0e, { name: 'float64', bytes: 8 }],
]);

/** Deflate never expands by more than this (zlib technical notes: 1032 to 1). */
const MAX_DEFLATE_RATIO = 1032;

/** What the caller knows about the file; whatever is absent is not checked. */
export interface IdxExpectation {
  /** What a row is called in messages. */
  readonly rows: 'images' | 'labels';
  readonly types?: readonly IdxType[];
  /** Allowed numbers of dimensions. */
  readonly ranks?: readonly number[];
  /** All dimensions. */
  readonly shape?: readonly number[];
  /** SHA-256 (hex) of the uncompressed file, header included. */
  readonly sha256?: string;
  /** Next step for whoever meets a damaged file. */
  readonly next?: string;
}

export interface IdxArray {
  readonly type: IdxType;
  readonly shape: readonly number[];
  /** On shared memory: Uint8Array for `uint8`, Int32Array for the other integers, Float32Array for floating point. */
  readonly values: NumericArray;
  /** SHA-256 (hex) of the uncompressed file, header included. */
  readonly sha256: string;
  /** Whether the file was compressed. */
  readonly gzip: boolean;
}

export function nextStep(want: IdxExpectation): string {
  return want.next ?? 'Replace the file with an intact copy.';
}

/** Collects the header, then fills exactly the memory it declares. */
export class IdxSink {
  private readonly hash = createHash('sha256');
  private header = Buffer.alloc(0);
  private layout: { type: IdxType; bytes: number; shape: number[]; body: Uint8Array } | null = null;
  private filled = 0;

  /** Most bytes that the file, uncompressed, can hold. */
  private readonly budget: number;

  constructor(
    private readonly path: string,
    private readonly want: IdxExpectation,
    private readonly fileBytes: number,
    private readonly gzip: boolean,
  ) {
    this.budget = gzip ? fileBytes * MAX_DEFLATE_RATIO : fileBytes;
  }

  /** The same, empty. */
  again(): IdxSink {
    return new IdxSink(this.path, this.want, this.fileBytes, this.gzip);
  }

  take(chunk: Buffer): void {
    this.hash.update(chunk);
    if (this.layout !== null) return this.fill(chunk);
    this.header = Buffer.concat([this.header, chunk]);
    const headerBytes = this.headerBytes();
    if (headerBytes === null || this.header.length < headerBytes) return;
    this.layout = this.allocate(headerBytes);
    this.fill(this.header.subarray(headerBytes));
    this.header = this.header.subarray(0, headerBytes);
  }

  finish(): IdxArray {
    this.requireComplete();
    const sha256 = this.hash.digest('hex');
    if (this.want.sha256 !== undefined && sha256 !== this.want.sha256) {
      throw this.error('DATA_CHECKSUM', `sha256 wanted ${this.want.sha256}, got ${sha256}`);
    }
    const { type, shape, body } = this.layout!;
    const values = toNative(type, body);
    this.requireFinite(values, shape);
    return { type, shape, values, sha256, gzip: this.gzip };
  }

  private requireFinite(values: NumericArray, shape: readonly number[]): void {
    if (!(values instanceof Float32Array)) return;
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at === -1) return;
    const place = shape.map((extent, axis) => Math.floor(at / shape.slice(axis + 1).reduce((a, b) => a * b, 1)) % extent);
    throw this.error('DATA_NOT_FINITE', `the value at [${place.join(', ')}] is ${values[at]}, wanted a finite float32`);
  }

  requireComplete(): void {
    if (this.layout === null) {
      if (this.header.length < 4) this.refuseMagic();
      throw this.error('DATA_LENGTH', `ends within its IDX header, after ${this.header.length} bytes`);
    }
    if (this.filled < this.layout.body.length) throw this.lengthError({ ...this.layout, held: this.filled, bound: false });
  }

  private fill(chunk: Uint8Array): void {
    const body = this.layout!.body;
    if (this.filled + chunk.length > body.length) {
      throw this.error('DATA_LENGTH', `header says ${this.layout!.shape[0]} ${this.want.rows}, file holds more bytes than that`);
    }
    body.set(chunk, this.filled);
    this.filled += chunk.length;
  }

  /** Length of the header, or null while its first four bytes are not all here. */
  private headerBytes(): number | null {
    if (this.header.length < 4) return null;
    const [zero0, zero1, typeByte, rank] = this.header;
    if (zero0 !== 0 || zero1 !== 0 || !TYPES.has(typeByte) || rank < 1 || rank > 4) this.refuseMagic();
    return 4 + 4 * rank;
  }

  private allocate(headerBytes: number): { type: IdxType; bytes: number; shape: number[]; body: Uint8Array } {
    const { name: type, bytes } = TYPES.get(this.header[2])!;
    const shape: number[] = [];
    for (let at = 4; at < headerBytes; at += 4) shape.push(this.header.readUInt32BE(at));
    const { types, ranks, shape: wantedShape } = this.want;
    if (types !== undefined && !types.includes(type))
      throw this.error('DATA_SHAPE', `values are ${type}, wanted ${types.join(' or ')}`);
    if (ranks !== undefined && !ranks.includes(shape.length)) {
      throw this.error('DATA_SHAPE', `has ${shape.length} dimensions [${shape.join(', ')}], wanted ${ranks.join(' or ')}`);
    }
    if (wantedShape !== undefined && wantedShape.join() !== shape.join()) {
      throw this.error('DATA_SHAPE', `dimensions are [${shape.join(', ')}], wanted [${wantedShape.join(', ')}]`);
    }
    if (shape.slice(1).includes(0)) throw this.error('DATA_SHAPE', `dimensions [${shape.join(', ')}] leave no values in a row`);
    const bodyBytes = shape.reduce((product, extent) => product * extent, bytes);
    if (bodyBytes > LIMITS.maxIdxBytes) {
      throw this.error('DATA_TOO_LARGE', `header declares ${bodyBytes} bytes, at most ${LIMITS.maxIdxBytes} are read`);
    }
    if (headerBytes + bodyBytes > this.budget)
      throw this.lengthError({ shape, bytes, held: this.budget - headerBytes, bound: this.gzip });
    return { type, bytes, shape, body: new Uint8Array(new SharedArrayBuffer(bodyBytes)) };
  }

  /** @param bound `held` is only an upper bound: the compressed file was not read to its end. */
  private lengthError({
    shape,
    bytes,
    held,
    bound,
  }: {
    shape: number[];
    bytes: number;
    held: number;
    bound: boolean;
  }): DataError {
    const rowBytes = shape.slice(1).reduce((product, extent) => product * extent, bytes);
    const rows = Math.floor(Math.max(0, held) / rowBytes);
    return this.error('DATA_LENGTH', `header says ${shape[0]} ${this.want.rows}, file holds ${bound ? 'at most ' : ''}${rows}`);
  }

  private refuseMagic(): never {
    const text = this.header.subarray(0, 256).toString('latin1').trimStart().toLowerCase();
    const html = text.startsWith('<') || text.startsWith('ï»¿<');
    const got = html
      ? 'is an HTML page'
      : text.startsWith('version https://git-lfs')
        ? 'is a Git LFS pointer'
        : this.header.length === 0
          ? 'is empty'
          : `starts with the bytes ${this.header.subarray(0, 4).toString('hex')}`;
    throw this.error('DATA_NOT_IDX', `${got}, not an IDX file of ${this.want.rows}`);
  }

  private error(code: string, problem: string): DataError {
    return new DataError({ code, message: `${this.path}: ${problem}`, next: nextStep(this.want) });
  }
}

/** Big-endian bytes to this machine's numbers; 64-bit floating point is rounded to 32. */
function toNative(type: IdxType, body: Uint8Array): NumericArray {
  if (type === 'uint8') return body;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const shared = (count: number): SharedArrayBuffer => new SharedArrayBuffer(4 * count);
  if (type === 'float32' || type === 'float64') {
    const wide = type === 'float64';
    const values = new Float32Array(shared(body.length / (wide ? 8 : 4)));
    for (let i = 0; i < values.length; i++) values[i] = wide ? view.getFloat64(8 * i) : view.getFloat32(4 * i);
    return values;
  }
  const bytes = type === 'int8' ? 1 : type === 'int16' ? 2 : 4;
  const values = new Int32Array(shared(body.length / bytes));
  for (let i = 0; i < values.length; i++) {
    values[i] = bytes === 1 ? view.getInt8(i) : bytes === 2 ? view.getInt16(2 * i) : view.getInt32(4 * i);
  }
  return values;
}
