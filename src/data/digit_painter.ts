/**
 * Owns: painting one distorted digit into 28 × 28 bytes from a stream of random words.
 * Does not: choose labels or seeds (synthetic.ts does).
 *
 * Only + − × ÷ and square roots are used, which IEEE 754 rounds alike everywhere: the same seed gives the same bytes on every machine and
 * every version of Node, so that workers can prove by hash that they hold the coordinator's data. Math.sin and Math.exp give no such promise.
 */
import { below } from '../common/random.js';
import { GLYPHS, type Stroke } from './digit_strokes.js';

// Taken once: in a `node:vm` context, such as Jest's, each look at a global costs a hundred times the arithmetic.
const { ceil, floor, max, min, sqrt } = Math;

export const DIGIT_SIZE = 28;
const PIXELS = DIGIT_SIZE * DIGIT_SIZE;
/** Straight pieces per span of a curve. */
const PIECES = 5;
/** A digit is this many pixels high before scaling; MNIST's are 20. */
const HEIGHT_PX = 19;
const WIDTH_PX = 12.5;

/** How far the random draws reach. A quantity is uniform in [center − reach, center + reach]. */
const DISTORTION = {
  /** Tangent of half the angle: 0.11 is 12.5°. */
  rotation: 0.11,
  shear: 0.28,
  scale: { center: 0.95, reach: 0.2 },
  shiftPx: 2.6,
  /** Quadratic and cubic bending, as a share of the box. */
  warp: 0.09,
  /** Each point on its own, as a share of the box. */
  jitter: 0.035,
  halfThicknessPx: { center: 1.15, reach: 0.6 },
  ink: { center: 0.8, reach: 0.2 },
  /** Largest amplitude of the noise on each pixel, in gray levels; its distribution is triangular. */
  noise: { center: 32, reach: 24 },
} as const;

/** An unsigned word of 32 random bits per call. */
export type NextWord = () => number;

/** Holds the scratch memory; paints any number of digits. */
export class DigitPainter {
  /** Squared distance of each pixel's center from the pen's path. */
  private readonly distance2 = new Float64Array(PIXELS);
  /** One stroke's points after distortion, in pixels. */
  private readonly path = new Float64Array(64);

  /** Writes 784 bytes to `into` at `offset`. */
  paint(digit: number, next: NextWord, into: Uint8Array, offset: number): void {
    const ways = GLYPHS[digit];
    const glyph = ways[below(ways.length, next)];
    const place = drawPlacement(next);
    const halfThickness = around(DISTORTION.halfThicknessPx, next);
    this.distance2.fill(Infinity);
    for (const stroke of glyph) this.trace(stroke, place, next, halfThickness + 1);
    this.ink(halfThickness, next, into, offset);
  }

  private trace({ points, pen }: Stroke, place: Placement, next: NextWord, reach: number): void {
    const path = this.path;
    for (let i = 0; i < points.length; i += 2)
      placePoint(place, points[i] + spread(DISTORTION.jitter, next), points[i + 1] + spread(DISTORTION.jitter, next), path, i);
    const count = points.length / 2;
    const spans = pen === 'loop' ? count : count - 1;
    for (let span = 0; span < spans; span++) {
      const b = 2 * span;
      const c = 2 * ((span + 1) % count);
      if (pen === 'corners') {
        this.segment(path[b], path[b + 1], path[c], path[c + 1], reach);
        continue;
      }
      // Where a curve ends, its end points stand in for the neighbors they lack.
      const a = pen === 'loop' ? 2 * ((span + count - 1) % count) : 2 * max(0, span - 1);
      const d = pen === 'loop' ? 2 * ((span + 2) % count) : 2 * min(count - 1, span + 2);
      let x = path[b];
      let y = path[b + 1];
      for (let piece = 1; piece <= PIECES; piece++) {
        const t = piece / PIECES;
        const toX = catmullRom(path[a], path[b], path[c], path[d], t);
        const toY = catmullRom(path[a + 1], path[b + 1], path[c + 1], path[d + 1], t);
        this.segment(x, y, toX, toY, reach);
        x = toX;
        y = toY;
      }
    }
  }

