/** Convolutions and pooling of volumes whose strides are longer than their windows. */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { engineForTests, gradients, values } from '../../support/gradient_checks.js';

const engine = engineForTests();
const SHAPE: [number, number, number, number, number] = [1, 4, 4, 4, 1];

it.each([
  ['conv3d', (v: tf.Tensor5D) => tf.conv3d(v, tf.ones([1, 1, 1, 1, 1]), 2, 'same')],
  ['maxPool3d', (v: tf.Tensor5D) => tf.maxPool3d(v, 1, 2, 'same')],
  ['avgPool3d', (v: tf.Tensor5D) => tf.avgPool3d(v, 1, 2, 'same')],
] as const)(
  '%s of one place at strides of 2, padded as "same", begins at the first place, as over areas and in Keras',
  (_, op) => {
    tf.tidy(() => {
      const x = tf.reshape(tf.range(0, 64), SHAPE) as tf.Tensor5D;
      const taken = [0, 2].flatMap((d) => [0, 2].flatMap((h) => [0, 2].map((w) => 16 * d + 4 * h + w)));
      expect(values(op(x))).toEqual(taken);
      const wanted = values(x).map((place) => (taken.includes(place) ? 1 : 0));
      expect(gradients(engine(), (v) => tf.sum(op(v as tf.Tensor5D)), x)).toEqual([wanted, wanted]);
    });
  },
);
