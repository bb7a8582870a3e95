/** Activations, and the bias before them: values and gradients, eager and compiled. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { distance, engineForTests, gradients, irregular, values, weighed } from '../../support/gradient_checks.js';

const engine = engineForTests();

describe('activations', () => {
  const activations: [string, (x: tf.Tensor) => tf.Tensor, (dy: number, x: number) => number][] = [
    ['tanh', tf.tanh, (dy, x) => dy * (1 - Math.tanh(x) ** 2)],
    ['relu', tf.relu, (dy, x) => (x > 0 ? dy : 0)],
    ['relu6', tf.relu6, (dy, x) => (x > 0 && x < 6 ? dy : 0)],
    ['sigmoid', tf.sigmoid, (dy, x) => (dy * Math.exp(-x)) / (1 + Math.exp(-x)) ** 2],
    ['elu', tf.elu, (dy, x) => (x > 0 ? dy : dy * Math.exp(x))],
    ['selu', tf.selu, (dy, x) => dy * 1.0507009873554805 * (x > 0 ? 1 : 1.6732632423543772 * Math.exp(x))],
    ['softplus', tf.softplus, (dy, x) => dy / (1 + Math.exp(-x))],
    ['leaky relu', (x) => tf.leakyRelu(x, 0.1), (dy, x) => (x > 0 ? dy : 0.1 * dy)],
    ['sqrt', (x) => tf.sqrt(tf.add(x, 9)), (dy, x) => dy / (2 * Math.sqrt(x + 9))],
    ['rsqrt', (x) => tf.rsqrt(tf.add(x, 9)), (dy, x) => dy * -0.5 * (x + 9) ** -1.5],
  ];
  for (const [name, f, derivative] of activations) {
    it(`${name}: the gradient is the derivative, eager and compiled`, () => {
      tf.tidy(() => {
        const x = irregular([3, 1, 7], 8);
        const weights = values(irregular([3, 1, 7]));
        const wanted = values(x).map((value, index) => derivative(weights[index], value));
        for (const got of gradients(engine(), (v) => weighed(f(v)), x)) expect(distance(got, wanted)).toBeLessThan(1e-5);
      });
    });
  }
});

describe('relu of integers', () => {
  for (const f of [tf.relu, tf.relu6]) {
    it(`${f.name}: has the gradient of its derivative too`, () => {
      tf.tidy(() => {
        const x = tf.tensor1d([-1, 2, 3]);
        for (const got of gradients(engine(), (v) => weighed(tf.cast(f(tf.cast(v, 'int32')), 'float32')), x))
          expect(distance(got, [0, ...values(irregular([3])).slice(1)])).toBeLessThan(1e-6);
      });
    });
  }
});

describe('bias', () => {
  for (const shape of [
    [1, 5],
    [3, 5],
    [2, 3, 5],
    [2, 3, 4, 5],
  ]) {
    it(`is added along the last axis of [${shape.join(', ')}], with its gradient`, () => {
      tf.tidy(() => {
        const x = irregular(shape);
        for (const biasShape of [[5], [...shape.slice(1).map(() => 1), 5].slice(-shape.length)]) {
          const bias = irregular(biasShape, 2);
          const flat = values(bias);
          expect(
            distance(
              values(tf.add(x, bias)),
              values(x).map((value, i) => value + flat[i % 5]),
            ),
          ).toBeLessThan(1e-6);
          const weights = values(irregular(shape));
          const wanted = flat.map((_, c) => weights.reduce((sum, weight, i) => sum + (i % 5 === c ? weight : 0), 0));
          const size = biasShape.reduce((product, extent) => product * extent, 1);
          expect(size).toBe(5);
          for (const got of gradients(engine(), (b) => weighed(tf.add(x, b)), bias))
            expect(distance(got, wanted)).toBeLessThan(1e-5);
          for (const got of gradients(engine(), (v) => weighed(tf.add(v, bias)), x))
            expect(distance(got, weights)).toBeLessThan(1e-6);
        }
      });
    });
  }

  it('leaves other additions alone: a vector first, integers, an inner broadcast', () => {
    tf.tidy(() => {
      expect(
        values(
          tf.add(
            tf.tensor1d([1, 2]),
            tf.tensor2d([
              [10, 20],
              [30, 40],
            ]),
          ),
        ),
      ).toEqual([11, 22, 31, 42]);
      expect(
        values(
          tf.add(
            tf.tensor2d(
              [
                [1, 2],
                [3, 4],
              ],
              [2, 2],
              'int32',
            ),
            tf.tensor1d([10, 20], 'int32'),
          ),
        ),
      ).toEqual([11, 22, 13, 24]);
      expect(values(tf.add(tf.ones([2, 2]), tf.tensor2d([[1], [2]])))).toEqual([2, 2, 3, 3]);
    });
  });
});
