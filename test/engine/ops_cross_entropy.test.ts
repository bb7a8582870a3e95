/** Losses from logits: values where exponentials overflow, gradients. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { sigmoidCrossEntropy, softmaxCrossEntropy, upload } from '../../src/engine/index.js';
import { distance, engineForTests, gradients, values } from '../support/gradient_checks.js';

const engine = engineForTests();

describe('cross-entropy from logits', () => {
  const logits = [
    [2, -1, 0.5],
    [1000, 0, -1000],
    [0, 0, 0],
    [-3, 4, 1],
  ];
  const classes = [0, 1, 2, 1];

  it("softmax: −log of the label's probability, for indices, bytes and distributions", () => {
    tf.tidy(() => {
      const wanted = logits.map((row, i) => {
        const top = Math.max(...row);
        return top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0)) - row[classes[i]];
      });
      const x = tf.tensor2d(logits);
      const labels = [
        tf.tensor1d(classes, 'int32'),
        upload(engine(), Uint8Array.from(classes), [4]),
        tf.oneHot(tf.tensor1d(classes, 'int32'), 3),
      ];
      for (const label of labels) {
        expect(distance(values(softmaxCrossEntropy(label, x)), wanted)).toBeLessThan(1e-6);
        const f = (v: tf.Tensor): tf.Tensor =>
          tf.sum(tf.mul(softmaxCrossEntropy(label, v as tf.Tensor2D), tf.tensor1d([1, 2, 3, 4])));
        const probabilities = tf.softmax(x).arraySync() as number[][];
        const gradient = probabilities.flatMap((row, i) => row.map((p, c) => (i + 1) * (p - (c === classes[i] ? 1 : 0))));
        for (const got of gradients(engine(), f, x)) expect(distance(got, gradient)).toBeLessThan(1e-5);
      }
    });
  });

  it('sigmoid: finite for large logits, gradient σ(x) − z', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([
        [0, 3, -100],
        [100, -0.5, 2],
      ]);
      const z = tf.tensor2d([
        [1, 0, 1],
        [0, 0.25, 1],
      ]);
      const wanted = values(x).map(
        (value, i) => Math.max(value, 0) - value * values(z)[i] + Math.log1p(Math.exp(-Math.abs(value))),
      );
      expect(distance(values(sigmoidCrossEntropy(z, x)), wanted)).toBeLessThan(1e-6);
      const gradient = values(x).map((value, i) => 1 / (1 + Math.exp(-value)) - values(z)[i]);
      for (const got of gradients(engine(), (v) => tf.sum(sigmoidCrossEntropy(z, v)), x))
        expect(distance(got, gradient)).toBeLessThan(1e-5);
    });
  });
});
