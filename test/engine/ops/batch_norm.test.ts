/** Batch norm in training: values, the statistics it reports, gradients. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { withBatchStatistics } from '../../../src/engine/index.js';
import { distance, engineForTests, gradients, irregular, values, weighed } from '../../support/gradient_checks.js';

const engine = engineForTests();

describe('batch norm in training', () => {
  /** The definition, in float64. */
  function reference(
    x: number[],
    channels: number,
    gamma: number[],
    beta: number[],
    epsilon: number,
  ): { y: number[]; mean: number[]; variance: number[] } {
    const count = x.length / channels;
    const mean = gamma.map((_, c) => x.reduce((sum, value, i) => sum + (i % channels === c ? value : 0), 0) / count);
    const variance = gamma.map(
      (_, c) => x.reduce((sum, value, i) => sum + (i % channels === c ? (value - mean[c]) ** 2 : 0), 0) / count,
    );
    const y = x.map((value, i) => {
      const c = i % channels;
      return ((value - mean[c]) / Math.sqrt(variance[c] + epsilon)) * gamma[c] + beta[c];
    });
    return { y, mean, variance };
  }

  for (const shape of [
    [5, 3],
    [1, 2, 3],
    [4, 2, 3],
    [3, 2, 2, 3],
    [7, 1, 1, 3],
    [2, 2, 1, 2, 3],
  ]) {
    it(`normalizes [${shape.join(', ')}] and reports mean and biased variance`, () => {
      tf.tidy(() => {
        const x = irregular(shape, 3);
        const layer = tf.layers.batchNormalization({ epsilon: 1e-3, momentum: 0.9 });
        layer.build(shape);
        layer.setWeights([tf.tensor1d([1, 2, 3]), tf.tensor1d([0.1, 0.2, 0.3]), tf.zeros([3]), tf.ones([3])]);
        const { y, mean, variance } = reference(values(x), 3, [1, 2, 3], [0.1, 0.2, 0.3], 1e-3);
        const reported: number[][] = [];
        const got = withBatchStatistics(
          (_, batchMean, biased) => reported.push(values(batchMean), values(biased)),
          () => values(layer.apply(x, { training: true }) as tf.Tensor),
        );
        expect(distance(got, y)).toBeLessThan(1e-5);
        expect(distance(reported[0], mean)).toBeLessThan(1e-5);
        expect(distance(reported[1], variance)).toBeLessThan(1e-5);
        const moving = (): number[][] => layer.getWeights().slice(2).map(values);
        expect(moving()).toEqual([
          [0, 0, 0],
          [1, 1, 1],
        ]);
        // Without a sink the layer moves its statistics as tfjs does: 0.9 · old + 0.1 · new.
        layer.apply(x, { training: true });
        expect(
          distance(
            moving()[0],
            mean.map((m) => 0.1 * m),
          ),
        ).toBeLessThan(1e-5);
        expect(
          distance(
            moving()[1],
            variance.map((v) => 0.9 + 0.1 * v),
          ),
        ).toBeLessThan(1e-5);
      });
    });
  }

  /** Half a unit in the last place of float32, relative: the error of one operation. */
  const ROUNDING = 2 ** -24;
  const norm = (list: number[]): number => Math.hypot(...list);

  /**
   * Derivatives of Σ weight · y in float64, each with the norm of the terms that it is the sum of: float32 makes an error in proportion to
   * these, however much of them cancels. With x̂ = (x − mean) / √(variance + ε):
   * dx = γ / √(variance + ε) · (weight − mean(weight) − x̂ · mean(weight · x̂)), dγ = Σ weight · x̂, dβ = Σ weight.
   */
  function referenceGradients({
    x,
    weights,
    gamma,
    epsilon,
  }: {
    x: number[];
    weights: number[];
    gamma: number[];
    epsilon: number;
  }) {
    const channels = gamma.length;
    const { y: normal, variance } = reference(
      x,
      channels,
      Array<number>(channels).fill(1),
      Array<number>(channels).fill(0),
      epsilon,
    );
    const sums = (list: number[]): number[] =>
      gamma.map((_, c) => list.reduce((sum, value, i) => sum + (i % channels === c ? value : 0), 0));
    const count = x.length / channels;
    const products = weights.map((weight, i) => weight * normal[i]);
    const [dBeta, dGamma] = [sums(weights), sums(products)];
    const scale = (i: number): number => gamma[i % channels] / Math.sqrt(variance[i % channels] + epsilon);
    const terms = [
      weights.map((weight, i) => scale(i) * weight),
      weights.map((_, i) => (-scale(i) * dBeta[i % channels]) / count),
      weights.map((_, i) => (-scale(i) * normal[i] * dGamma[i % channels]) / count),
    ];
    return {
      x: {
        wanted: terms[0].map((term, i) => term + terms[1][i] + terms[2][i]),
        ofTerms: terms.reduce((sum, term) => sum + norm(term), 0),
      },
      gamma: { wanted: dGamma, ofTerms: norm(sums(products.map(Math.abs))) },
      beta: { wanted: dBeta, ofTerms: norm(sums(weights.map(Math.abs))) },
    };
  }

  it.each([
    // Nearly the multiple of the weights: of the three terms of dx all but some thousandths cancel.
    ['that hardly depend on x', (i: number) => 2 * Math.sin(1.7 * i + 0.3)],
    ['that depend on x', (i: number) => 2 * Math.cos(0.9 * i * i) + 1],
  ])('has the gradients of its definition, in x, gamma and beta, for results %s', (_, value) => {
    tf.tidy(() => {
      const shape = [5, 2, 1, 3];
      const [gamma, beta, epsilon] = [[1, -2, 0.5], [0.1, 0.2, 0.3], 1e-2];
      const x = tf.tensor(
        Array.from({ length: 30 }, (_, i) => value(i)),
        shape,
      );
      const weights = values(irregular(shape));
      const truth = referenceGradients({ x: values(x), weights, gamma, epsilon });
      const layer = tf.layers.batchNormalization({ epsilon });
      layer.build(shape);
      layer.setWeights([tf.tensor1d(gamma), tf.tensor1d(beta), tf.zeros([3]), tf.ones([3])]);
      const apply = (v: tf.Tensor): tf.Tensor =>
        withBatchStatistics(
          () => undefined,
          () => weighed(layer.apply(v, { training: true }) as tf.Tensor),
        );
      /** Ten values a channel are added twice, and about twenty operations beside: 40 roundings of terms at most this large. */
      const expectClose = (got: number[], { wanted, ofTerms }: { wanted: number[]; ofTerms: number }): void =>
        expect(norm(got.map((value, i) => value - wanted[i]))).toBeLessThan(40 * ROUNDING * ofTerms);
      for (const got of gradients(engine(), apply, x)) expectClose(got, truth.x);
      const variables = layer.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
      const { grads } = tf.variableGrads(() => apply(x) as tf.Scalar, variables);
      expectClose(values(grads[variables[0].name]), truth.gamma);
      expectClose(values(grads[variables[1].name]), truth.beta);
    });
  });

  it.each([[[6, 3, 1, 16]], [[5, 2, 2, 3]]])(
    'of %j with a relu after it, which oneDNN computes with it, has the gradients of both',
    (shape) => {
      tf.tidy(() => {
        const channels = shape[3];
        const gamma = Array.from({ length: channels }, (_, c) => (c % 3) - 1.5);
        const beta = gamma.map((_, c) => 0.2 * Math.cos(c));
        const x = tf.tensor(
          Array.from({ length: shape.reduce((size, extent) => size * extent, 1) }, (_, i) => 2 * Math.cos(0.9 * i * i) + 1),
          shape,
        );
        const { y } = reference(values(x), channels, gamma, beta, 1e-2);
        expect(Math.min(...y.map(Math.abs))).toBeGreaterThan(1e-5);
        const weights = values(irregular(shape)).map((weight, i) => (y[i] > 0 ? weight : 0));
        const truth = referenceGradients({ x: values(x), weights, gamma, epsilon: 1e-2 }).x;
        const layer = tf.layers.batchNormalization({ epsilon: 1e-2 });
        layer.build(shape);
        layer.setWeights([tf.tensor1d(gamma), tf.tensor1d(beta), tf.zeros([channels]), tf.ones([channels])]);
        const activated = (v: tf.Tensor): tf.Tensor => tf.relu(layer.apply(v, { training: true }) as tf.Tensor);
        const apply = (v: tf.Tensor): tf.Tensor =>
          withBatchStatistics(
            () => undefined,
            () => weighed(activated(v)),
          );
        const compiled = engine().compile((v: tf.Tensor) =>
          withBatchStatistics(
            () => undefined,
            () => activated(v),
          ),
        );
        const got = values(compiled(x));
        expect(compiled.print(x)).not.toMatch(/Reshape/);
        compiled.dispose();
        expect(
          distance(
            got,
            y.map((value) => Math.max(value, 0)),
          ),
        ).toBeLessThan(1e-5);
        // As above, with a sum of as many terms as there are rows.
        const bound = (40 + x.size / channels) * ROUNDING * truth.ofTerms;
        for (const got of gradients(engine(), apply, x))
          expect(norm(got.map((value, i) => value - truth.wanted[i]))).toBeLessThan(bound);
        tf.dispose(layer.weights.map((weight) => (weight as unknown as { val: tf.Variable }).val));
      });
    },
  );

  it('normalizes another axis, and works without scale or offset', () => {
    tf.tidy(() => {
      const x = irregular([4, 3, 2], 2);
      const first = tf.layers.batchNormalization({ axis: 1, epsilon: 1e-3 });
      const last = tf.layers.batchNormalization({ axis: -1, epsilon: 1e-3, scale: false, center: false });
      const wanted = tf.transpose(last.apply(tf.transpose(x, [0, 2, 1]), { training: true }) as tf.Tensor, [0, 2, 1]);
      expect(distance(values(first.apply(x, { training: true }) as tf.Tensor), values(wanted))).toBeLessThan(1e-5);
    });
  });

  it('takes an axis in a list, as every model converted from Keras 2 has it', () => {
    tf.tidy(() => {
      const x = irregular([4, 2, 2, 3], 2);
      const [number, list] = [3, [3] as unknown as number].map((axis) => tf.layers.batchNormalization({ axis, epsilon: 1e-3 }));
      const wanted = values(number.apply(x, { training: true }) as tf.Tensor);
      expect(values(list.apply(x, { training: true }) as tf.Tensor)).toEqual(wanted);
      expect(list.getWeights().map(values)).toEqual(number.getWeights().map(values));
    });
  });
});
