/** Pooling: gradients against what they are, exactly. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { engineForTests, gradients, irregular, values, weighed } from '../../support/gradient_checks.js';

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

describe('pooling of volumes in which many values are equal', () => {
  const shape = [2, 5, 4, 6, 2];
  type Triple = [number, number, number];

  /** A window's weight, 1, 2, 3 and so on, goes to the last of its largest values. Whole numbers: every order of adding gives the same sums. */
  function wantedOf(x: number[], filter: Triple, strides: Triple, padding: 'valid' | 'same'): number[] {
    const [batch, ...sides] = shape;
    const channels = sides.pop() ?? 0;
    const out = sides.map((side, i) => Math.ceil((padding === 'same' ? side : side - filter[i] + 1) / strides[i]));
    const before = sides.map((side, i) =>
      padding === 'same' ? Math.floor(Math.max(0, (out[i] - 1) * strides[i] + filter[i] - side) / 2) : 0,
    );
    const wanted = x.map(() => 0);
    const steps = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
    const places = (of: Triple | number[]): number[][] =>
      steps(of[0]).flatMap((d) => steps(of[1]).flatMap((h) => steps(of[2]).map((w) => [d, h, w])));
    let weight = 0;
    for (const b of steps(batch))
      for (const at of places(out))
        for (const c of steps(channels)) {
          const window = places(filter)
            .map((inside) => inside.map((offset, i) => at[i] * strides[i] - before[i] + offset))
            .filter((place) => place.every((value, i) => value >= 0 && value < sides[i]))
            .map(([d, h, w]) => (((b * sides[0] + d) * sides[1] + h) * sides[2] + w) * channels + c);
          const largest = Math.max(...window.map((place) => x[place]));
          weight += 1;
          wanted[window.filter((place) => x[place] === largest).pop() ?? -1] += weight;
        }
    return wanted;
  }

  it.each([
    { filter: [2, 2, 2], strides: [2, 2, 2] },
    { filter: [2, 2, 2], strides: [1, 1, 1] },
    { filter: [3, 2, 4], strides: [1, 2, 3] },
    { filter: [1, 3, 2], strides: [2, 1, 2] },
    { filter: [2, 1, 2], strides: [3, 3, 3] },
  ] as { filter: Triple; strides: Triple }[])(
    "max over $filter at $strides: the gradient is the last one's, eager and compiled, and that of plain tfjs for cubes",
    async ({ filter, strides }) => {
      const three = Array.from({ length: shape.reduce((a, b) => a * b) }, (_, at) => ((at * 7 + (at >> 3)) % 3) - 1);
      for (const padding of ['valid', 'same'] as const) {
        const f = (v: tf.Tensor): tf.Tensor => {
          const pooled = tf.maxPool3d(v as tf.Tensor5D, filter, strides, padding);
          return tf.sum(tf.mul(pooled, tf.reshape(tf.range(1, pooled.size + 1), pooled.shape)));
        };
        const wanted = wantedOf(three, filter, strides, padding);
        expect(tf.tidy(() => gradients(engine(), f, tf.tensor(three, shape)))).toEqual([wanted, wanted]);
        // Where height and width of a window differ, plain tfjs takes some places in it for one.
        if (new Set(filter).size > 1) continue;
        const backend = tf.getBackend();
        await tf.setBackend('cpu');
        expect(tf.tidy(() => values(tf.grad(f)(tf.tensor(three, shape))))).toEqual(wanted);
        await tf.setBackend(backend);
      }
    },
  );
});
