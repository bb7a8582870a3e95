/**
 * Owns: pictures in another size: bilinear, the area of a pixel widened where it shrinks, to the bit as Pillow does it (src/libImaging/Resample.c): weights of 22 bits,
 * each pass rounded. sharp's enlarging is half a pixel off, and its shrinking differs by levels.
 * Does not: decode.
 */

export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Row-major, channels last. */
  readonly values: Uint8Array | Uint16Array;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Part of a picture, in pixels, with fractions. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const PRECISION_BITS = 22;

/** `stretch`: as Pillow's `resize`; `crop`: the middle, as its `ImageOps.fit`. */
export function resized(pixels: Pixels, size: Size, fit: 'crop' | 'stretch'): Pixels {
  const box = fit === 'crop' ? middle(pixels, size) : { left: 0, top: 0, right: pixels.width, bottom: pixels.height };
  const across =
    size.width === pixels.width && box.left === 0 && box.right === pixels.width
      ? pixels
      : pass(pixels, { from: box.left, to: box.right, size: size.width, axis: 'width' });
  return size.height === pixels.height && box.top === 0 && box.bottom === pixels.height
    ? across
    : pass(across, { from: box.top, to: box.bottom, size: size.height, axis: 'height' });
}

/** The largest part in the middle that has the size's proportions. */
function middle({ width, height }: Pixels, size: Size): Box {
  const [ratio, wanted] = [width / height, size.width / size.height];
  const part = { width, height };
  if (ratio > wanted) part.width = wanted * height;
  else if (ratio < wanted) part.height = width / wanted;
  const left = (width - part.width) * 0.5;
  const top = (height - part.height) * 0.5;
  // Pillow's box is of float32.
  const [right, bottom] = [left + part.width, top + part.height].map(Math.fround);
  return { left: Math.fround(left), top: Math.fround(top), right, bottom };
}

interface Pass {
  readonly from: number;
  readonly to: number;
  readonly size: number;
  readonly axis: 'width' | 'height';
}

interface Weights {
  /** Of each pixel of the result: the first that counts, and by how much it and those after it do. */
  readonly first: Int32Array;
  readonly of: readonly Float64Array[];
}

function weightsOf(length: number, { from, to, size }: Pass): Weights {
  const scale = Math.fround(to - from) / size;
  const reach = Math.max(scale, 1);
  const first = new Int32Array(size);
  const of: Float64Array[] = [];
  for (let at = 0; at < size; at++) {
    const center = from + (at + 0.5) * scale;
    const begin = Math.max(0, Math.trunc(center - reach + 0.5));
    const end = Math.min(length, Math.trunc(center + reach + 0.5));
    const weights = new Float64Array(end - begin);
    let sum = 0;
    for (let x = begin; x < end; x++) {
      const distance = Math.abs((x - center + 0.5) * (1 / reach));
      sum += weights[x - begin] = distance < 1 ? 1 - distance : 0;
    }
    for (let x = 0; x < weights.length; x++) weights[x] /= sum;
    first[at] = begin;
    of.push(weights);
  }
  return { first, of };
}

function pass({ width, height, channels, values }: Pixels, asked: Pass): Pixels {
  const isAcross = asked.axis === 'width';
  const weights = weightsOf(isAcross ? width : height, asked);
  const isWide = values instanceof Uint16Array;
  const whole = isWide
    ? weights.of
    : weights.of.map((each) => each.map((weight) => Math.floor(0.5 + weight * 2 ** PRECISION_BITS)));
  const size = { width: isAcross ? asked.size : width, height: isAcross ? height : asked.size };
  const result = new (isWide ? Uint16Array : Uint8Array)(size.width * size.height * channels);
  const stride = isAcross ? channels : width * channels;
  const lines = isAcross ? height : width;
  for (let line = 0; line < lines; line++)
    for (let at = 0; at < asked.size; at++) {
      const start = (isAcross ? line * width * channels : line * channels) + weights.first[at] * stride;
      const to = isAcross ? (line * size.width + at) * channels : (at * size.width + line) * channels;
      const by = whole[at];
      for (let channel = 0; channel < channels; channel++) {
        let sum = isWide ? 0 : 2 ** (PRECISION_BITS - 1);
        for (let x = 0, place = start + channel; x < by.length; x++, place += stride) sum += values[place] * by[x];
        // Sums are below 2^31: 255 × 2^22, and a half.
        result[to + channel] = isWide ? Math.min(65535, Math.floor(sum + 0.5)) : Math.min(255, sum >> PRECISION_BITS);
      }
    }
  return { ...size, channels, values: result };
}
