/** Batch norm in training: values, the statistics it reports, gradients. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { withBatchStatistics } from '../../src/engine/index.js';
import {
  distance,
  engineForTests,
  finiteDifferences,
  gradients,
  irregular,
  values,
  weighed,
} from '../support/gradient_checks.js';

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
    it(`normalises [${shape.join(', ')}] and reports mean and biased variance`, () => {
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

  it('has the gradients of its definition, in x, gamma and beta', () => {
    tf.tidy(() => {
      const x = irregular([5, 2, 1, 3], 2);
      const layer = tf.layers.batchNormalization({ epsilon: 1e-2 });
      layer.build([5, 2, 1, 3]);
      const apply = (v: tf.Tensor): tf.Tensor =>
        withBatchStatistics(
          () => undefined,
          () => weighed(layer.apply(v, { training: true }) as tf.Tensor),
        );
      const composed = (v: tf.Tensor): tf.Tensor => {
        const { mean, variance } = tf.moments(v, [0, 1, 2], true);
        return weighed(tf.div(tf.sub(v, mean), tf.sqrt(tf.add(variance, 1e-2))));
      };
      for (const got of gradients(engine(), apply, x)) {
        expect(distance(got, gradients(engine(), composed, x)[0])).toBeLessThan(1e-4);
        // Rounding of float32, divided by h, is all that is left.
        expect(distance(got, finiteDifferences(apply, x, 5e-2))).toBeLessThan(2e-2);
      }
      const weights = layer.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
      const { grads } = tf.variableGrads(() => apply(x) as tf.Scalar, weights);
      for (const variable of weights) {
        const start = variable.clone();
        const wanted = finiteDifferences((v) => {
          variable.assign(v);
          return apply(x);
        }, start);
        variable.assign(start);
        expect(distance(values(grads[variable.name]), wanted)).toBeLessThan(5e-3);
      }
    });
  });

  it('normalises another axis, and works without scale or offset', () => {
    tf.tidy(() => {
      const x = irregular([4, 3, 2], 2);
      const first = tf.layers.batchNormalization({ axis: 1, epsilon: 1e-3 });
      const last = tf.layers.batchNormalization({ axis: -1, epsilon: 1e-3, scale: false, center: false });
      const wanted = tf.transpose(last.apply(tf.transpose(x, [0, 2, 1]), { training: true }) as tf.Tensor, [0, 2, 1]);
      expect(distance(values(first.apply(x, { training: true }) as tf.Tensor), values(wanted))).toBeLessThan(1e-5);
    });
  });
});
