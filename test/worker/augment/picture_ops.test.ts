/**
 * Owns: each augmentation of pictures beside its definition in plain JavaScript, in float64, pixel by pixel, edges included; eager and compiled.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { readAugmentation } from '../../../src/common/augmentation.js';
import { PICTURE_OPS } from '../../../src/worker/augment/picture_ops.js';
import { engineForTests } from '../../support/gradient_checks.js';

type Picture = (y: number, x: number, channel: number) => number;
interface Size {
  readonly height: number;
  readonly width: number;
}
/** What an operation makes of a picture, given its numbers in [0, 1). */
type Definition = (picture: Picture, size: Size, u: readonly number[]) => Picture;

const CHANNELS = 2;
/** With both ends of what may be drawn. */
const DRAWS = [0, 0.2, 0.5, 0.77, 1 - 2 ** -24];
const SIZES: Size[] = [
  { height: 5, width: 7 },
  { height: 4, width: 4 },
  { height: 3, width: 2 },
];

const clamp = (value: number, most: number): number => Math.min(Math.max(value, 0), most);
const mirrored = (at: number, extent: number): number => {
  const turn = ((at % (2 * extent)) + 2 * extent) % (2 * extent);
  return turn < extent ? turn : 2 * extent - 1 - turn;
};
/** A whole place beyond the edge, as each fill sees it. */
const FILLED: Record<string, (picture: Picture, size: Size) => Picture> = {
  zero:
    (picture, { height, width }) =>
    (y, x, c) =>
      y < 0 || x < 0 || y >= height || x >= width ? 0 : picture(y, x, c),
  edge:
    (picture, { height, width }) =>
    (y, x, c) =>
      picture(clamp(y, height - 1), clamp(x, width - 1), c),
  reflect:
    (picture, { height, width }) =>
    (y, x, c) =>
      picture(mirrored(y, height), mirrored(x, width), c),
};
/** Between four pixels. Where the fill is not 0 TensorFlow moves the place itself inside, not the pixels around it. */
const between =
  (picture: Picture, size: Size, fill: string): Picture =>
  (y, x, c) => {
    const inside = (at: number, extent: number): number => {
      if (fill === 'zero') return at;
      if (fill === 'edge') return clamp(at, extent - 1);
      return clamp(reflectedPlace(at, extent), extent - 1);
    };
    const [py, px] = [inside(y, size.height), inside(x, size.width)];
    const at = FILLED.zero(picture, size);
    const [fy, fx] = [Math.floor(py), Math.floor(px)];
    const row = (of: number): number => (fx + 1 - px) * at(of, fx, c) + (px - fx) * at(of, fx + 1, c);
    return (fy + 1 - py) * row(fy) + (py - fy) * row(fy + 1);
  };
/** scipy's `reflect`: d c b a | a b c d | d c b a, of a place between pixels. */
function reflectedPlace(at: number, extent: number): number {
  if (extent === 1) return 0;
  if (at < 0) {
    let inside = at;
    if (inside < -2 * extent) inside += 2 * extent * Math.trunc(-inside / (2 * extent));
    return inside < -extent ? inside + 2 * extent : -inside - 1;
  }
  if (at <= extent - 1) return at;
  const inside = at - 2 * extent * Math.trunc(at / (2 * extent));
  return inside >= extent ? 2 * extent - inside - 1 : inside;
}

const turned =
  (degrees: number, fill: string): Definition =>
  (picture, size, [u]) =>
  (y, x, c) => {
    const angle = ((2 * u - 1) * degrees * Math.PI) / 180;
    const [my, mx] = [(size.height - 1) / 2, (size.width - 1) / 2];
    const [dy, dx] = [y - my, x - mx];
    return between(picture, size, fill)(
      my + Math.sin(angle) * dx + Math.cos(angle) * dy,
      mx + Math.cos(angle) * dx - Math.sin(angle) * dy,
      c,
    );
  };
const zoomed =
  (by: number, fill: string): Definition =>
  (picture, size, [u]) =>
  (y, x, c) => {
    const factor = 1 + (2 * u - 1) * by;
    const [my, mx] = [(size.height - 1) / 2, (size.width - 1) / 2];
    return between(picture, size, fill)(my + (y - my) / factor, mx + (x - mx) / factor, c);
  };
const shifted =
  (by: number, fill: string): Definition =>
  (picture, size, u) =>
  (y, x, c) => {
    const [dx, dy] = u.map((draw) => Math.floor(draw * (2 * by + 1)) - by);
    return FILLED[fill](picture, size)(y + dy, x + dx, c);
  };
const meanOf = (picture: Picture, { height, width }: Size, c: number): number => {
  let sum = 0;
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) sum += picture(y, x, c);
  return sum / (height * width);
};

