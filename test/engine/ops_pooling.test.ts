/** Pooling: gradients against what they are, exactly. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { engineForTests, gradients, irregular, values, weighed } from '../support/gradient_checks.js';

const engine = engineForTests();
const [BATCH, SIDE, CHANNELS] = [2, 5, 2];

/** The positions in x of each result's window of 2 × 2 at stride 2, in order of the results; `same` pads behind the last row and column. */
function windows(padding: 'valid' | 'same'): number[][] {
  const found: number[][] = [];
  const across = padding === 'valid' ? Math.floor(SIDE / 2) : Math.ceil(SIDE / 2);
  for (let b = 0; b < BATCH; b++)
    for (let row = 0; row < across; row++)
      for (let column = 0; column < across; column++)
        for (let c = 0; c < CHANNELS; c++) {
          const inside = [0, 1].flatMap((down) => [0, 1].map((right) => [2 * row + down, 2 * column + right]));
          found.push(inside.filter(([i, j]) => i < SIDE && j < SIDE).map(([i, j]) => ((b * SIDE + i) * SIDE + j) * CHANNELS + c));
        }
  return found;
}

/** A window's weight goes to its maximum, or in equal parts (halves and quarters, which float32 has exactly) to all of it. */
function wantedGradient(kind: 'max' | 'average', x: number[], places: number[][], weights: number[]): number[] {
  const wanted = x.map(() => 0);
  places.forEach((window, index) => {
    const largest = Math.max(...window.map((at) => x[at]));
    const takers = kind === 'average' ? window : window.filter((at) => x[at] === largest);
    for (const at of takers) wanted[at] = weights[index] / takers.length;
  });
  return wanted;
}

describe('pooling', () => {
  for (const [name, pool] of [
    ['max', tf.maxPool],
    ['average', tf.avgPool],
  ] as const) {
    for (const padding of ['valid', 'same'] as const) {
      it(`${name}, ${padding}: the gradient is exact, eager and compiled`, () => {
        tf.tidy(() => {
          const x = irregular([BATCH, SIDE, SIDE, CHANNELS], 4) as tf.Tensor4D;
          const f = (v: tf.Tensor): tf.Tensor => weighed(pool(v as tf.Tensor4D, 2, 2, padding));
          const places = windows(padding);
          const weights = values(irregular([places.length]));
          const wanted = wantedGradient(name, values(x), places, weights);
          expect(wanted.filter((value) => value !== 0).length).toBe(name === 'max' ? places.length : places.flat().length);
          for (const got of gradients(engine(), f, x)) got.forEach((value, at) => expect(value).toBeCloseTo(wanted[at], 12));
        });
      });
    }
  }
});
