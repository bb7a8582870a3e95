/**
 * What XLA compiles is what it leaves as it is, to roundings; what it would change stays a graph, or is refused by name.
 */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { endOfFreeArithmetic as endOfFree, keepRounded } from '../../../src/engine/index.js';
import { engineForTests, irregular, values, weighed } from '../../support/gradient_checks.js';

/** With what XLA makes of it instead. */
const CHANGED: Record<string, [of: (x: tf.Tensor) => tf.Tensor, x: number]> = {
  'log((1 − d) + 1e-8), by XLA −Infinity at 1': [(x) => tf.log(tf.add(tf.sub(1, x), 1e-8)), 1],
  'x + 1e8 − 1e8, by XLA x': [(x) => tf.sub(tf.add(x, 1e8), 1e8), 1.3],
  'the same with a shape between': [(x) => tf.sub(tf.reshape(tf.add(x, 1e8), [1, -1]), 1e8).flatten(), 1.3],
  'the same with −x between': [(x) => tf.sub(1e8, tf.neg(tf.sub(tf.neg(x), 1e8))), 1.3],
  'the same with x · 1 between': [(x) => tf.sub(tf.mul(tf.add(x, 1e8), 1), 1e8), 1.3],
  'x · 1e30 · 1e-30, by XLA x': [(x) => tf.mul(tf.mul(x, 1e30), 1e-30), 1e10],
  'x / 1e-30 · 1e-30, by XLA x': [(x) => tf.mul(tf.div(x, 1e-30), 1e-30), 1e10],
  '1 / (1 / x), by XLA x': [(x) => tf.reciprocal(tf.reciprocal(x)), 3e38],
  'log(exp(x)), by XLA x': [(x) => tf.log(tf.exp(x)), 100],
  'the same with a bound of 0, which bounds nothing': [(x) => tf.log(tf.maximum(tf.exp(x), 0)), 100],
  'log(1 − max(x, 0.1)), which is bounded on one side': [(x) => tf.log(tf.sub(1, tf.maximum(x, 0.1))), 0.5],
  'exp(x) · exp(−x), by XLA 1': [(x) => tf.mul(tf.exp(x), tf.exp(tf.neg(x))), 100],
  '√(x · x), by XLA |x|': [(x) => tf.sqrt(tf.mul(x, x)), 1e30],
};

const KEPT: Record<string, (x: tf.Tensor) => tf.Tensor> = {
  relu: tf.relu,
  relu6: tf.relu6,
  elu: tf.elu,
  selu: tf.selu,
  'leaky relu': (x) => tf.leakyRelu(x, 0.2),
  tanh: tf.tanh,
  abs: tf.abs,
  sigmoid: tf.sigmoid,
  softplus: tf.softplus,
  'two moderate factors': (x) => tf.mul(tf.mul(x, 0.5), 3),
  'the logarithm of clipped probabilities': (x) => tf.log(tf.clipByValue(tf.softmax(x), 1e-7, 1 - 1e-7)),
  'log odds of clipped probabilities': (x) => {
    const p = tf.clipByValue(tf.sigmoid(x), 1e-7, 1 - 1e-7);
    return tf.sub(tf.log(p), tf.log(tf.sub(1, p)));
  },
  'a sum of squares': (x) => tf.mul(tf.sum(tf.square(x)), 0.01),
};

/**
 * Sums of up to 64 terms on either of two ways, and functions good to 2^-21 of their values (four roundings more than exact ones), three in a row:
 * each of both ways is off by less than this of Σ|term|.
 */
const ROUNDINGS = (64 + 3 * 8) * 2 ** -24;

describe('a function that XLA would change by more than roundings', () => {
  const engine = engineForTests();

  it.each(Object.entries(CHANGED))('%s, is refused', (_, [of]) => {
    const compiled = engine().compile(of, { name: 'changed', xla: 'required' });
    expect(() => compiled(tf.tensor1d([1]))).toThrow(expect.objectContaining({ code: 'XLA_REFUSED' }));
  });

  it.each(Object.entries(CHANGED))('%s, is left to the graph where that is asked for', (_, [of, at]) => {
    const compiled = engine().compile(of, { xla: 'where_safe' });
    const x = tf.tensor1d([at]);
    expect(values(compiled(x))).toEqual(values(of(x)));
  });

  it('is named with the operation that stands in the way', () => {
    const compiled = engine().compile((x: tf.Tensor4D) => tf.avgPool(x, 2, 2, 'valid'), { name: 'pooled', xla: 'required' });
    expect(() => compiled(tf.ones([1, 4, 4, 1]))).toThrow('pooled is not for XLA: AvgPool is not among the operations');
  });
});