const DEFINITIONS: Record<string, { draws: number; is: Definition; full?: number }> = {
  flip: { draws: 1, is: (picture, { width }, [u]) => (u < 0.5 ? (y, x, c) => picture(y, width - 1 - x, c) : picture) },
  'flip vertical': {
    draws: 1,
    is: (picture, { height }, [u]) => (u < 0.5 ? (y, x, c) => picture(height - 1 - y, x, c) : picture),
  },
  'flip both': {
    draws: 2,
    is:
      (picture, { height, width }, [u, v]) =>
      (y, x, c) =>
        picture(v < 0.5 ? height - 1 - y : y, u < 0.5 ? width - 1 - x : x, c),
  },
  'shift 1': { draws: 2, is: shifted(1, 'zero') },
  'shift 1 fill edge': { draws: 2, is: shifted(1, 'edge') },
  'shift 1 fill reflect': { draws: 2, is: shifted(1, 'reflect') },
  'rotate 40': { draws: 1, is: turned(40, 'zero') },
  'rotate 180 fill edge': { draws: 1, is: turned(180, 'edge') },
  'rotate 90 fill reflect': { draws: 1, is: turned(90, 'reflect') },
  'zoom 0.4': { draws: 1, is: zoomed(0.4, 'zero') },
  'zoom 0.4 fill edge': { draws: 1, is: zoomed(0.4, 'edge') },
  'brightness 0.5': {
    draws: 1,
    is:
      (picture, _, [u]) =>
      (y, x, c) =>
        picture(y, x, c) + (2 * u - 1) * 0.5,
  },
  'brightness 0.25': {
    ...{ draws: 1, full: 2 },
    is:
      (picture, _, [u]) =>
      (y, x, c) =>
        clamp(picture(y, x, c) + (2 * u - 1) * 0.5, 2),
  },
  'contrast 1': {
    draws: 1,
    is:
      (picture, size, [u]) =>
      (y, x, c) =>
        meanOf(picture, size, c) + 2 * u * (picture(y, x, c) - meanOf(picture, size, c)),
  },
  'contrast 0.9': {
    ...{ draws: 1, full: 1 },
    is:
      (picture, size, [u]) =>
      (y, x, c) => {
        const mean = meanOf(picture, size, c);
        return clamp(mean + (1 + (2 * u - 1) * 0.9) * (picture(y, x, c) - mean), 1);
      },
  },
  'cutout 1': { draws: 2, is: cutOut(1) },
  'cutout 2': { draws: 2, is: cutOut(2) },
};

function cutOut(extent: number): Definition {
  return (picture, { height, width }, [u, v]) => {
    const [top, left] = [Math.floor(u * height) - Math.floor(extent / 2), Math.floor(v * width) - Math.floor(extent / 2)];
    return (y, x, c) => (y >= top && y < top + extent && x >= left && x < left + extent ? 0 : picture(y, x, c));
  };
}

describe.each(Object.entries(DEFINITIONS))('%s', (words, { draws, is, full = null }) => {
  const engine = engineForTests();
  const augmentation = readAugmentation(words);

  it.each(SIZES)('of $height × $width is what it is defined as', ({ height, width }) => {
    const examples = DRAWS.length;
    const pixels = Float32Array.from(
      { length: examples * height * width * CHANNELS },
      (_, i) => 0.9 * Math.sin(1 + 0.7 * i) ** 2,
    );
    const u = Array.from({ length: examples * draws }, (_, i) => DRAWS[(i + Math.floor(i / examples) * 2) % examples]);
    const wanted = Array.from({ length: examples }, (_, n) => {
      const own: Picture = (y, x, c) => pixels[((n * height + y) * width + x) * CHANNELS + c];
      const made = is(own, { height, width }, u.slice(n * draws, (n + 1) * draws));
      const places = Array.from({ length: height * width * CHANNELS }, (_, i) => i);
      return places.map((i) => made(Math.floor(i / CHANNELS / width), Math.floor(i / CHANNELS) % width, i % CHANNELS));
    }).flat();
    const operation = (images: tf.Tensor, numbers: tf.Tensor): tf.Tensor => {
      let asked = 0;
      const uniforms = (count: number): tf.Tensor2D => {
        asked += count;
        return numbers as tf.Tensor2D;
      };
      const result = tf.tidy(() =>
        PICTURE_OPS[augmentation.name]!(images as tf.Tensor4D, { ...augmentation, tf, uniforms, full }),
      );
      expect(asked).toBe(draws);
      return result;
    };
    const args = [tf.tensor4d(pixels, [examples, height, width, CHANNELS]), tf.tensor2d(u, [examples, draws])] as const;
    for (const run of [operation, engine().compile(operation)]) {
      const found = run(...args);
      expect(found.shape).toEqual([examples, height, width, CHANNELS]);
      // Places are float32 of up to 7 pixels: 7 · 2^-23 off and less, times a slope of 1 a pixel, over four pixels.
      found.dataSync().forEach((value, i) => expect(Math.abs(value - wanted[i]), `value ${i}`).toBeLessThan(1e-5));
    }
  });
});
