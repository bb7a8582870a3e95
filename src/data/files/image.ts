/**
 * Owns: a picture's pixels, as Pillow has them: decoded by sharp with the colors as stored (no ICC profile, no rotation by EXIF), made gray or RGB, and of the size
 * that is wanted.
 * Does not: know folders or labels (data/sources/images.ts).
 */
import type { Sharp, SharpOptions } from 'sharp';
import { errorMessage } from '../../common/error_facts.js';
import { EnvironmentError } from '../../common/errors.js';
import { resized, type Pixels, type Size } from './resample.js';
import { otherColors } from './tiff.js';

export interface ImageForm {
  readonly channels: 1 | 3;
  /** Bits of a value: 8, or 16 of PNG and TIFF. */
  readonly depth: 8 | 16;
  /** Null: as the first one is. */
  readonly size: Size | null;
  readonly fit: 'crop' | 'stretch';
}

/** Said of one file: it is broken, or not as it is wanted. */
export class BadImage extends Error {}

export interface ImageDecoder {
  /** Of the decoder and what it decodes with: bits may change with them. */
  readonly version: string;
  /** @throws BadImage */
  decode(bytes: Uint8Array, form: ImageForm): Promise<Pixels>;
}

/** Pixels of one picture at most: what is larger is refused before it takes memory (sharp's own limit is the same). */
const MAX_PIXELS = 2 ** 28;

/** sharp draws SVG, too, whatever its name says. */
const FORMATS: readonly string[] = ['png', 'jpeg', 'webp', 'gif', 'tiff', 'heif', 'avif'];

/** @throws EnvironmentError SHARP_MISSING */
export async function openImageDecoder(): Promise<ImageDecoder> {
  const sharp = await import('sharp').then(
    (module) => module.default,
    (cause: unknown) => {
      throw new EnvironmentError({
        code: 'SHARP_MISSING',
        message: `pictures are decoded by sharp, which cannot be loaded: ${errorMessage(cause).split('\n')[0]}`,
        next: 'Run npm install sharp in your project.',
        cause,
      });
    },
  );
  // A picture a thread, several at once: libuv's pool is the pool of threads.
  sharp.concurrency(1);
  sharp.cache(false);
  const { vips = '', mozjpeg = '', png = '' } = sharp.versions as Record<string, string | undefined>;
  const open = (bytes: Uint8Array, options: SharpOptions): Sharp => sharp(bytes, options);
  return {
    version: `sharp ${sharp.versions.sharp ?? ''}, vips ${vips}, mozjpeg ${mozjpeg}, png ${png}`,
    decode: (bytes, form) => decode(open, bytes, form),
  };
}

async function decode(
  open: (bytes: Uint8Array, options: SharpOptions) => Sharp,
  bytes: Uint8Array,
  form: ImageForm,
): Promise<Pixels> {
  const options: SharpOptions = { failOn: 'warning', limitInputPixels: MAX_PIXELS, ignoreIcc: true, pages: 1 };
  try {
    const { format, space, depth = 'uchar' } = await open(bytes, options).metadata();
    if (!FORMATS.includes(format)) throw new BadImage(`is ${format.toUpperCase()}, wanted PNG, JPEG, WebP, GIF, TIFF or AVIF`);
    const isGray = space === 'b-w' || space === 'grey16';
    if (!isGray && space !== 'srgb' && space !== 'rgb16' && space !== 'rgb')
      throw new BadImage(`is in ${space === 'cmyk' ? 'CMYK' : String(space)}, wanted gray or RGB`);
    if (depth !== (form.depth === 16 ? 'ushort' : 'uchar'))
      throw new BadImage(
        `has ${depth === 'ushort' ? '16 bits' : depth === 'uchar' ? '8 bits' : depth} a value, wanted ${form.depth}`,
      );
    const strange = format === 'tiff' ? otherColors(bytes, form.depth) : null;
    if (strange !== null) throw new BadImage(`${strange}: save it as PNG`);
    // Gray pictures otherwise come as three channels, and 16 bits as 8.
    const target = `${isGray ? (form.depth === 16 ? 'grey16' : 'b-w') : form.depth === 16 ? 'rgb16' : 'srgb'}`;
    // Of these alone Pillow turns what its file says is turned.
    const { data, info } = await open(bytes, { ...options, autoOrient: format === 'tiff' })
      .toColourspace(target)
      .raw({ depth: form.depth === 16 ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    if (format === 'gif' && info.channels === 4 && isSeenThrough(data))
      throw new BadImage('has transparent pixels, whose colors are not read from a GIF: save it as PNG');
    const all = form.depth === 16 ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2) : data;
    const pixels = { width, height, channels: form.channels, values: withChannels(all, info.channels, form.channels) };
    return form.size === null ? pixels : resized(pixels, form.size, form.fit);
  } catch (cause) {
    if (cause instanceof BadImage) throw cause;
    throw new BadImage(`cannot be decoded: ${errorMessage(cause).split('\n', 1)[0]}`, { cause });
  }
}

/** Of four channels, of which the last is how much hides what is behind. */
function isSeenThrough(values: Uint8Array): boolean {
  for (let at = 3; at < values.length; at += 4) if (values[at] === 0) return true;
  return false;
}

/** Transparency is left out. Gray of color is Pillow's: ITU-R 601-2 luma, in 16 bits. */
function withChannels(values: Uint8Array | Uint16Array, from: number, to: 1 | 3): Uint8Array | Uint16Array {
  if (from === to) return values;
  const count = values.length / from;
  const isWide = values instanceof Uint16Array;
  const result = new (isWide ? Uint16Array : Uint8Array)(count * to);
  for (let pixel = 0; pixel < count; pixel++) {
    const at = pixel * from;
    if (to === 3) {
      for (let channel = 0; channel < 3; channel++) result[pixel * 3 + channel] = values[at + (from < 3 ? 0 : channel)];
    } else if (from < 3) result[pixel] = values[at];
    else result[pixel] = Math.floor((values[at] * 19595 + values[at + 1] * 38470 + values[at + 2] * 7471 + 0x8000) / 65536);
  }
  return result;
}
