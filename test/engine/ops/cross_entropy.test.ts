/** Losses from logits: values where exponentials overflow, gradients. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sigmoidCrossEntropy, softmaxCrossEntropy, upload } from '../../../src/engine/index.js';
import { distance, engineForTests, gradients, values } from '../../support/gradient_checks.js';

const engine = engineForTests();

describe.each([
  { way: "by this device's own way", isGpu: false },
  { way: 'as on a GPU, by several ops', isGpu: true },
])('cross-entropy from logits, $way', ({ isGpu }) => {
  beforeAll(() => {
    if (isGpu) vi.spyOn(engine().binding, 'isUsingGpuDevice').mockReturnValue(true);
  });
  afterAll(() => {
    vi.restoreAllMocks();
  });
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

  it('softmax: rows of any sum keep value and gradient together, compiled and not; one-hot rows have the bits of indices', () => {
    tf.tidy(() => {
      const x = tf.tensor2d(logits);
      const rows = [
        [0.2, 0, 0],
        [0, 0, 0],
        [1, 1, 1],
        [0, 5, 0.5],
      ];
      const label = tf.tensor2d(rows);
      const shares = (tf.softmax(x).arraySync() as number[][]).map((row) => row.map((p) => Math.max(p, 1e-30)));
      const sums = rows.map((row) => row.reduce((a, b) => a + b));
      const wanted = rows.flatMap((row, i) => row.map((share, c) => (i + 1) * (sums[i] * shares[i][c] - share)));
      const f = (v: tf.Tensor): tf.Tensor =>
        tf.sum(tf.mul(softmaxCrossEntropy(label, v as tf.Tensor2D), tf.tensor1d([1, 2, 3, 4])));
      for (const got of gradients(engine(), f, x)) expect(distance(got, wanted)).toBeLessThan(1e-5);
      const value = values(softmaxCrossEntropy(label, x));
      expect(value[1]).toBe(0);
      // 5 · log(1 + e⁻⁷ + e⁻³), and 0.5 times that and 3 more.
      const top = Math.log(1 + Math.exp(-7) + Math.exp(-3));
      expect(value[3]).toBeCloseTo(5.5 * top + 0.5 * 3, 5);

      const oneHot = tf.cast(tf.oneHot(tf.tensor1d(classes, 'int32'), 3), 'float32');
      const sparse = tf.tensor1d(classes, 'int32');
      const both = [oneHot, sparse].map((labels) => (v: tf.Tensor) => tf.sum(softmaxCrossEntropy(labels, v as tf.Tensor2D)));
      const [dense, indices] = both.map((g) => gradients(engine(), g, x));
      expect(dense).toEqual(indices);
    });
  });

  it('softmax: an index of no class is told', () => {
    tf.tidy(() => {
      const compute = (): number[] => values(softmaxCrossEntropy(tf.tensor1d([1, 3], 'int32'), tf.tensor2d(logits.slice(0, 2))));
      if (engine().binding.isUsingGpuDevice())
        expect(compute()).toEqual([expect.closeTo(Math.log(Math.exp(3) + 1 + Math.exp(1.5)), 5), NaN]);
      else expect(compute).toThrow('outside the valid range');
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