describe('compiled by XLA', () => {
  const engine = engineForTests();

  it.each(Object.entries(KEPT))('%s between products has the gradients of the function', (_, activation) => {
    const kernel = tf.abs(irregular([8, 8], 0.4)) as tf.Tensor2D;
    const loss = (x: tf.Tensor): tf.Tensor => {
      const y = activation(tf.matMul(x as tf.Tensor2D, kernel));
      return y.rank < 2 ? y : weighed(tf.matMul(y as tf.Tensor2D, kernel));
    };
    const gradient = (x: tf.Tensor): tf.Tensor => tf.grad(loss)(x);
    const compiled = engine().compile(gradient, { xla: 'required' });
    const x = irregular([6, 8], 2);
    const [got, wanted] = [values(compiled(x)), values(gradient(x))];
    // Of one example: its 8 numbers go into 8, these into 8 of the loss, whose weights and kernels are at most 1 and 0.4.
    const terms = 8 * 0.4 * 8 * 0.4 * 4;
    got.forEach((value, index) => expect(Math.abs(value - wanted[index]), `${index}`).toBeLessThan(2 * ROUNDINGS * terms));
    expect(got.some((value) => value !== 0)).toBe(true);
  });

  it('selu has the gradient of numbers above 0 at 0', () => {
    const gradient = tf.grad((x: tf.Tensor) => tf.selu(tf.add(x, 0)));
    const compiled = engine().compile((x: tf.Tensor) => gradient(x), { verify: false, xla: 'required' });
    const x = tf.tensor1d([-1, 0, 1]);
    const [wanted, got] = [gradient(x), compiled(x)].map((result) => Array.from(result.dataSync()));
    got.forEach((value, at) => expect(Math.abs(value - wanted[at])).toBeLessThan(4 * 2 ** -24 * Math.abs(wanted[at])));
    compiled.dispose();
  });

  it('absolute values have the gradient of the function, to the bit, of what is no number too', () => {
    const gradient = (x: tf.Tensor): tf.Tensor => tf.grad((v: tf.Tensor) => tf.abs(v))(x);
    const compiled = engine().compile(gradient, { xla: 'required' });
    const x = tf.tensor1d([-2, -0, 0, 1e-40, 3, Infinity, -Infinity, NaN]);
    expect(Array.from(compiled(x).dataSync())).toEqual(Array.from(gradient(x).dataSync()));
    expect(compiled(x).dataSync()[7]).toBeNaN();
  });

  it('probabilities of 0 and 1 cost what the clip leaves of them, and have no gradient', () => {
    const cost = (x: tf.Tensor): tf.Tensor => tf.neg(tf.log(tf.clipByValue(tf.softmax(x), 1e-7, 1 - 1e-7)));
    const both = (x: tf.Tensor): tf.Tensor[] => [cost(x), tf.grad((v: tf.Tensor) => weighed(cost(v)))(x)];
    const compiled = engine().compile(both, { xla: 'required' });
    const [value, gradient] = compiled(tf.tensor2d([[300, -300]]));
    expect(values(value)[0]).toBeLessThan(2e-7);
    expect(Math.abs(values(value)[1] + Math.log(1e-7))).toBeLessThan(1e-5);
    expect(values(gradient)).toEqual([0, 0]);
  });

  it('products and sums are joined, unless they are kept rounded', () => {
    const product = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.sub(tf.mul(a, b), a);
    const kept = (a: tf.Tensor, b: tf.Tensor, zero: tf.Tensor): tf.Tensor => tf.sub(keepRounded(tf.mul(a, b), zero), a);
    const [a, b, zero] = [irregular([5000], 3), irregular([5000], 7).reverse(), tf.scalar(0, 'int32')];
    const byXla = { xla: 'where_safe' } as const;
    const wanted = values(product(a, b));
    expect(values(engine().compile(product, byXla)(a, b))).not.toEqual(wanted);
    const whole = engine().compile((...of: Parameters<typeof kept>) => (endOfFree(), kept(...of)), byXla);
    expect(values(whole(a, b, zero))).toEqual(wanted);
    expect(values(engine().compile(kept)(a, b, zero))).toEqual(wanted);
    expect(kept(a, b, zero).dataSync()).toEqual(product(a, b).dataSync());
  });
});
