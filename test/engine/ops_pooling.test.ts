/** Pooling: gradients against finite differences. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { distance, engineForTests, finiteDifferences, gradients, irregular, weighed } from '../support/gradient_checks.js';

const engine = engineForTests();

describe('pooling', () => {
  for (const [name, pool] of [
    ['max', tf.maxPool],
    ['average', tf.avgPool],
  ] as const) {
    for (const padding of ['valid', 'same'] as const) {
      it(`${name}, ${padding}: the gradient is that of finite differences, eager and compiled`, () => {
        tf.tidy(() => {
          // Steps far larger than the differences' h, so that the maximum stays where it is.
          const x = irregular([2, 5, 5, 2], 4) as tf.Tensor4D;
          const f = (v: tf.Tensor): tf.Tensor => weighed(pool(v as tf.Tensor4D, 2, 2, padding));
          const wanted = finiteDifferences(f, x, 1e-3);
          for (const got of gradients(engine(), f, x)) expect(distance(got, wanted)).toBeLessThan(2e-2);
        });
      });
    }
  }
});
