/** Depthwise convolutions with dilations, which TensorFlow's own kernel does not know: against their definition, in whole numbers. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { engineForTests, values } from '../../support/gradient_checks.js';

const engine = engineForTests();

interface Convolution {
  x: number[][];
  filter: number[][][];
  dilations: [number, number];
  /** Rows above, rows below, columns left, columns right. */
  padding: [number, number, number, number];
}

/** One picture, one channel: y[i, j] = Σ x[i + a · down − top, j + b · right − left] · filter[a, b, m]. */
function definition({ x, filter, dilations: [down, right], padding: [top, bottom, left, side] }: Convolution): number[] {
  const height = x.length + top + bottom - (filter.length - 1) * down;
  const width = x[0].length + left + side - (filter[0].length - 1) * right;
  const at = (i: number, j: number): number => x[i]?.[j] ?? 0;
  return Array.from({ length: height * width }, (_, place) => [Math.floor(place / width), place % width]).flatMap(([i, j]) =>
    filter[0][0].map((_, m) =>
      filter.reduce(
        (sum, row, a) => sum + row.reduce((part, taps, b) => part + at(i + a * down - top, j + b * right - left) * taps[m], 0),
        0,
      ),
    ),
  );
}

const PICTURE = Array.from({ length: 5 }, (_, i) => Array.from({ length: 7 }, (_, j) => ((i * 7 + j) * 5) % 11));
const FILTER = [
  [
    [1, -1],
    [2, 3],
    [-4, 5],
  ],
  [
    [6, 7],
    [-8, 9],
    [1, 2],
  ],
];

describe('a depthwise convolution', () => {
  it.each([
    ['valid', [2, 2], [0, 0, 0, 0]],
    ['valid', [3, 1], [0, 0, 0, 0]],
    // 2 rows and 3 columns of taps, 2 and 3 apart, reach over 3 rows and 7 columns.
    ['same', [2, 3], [1, 1, 3, 3]],
    // 4 rows: one more below than above.
    ['same', [3, 2], [1, 2, 2, 2]],
    [1, [2, 2], [1, 1, 1, 1]],
  ] as [number | 'valid' | 'same', [number, number], Convolution['padding']][])(
    'with padding %s and dilations %j is its definition, eager and compiled, fused too',
    (pad, dilations, padding) => {
      const x = tf.tensor4d(PICTURE.flat(), [1, 5, 7, 1]);
      const filter = tf.tensor4d(FILTER.flat(2), [2, 3, 1, 2]);
      const wanted = definition({ x: PICTURE, filter: FILTER, dilations, padding });
      const convolve = (v: tf.Tensor4D): tf.Tensor => tf.depthwiseConv2d(v, filter, 1, pad, 'NHWC', dilations);
      const compiled = engine().compile(convolve);
      const held = tf.memory().numTensors;
      for (const run of [convolve, compiled]) {
        const got = run(x);
        expect(values(got)).toEqual(wanted);
        got.dispose();
      }
      const bias = tf.tensor1d([10, -20]);
      const fused = tf.fused.depthwiseConv2d({ x, filter, strides: 1, pad, dilations, bias, activation: 'relu' });
      expect(values(fused)).toEqual(wanted.map((value, i) => Math.max(value + (i % 2 === 0 ? 10 : -20), 0)));
      tf.dispose([bias, fused]);
      expect(tf.memory().numTensors).toBe(held);
      compiled.dispose();
      tf.dispose([x, filter]);
    },
  );
});
