/** Owns: an example of a data set as a small PNG. Does not: read it. */
import { crc32, deflateSync } from 'node:zlib';
import type { NumericArray } from '../common/dataset.js';
import { resized } from './files/resample.js';

export interface PictureShape {
  readonly height: number;
  readonly width: number;
  /** 1 is gray, 3 is red, green and blue. */
  readonly channels: number;
}

/** Larger ones are drawn smaller: 24 of them are 0.4 MB of HTML at most. */
export const MOST_PIXELS = 64;
/** Beyond it, a side is no side of a picture. */
const LARGEST_SIDE = 4096;

/** Null where examples of this shape are no pictures. */
export function pictureShape(shape: readonly number[]): PictureShape | null {
  const [height, width, channels = 1] = shape;
  const isOne = (shape.length === 2 || shape.length === 3) && (channels === 1 || channels === 3);
  const fits = (side: number): boolean => side >= 4 && side <= LARGEST_SIDE;
  return isOne && fits(height) && fits(width) ? { height, width, channels } : null;
}

/** Bytes are shown as they are; other values from 0 to 1, or where some lie outside, from the smallest to the largest. */
export function pngOf(values: NumericArray, { height, width, channels }: PictureShape): Buffer {
  const bytes = values instanceof Uint8Array ? values : toBytes(values);
  const scale = Math.min(1, MOST_PIXELS / Math.max(height, width));
  const side = (pixels: number): number => Math.max(1, Math.round(pixels * scale));
  return encode(resized({ height, width, channels, values: bytes }, { height: side(height), width: side(width) }, 'stretch'));
}

function toBytes(values: NumericArray): Uint8Array {
  const finite = Array.from(values, (value) => (Number.isFinite(value) ? value : 0));
  const least = finite.reduce((a, b) => Math.min(a, b), 0);
  const most = finite.reduce((a, b) => Math.max(a, b), 1);
  return Uint8Array.from(finite, (value) => Math.round((255 * (value - least)) / (most - least)));
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** 8 bits a channel, no filter (RFC 2083). */
function encode({ height, width, channels, values }: PictureShape & { readonly values: Uint8Array | Uint16Array }): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, channels === 1 ? 0 : 2, 0, 0, 0], 8);
  const line = width * channels;
  const lines = Buffer.alloc(height * (line + 1));
  for (let y = 0; y < height; y++) lines.set(values.subarray(y * line, (y + 1) * line), y * (line + 1) + 1);
  const parts = [part('IHDR', header), part('IDAT', deflateSync(lines, { level: 9 })), part('IEND', Buffer.alloc(0))];
  return Buffer.concat([SIGNATURE, ...parts]);
}

function part(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
