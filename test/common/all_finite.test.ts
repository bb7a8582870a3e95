import { expect, test } from 'vitest';
import { allFinite } from '../../src/common/all_finite.js';

test('a NaN or an infinity is found wherever it stands, in any length', () => {
  for (const length of [0, 1, 3, 4, 5, 13]) {
    const values = Float32Array.from({ length }, (_, i) => [3.4e38, -3.4e38, 1e-45, -0, 0][i % 5]);
    expect(allFinite(values)).toBe(true);
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (let at = 0; at < length; at++) {
        const planted = values.slice();
        planted[at] = bad;
        expect(allFinite(planted), `${bad} at ${at} of ${length}`).toBe(false);
      }
    }
  }
});

test('two infinities of opposite sign do not cancel out', () => {
  expect(allFinite(Float32Array.of(Infinity, -Infinity))).toBe(false);
  expect(allFinite(Float32Array.of(Infinity, 0, 0, 0, -Infinity))).toBe(false);
});
