/**
 * Owns: how the ten digits are drawn by hand: strokes in a unit box (x to the right, y down), several ways for some digits.
 * Does not: distort or paint them (digit_painter.ts does).
 */

export interface Stroke {
  /** x0, y0, x1, y1, ... The pen goes through all of them. */
  readonly points: readonly number[];
  /** `corners`: straight from point to point; `curve`: a Catmull-Rom spline through them; `loop`: the same, closed. */
  readonly pen: 'corners' | 'curve' | 'loop';
}

type Glyph = readonly Stroke[];

const corners = (...points: number[]): Stroke => ({ points, pen: 'corners' });
const curve = (...points: number[]): Stroke => ({ points, pen: 'curve' });
const loop = (...points: number[]): Stroke => ({ points, pen: 'loop' });

const TOP_LOOP_OF_NINE = loop(0.5, 0, 0.84, 0.1, 0.86, 0.3, 0.6, 0.5, 0.25, 0.48, 0.06, 0.27, 0.18, 0.06);

/** GLYPHS[digit] lists the ways to write it. */
export const GLYPHS: readonly (readonly Glyph[])[] = [
  [[loop(0.5, 0, 0.86, 0.14, 1, 0.5, 0.86, 0.86, 0.5, 1, 0.14, 0.86, 0, 0.5, 0.14, 0.14)]],
  [
    [corners(0.5, 0, 0.5, 1)],
    [corners(0.2, 0.24, 0.56, 0, 0.56, 1)],
    [corners(0.22, 0.2, 0.54, 0, 0.54, 1), corners(0.2, 1, 0.88, 1)],
  ],
  [
    [curve(0.08, 0.24, 0.24, 0.06, 0.52, 0, 0.82, 0.1, 0.9, 0.32, 0.74, 0.56, 0.4, 0.8, 0.04, 1), corners(0.04, 1, 0.98, 1)],
    [curve(0.06, 0.2, 0.4, 0, 0.82, 0.12, 0.8, 0.45, 0.42, 0.82, 0.14, 0.98, 0.03, 0.84, 0.24, 0.76, 0.6, 0.94, 1, 0.96)],
  ],
  [
    [
      curve(0.06, 0.14, 0.44, 0, 0.84, 0.12, 0.8, 0.36, 0.38, 0.48),
      curve(0.38, 0.48, 0.84, 0.58, 0.94, 0.8, 0.6, 1, 0.22, 0.97, 0.02, 0.83),
    ],
    [corners(0.06, 0, 0.9, 0, 0.42, 0.4), curve(0.42, 0.4, 0.86, 0.52, 0.94, 0.78, 0.6, 1, 0.05, 0.88)],
  ],
  [[corners(0.16, 0.02, 0.06, 0.56, 0.96, 0.54), corners(0.78, 0.02, 0.72, 1)], [corners(0.72, 1, 0.72, 0, 0, 0.68, 1, 0.68)]],
  [
    [corners(0.9, 0, 0.2, 0, 0.12, 0.45), curve(0.12, 0.45, 0.5, 0.36, 0.88, 0.5, 0.94, 0.75, 0.64, 0.98, 0.26, 1, 0.02, 0.87)],
    [
      corners(0.18, 0.02, 0.14, 0.42),
      curve(0.14, 0.42, 0.56, 0.36, 0.92, 0.6, 0.8, 0.92, 0.4, 1, 0.06, 0.92),
      corners(0.18, 0.02, 0.9, 0),
    ],
  ],
  [
    [curve(0.8, 0.02, 0.42, 0.14, 0.12, 0.48, 0.07, 0.8, 0.4, 1, 0.8, 0.92, 0.9, 0.7, 0.64, 0.5, 0.3, 0.55, 0.09, 0.76)],
    [curve(0.46, 0, 0.18, 0.36, 0.08, 0.74, 0.36, 1, 0.78, 0.94, 0.88, 0.72, 0.6, 0.56, 0.26, 0.62, 0.09, 0.8)],
  ],
  [
    [corners(0.02, 0, 0.95, 0, 0.35, 1)],
    [corners(0.02, 0, 0.95, 0, 0.35, 1), corners(0.26, 0.5, 0.84, 0.5)],
    [corners(0.03, 0.14, 0.04, 0.02, 0.95, 0), curve(0.95, 0, 0.6, 0.42, 0.42, 1)],
  ],
  [
    [
      loop(
        0.5,
        0.47,
        0.84,
        0.28,
        0.76,
        0.06,
        0.5,
        0,
        0.24,
        0.06,
        0.16,
        0.28,
        0.5,
        0.47,
        0.9,
        0.72,
        0.8,
        0.94,
        0.5,
        1,
        0.2,
        0.94,
        0.1,
        0.72,
      ),
    ],
    [
      loop(0.5, 0, 0.8, 0.1, 0.8, 0.36, 0.5, 0.46, 0.2, 0.36, 0.2, 0.1),
      loop(0.5, 0.46, 0.88, 0.6, 0.88, 0.88, 0.5, 1, 0.12, 0.88, 0.12, 0.6),
    ],
  ],
  [
    [TOP_LOOP_OF_NINE, corners(0.86, 0.16, 0.76, 1)],
    [TOP_LOOP_OF_NINE, curve(0.87, 0.18, 0.88, 0.6, 0.7, 0.93, 0.4, 1, 0.14, 0.9)],
  ],
];
