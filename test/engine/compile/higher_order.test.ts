/** Gradients of gradients: what tfjs's tape cannot see of a fused op must not count as a constant. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { keyedDropout, sigmoidCrossEntropy, softmaxCrossEntropy } from '../../../src/engine/index.js';
import { distance, engineForTests, finiteDifferences, gradients, irregular, weighed } from '../../support/gradient_checks.js';

const engine = engineForTests();

describe('gradients of gradients', () => {
  const positive = (x: tf.Tensor): tf.Tensor => tf.add(x, 3);
  const labels = irregular([3, 4]);
  const normalization = tf.layers.batchNormalization({ epsilon: 1e-1 });
  const functions: [string, (x: tf.Tensor) => tf.Tensor][] = [
    ['tanh', tf.tanh],
    ['sigmoid', tf.sigmoid],
    ['sqrt', (x) => tf.sqrt(positive(x))],
    ['rsqrt', (x) => tf.rsqrt(positive(x))],
    ['relu', tf.relu],
    ['relu6', (x) => tf.relu6(tf.mul(x, 8))],
    ['elu', tf.elu],
    ['selu', tf.selu],
    ['softplus', tf.softplus],
    ['leaky relu', (x) => tf.leakyRelu(x, 0.1)],
    ['exp', tf.exp],
    ['softmax', (x) => tf.softmax(x)],
    ['log softmax', (x) => tf.logSoftmax(x)],
    ['bias', (x) => tf.add(tf.ones([3, 4]), tf.square(tf.sum(x, 0)))],
    ['batch norm in training', (x) => normalization.apply(x, { training: true }) as tf.Tensor],
    ['softmax cross-entropy of distributions', (x) => softmaxCrossEntropy(tf.softmax(labels), x as tf.Tensor2D)],
    ['softmax cross-entropy of indices', (x) => softmaxCrossEntropy(tf.tensor1d([3, 0, 2], 'int32'), x as tf.Tensor2D)],
    ['sigmoid cross-entropy', (x) => sigmoidCrossEntropy(labels, x)],
    ['dropout', (x) => keyedDropout(tf.square(x), 0.5, { low: 1, high: 2 }, tf.tensor1d([0, 0, 0, 0], 'int32'))],
  ];
  for (const [name, f] of functions) {
    it(`${name}: that of finite differences, eager and compiled, also where the gradient is one part of many`, () => {
      tf.tidy(() => {
        const x = irregular([3, 4]);
        const gradient = tf.grad((v) => tf.sum(tf.square(weighed(tf.mul(f(v), tf.sum(tf.square(v)))))));
        const ofGradient = (v: tf.Tensor): tf.Tensor => weighed(gradient(v));
        const wanted = finiteDifferences(ofGradient, x);
        for (const got of gradients(engine(), ofGradient, x)) expect(distance(got, wanted)).toBeLessThan(1e-2);
      });
    });
  }
});