  /** Lowers the distance of the pixels within `reach` of the segment. */
  private segment(ax: number, ay: number, bx: number, by: number, reach: number): void {
    const left = max(0, floor(min(ax, bx) - reach));
    const right = min(DIGIT_SIZE - 1, ceil(max(ax, bx) + reach));
    const top = max(0, floor(min(ay, by) - reach));
    const bottom = min(DIGIT_SIZE - 1, ceil(max(ay, by) + reach));
    const dx = bx - ax;
    const dy = by - ay;
    const length2 = dx * dx + dy * dy;
    const perLength2 = length2 > 0 ? 1 / length2 : 0;
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const px = x - ax;
        const py = y - ay;
        const along = min(1, max(0, (px * dx + py * dy) * perLength2));
        const ex = px - along * dx;
        const ey = py - along * dy;
        const distance2 = ex * ex + ey * ey;
        const at = y * DIGIT_SIZE + x;
        if (distance2 < this.distance2[at]) this.distance2[at] = distance2;
      }
    }
  }

  /** Full ink inside the pen's width, fading over one pixel; noise everywhere. */
  private ink(halfThickness: number, next: NextWord, into: Uint8Array, offset: number): void {
    const ink = 255 * around(DISTORTION.ink, next);
    const noise = around(DISTORTION.noise, next) / 255;
    for (let at = 0; at < PIXELS; at += 2) {
      const word = next();
      for (let half = 0; half < 2; half++) {
        const bits = half === 0 ? word & 0xffff : word >>> 16;
        const triangular = (bits & 0xff) + (bits >>> 8) - 255;
        const coverage = min(1, max(0, halfThickness + 0.5 - sqrt(this.distance2[at + half])));
        into[offset + at + half] = min(255, max(0, floor(ink * coverage + noise * triangular + 0.5)));
      }
    }
  }
}

/** From the unit box to pixels: bend, then scale, shear and turn, then move. */
interface Placement {
  /** Bending of x, then of y: factors of v², v³, u², u v, with u and v from −1 to 1 across the box. */
  readonly bend: readonly number[];
  readonly xx: number;
  readonly xy: number;
  readonly yx: number;
  readonly yy: number;
  readonly shiftX: number;
  readonly shiftY: number;
}

function drawPlacement(next: NextWord): Placement {
  const bend: number[] = [];
  for (let i = 0; i < 8; i++) bend.push(spread(DISTORTION.warp, next));
  // Rational points of the unit circle: an angle without sine and cosine.
  const half = spread(DISTORTION.rotation, next);
  const cos = (1 - half * half) / (1 + half * half);
  const sin = (2 * half) / (1 + half * half);
  const shear = spread(DISTORTION.shear, next);
  const width = WIDTH_PX * around(DISTORTION.scale, next);
  const height = HEIGHT_PX * around(DISTORTION.scale, next);
  return {
    bend,
    xx: cos * width,
    xy: (-cos * shear - sin) * height,
    yx: sin * width,
    yy: (cos - sin * shear) * height,
    shiftX: (DIGIT_SIZE - 1) / 2 + spread(DISTORTION.shiftPx, next),
    shiftY: (DIGIT_SIZE - 1) / 2 + spread(DISTORTION.shiftPx, next),
  };
}

function placePoint(
  { bend, xx, xy, yx, yy, shiftX, shiftY }: Placement,
  x: number,
  y: number,
  into: Float64Array,
  at: number,
): void {
  const u = 2 * x - 1;
  const v = 2 * y - 1;
  const vv = v * v;
  const uu = u * u;
  const bentX = (u + bend[0] * vv + bend[1] * vv * v + bend[2] * uu + bend[3] * u * v) / 2;
  const bentY = (v + bend[4] * uu + bend[5] * uu * u + bend[6] * vv + bend[7] * u * v) / 2;
  into[at] = xx * bentX + xy * bentY + shiftX;
  into[at + 1] = yx * bentX + yy * bentY + shiftY;
}

/** From b (t = 0) to c (t = 1), with the tangents of the neighbors a and d (Catmull and Rom, 1974). */
function catmullRom(a: number, b: number, c: number, d: number, t: number): number {
  return b + (t / 2) * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/** Uniform in [−reach, reach). */
function spread(reach: number, next: NextWord): number {
  return reach * (next() / 2 ** 31 - 1);
}

function around({ center, reach }: { center: number; reach: number }, next: NextWord): number {
  return center + spread(reach, next);
}
