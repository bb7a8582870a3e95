/**
 * Owns: how far numbers of Winograd's F(4 × 4, 3 × 3) may be from the truth: each with the absolute values of all that it is made of, in float64.
 * Does not: know how it is computed.
 */
import { REACH, TILE } from '../../src/engine/lowering/winograd.js';
import { FILTER_MATRIX } from '../../src/engine/lowering/winograd_transforms.js';
import type { Shape } from './convolution_truth.js';

const PICTURE = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];
const MAP = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];
type Matrix = readonly (readonly number[])[];
const turned = (matrix: Matrix): Matrix => matrix[0].map((_, column) => matrix.map((row) => row[column]));

/** |A| · square · |A|ᵀ, of a square of numbers row after row. */
function between(matrix: Matrix, square: readonly number[]): number[] {
  const from = matrix[0].length;
  return matrix.flatMap((a) =>
    matrix.map((b) => square.reduce((sum, value, at) => sum + Math.abs(a[Math.floor(at / from)] * b[at % from]) * value, 0)),
  );
}

/** For pictures `x`, filters and the gradient of maps `y`: of the maps, the gradients of pictures and those of filters. */
export function magnitudes(shapes: { x: Shape; filter: Shape; y: readonly number[] }, [xs, ws, dys]: Float32Array[]) {
  const { x, filter, y } = shapes;
  const [channels, filters] = [filter[2], filter[3]];
  const before = [1, 2].map((axis) => Math.floor((y[axis] + 2 - x[axis]) / 2));
  const made = { y: new Float64Array(dys.length), dx: new Float64Array(xs.length), dw: new Float64Array(ws.length) };
  const summed = new Float64Array(REACH ** 2 * channels * filters);
  const at = (shape: readonly number[], n: number, row: number, column: number, channel: number): number =>
    row < 0 || column < 0 || row >= shape[1] || column >= shape[2]
      ? -1
      : ((n * shape[1] + row) * shape[2] + column) * shape[3] + channel;
  const square = (side: number, value: (row: number, column: number) => number): number[] =>
    Array.from({ length: side ** 2 }, (_, place) => value(Math.floor(place / side), place % side));
  const read = (values: Float32Array, place: number): number => (place < 0 ? 0 : Math.abs(values[place]));
  const transformed = Array.from({ length: channels * filters }, (_, pair) =>
    between(
      FILTER_MATRIX,
      square(3, (row, column) => Math.abs(ws[(row * 3 + column) * channels * filters + pair])),
    ),
  );
  const add = (into: Float64Array, place: number, value: number): void => {
    if (place >= 0) into[place] += value;
  };
  for (let n = 0; n < x[0]; n++)
    for (let top = 0; top < y[1]; top += TILE)
      for (let left = 0; left < y[2]; left += TILE) {
        const placed = (row: number, column: number, c: number): number =>
          at(x, n, top + row - before[0], left + column - before[1], c);
        const seen = Array.from({ length: channels }, (_, c) =>
          between(
            PICTURE,
            square(REACH, (i, j) => read(xs, placed(i, j, c))),
          ),
        );
        const given = Array.from({ length: filters }, (_, f) =>
          between(
            turned(MAP),
            square(TILE, (i, j) => read(dys, at(y, n, top + i, left + j, f))),
          ),
        );
        for (let f = 0; f < filters; f++) {
          const products = seen[0].map((_, p) =>
            seen.reduce((sum, from, c) => sum + from[p] * transformed[c * filters + f][p], 0),
          );
          between(MAP, products).forEach((value, p) =>
            add(made.y, at(y, n, top + Math.floor(p / TILE), left + (p % TILE), f), value),
          );
        }
        for (let c = 0; c < channels; c++) {
          const products = given[0].map((_, p) =>
            given.reduce((sum, from, f) => sum + from[p] * transformed[c * filters + f][p], 0),
          );
          between(turned(PICTURE), products).forEach((value, p) =>
            add(made.dx, placed(Math.floor(p / REACH), p % REACH, c), value),
          );
          given.forEach((from, f) =>
            from.forEach((value, p) => (summed[p * channels * filters + c * filters + f] += value * seen[c][p])),
          );
        }
      }
  for (let pair = 0; pair < channels * filters; pair++) {
    const products = square(REACH, (i, j) => summed[(i * REACH + j) * channels * filters + pair]);
    between(turned(FILTER_MATRIX), products).forEach((value, p) => (made.dw[p * channels * filters + pair] = value));
  }
  return made;
}
