/**
 * Three kinds of flowers by four measures: a small network for classes, validated on flowers it has not seen.
 * Usage: node examples/migrate/iris.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { numbers, startedByHand } from './drawn.mjs';

const MEANS = [
  [5.0, 3.4, 1.5, 0.2],
  [5.9, 2.8, 4.3, 1.3],
  [6.6, 3.0, 5.6, 2.0],
];

function flowers(count, seed) {
  const next = numbers(seed);
  const kinds = Array.from({ length: count }, (_, i) => i % 3);
  const measures = kinds.map((kind) => MEANS[kind].map((mean) => mean + next() + next() - 1));
  return [tf.tensor2d(measures), tf.oneHot(tf.tensor1d(kinds, 'int32'), 3)];
}

function createModel() {
  const kernel = (seed) => ({ kernelInitializer: tf.initializers.glorotUniform({ seed }) });
  const model = tf.sequential();
  model.add(tf.layers.dense({ units: 10, activation: 'sigmoid', inputShape: [4], ...kernel(1) }));
  model.add(tf.layers.dense({ units: 3, activation: 'softmax', ...kernel(2) }));
  model.compile({ optimizer: tf.train.adam(0.05), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

export async function main({ fit }, options = {}) {
  const model = createModel();
  const [x, y] = flowers(120, 7);
  const history = await fit(model, x, y, { epochs: 4, validationData: flowers(30, 11), ...options });
  return [history];
}

await startedByHand(import.meta.url, main);
