/**
 * Prices of houses by twelve measures: a regression with hidden layers, features brought to mean 0 and deviation 1, and the best epoch kept in mind.
 * Usage: node examples/migrate/boston_housing.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { numbers, startedByHand } from './drawn.mjs';

const FEATURES = 12;

function houses(count, seed) {
  const next = numbers(seed);
  const x = Array.from({ length: count }, () => Array.from({ length: FEATURES }, (_, i) => (i + 1) * (next() + next())));
  const y = x.map((row) => [20 + row.reduce((price, value, i) => price + (i % 2 ? -1 : 1) * (value / (i + 1)) * 3, 0) + next()]);
  return [tf.tensor2d(x), tf.tensor2d(y)];
}

function createModel() {
  const hidden = (seed, more = {}) =>
    tf.layers.dense({ units: 16, activation: 'sigmoid', kernelInitializer: tf.initializers.leCunNormal({ seed }), ...more });
  const model = tf.sequential();
  model.add(hidden(1, { inputShape: [FEATURES] }));
  model.add(hidden(2));
  model.add(hidden(3, { units: 1, activation: 'linear' }));
  model.compile({ optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError' });
  return model;
}

export async function main({ fit }, options = {}) {
  const [x, y] = houses(150, 31);
  const { mean, variance } = tf.moments(x, 0);
  const normal = x.sub(mean).div(variance.sqrt());
  let best = Infinity;
  const history = await fit(createModel(), normal, y, {
    batchSize: 40,
    epochs: 4,
    validationSplit: 0.2,
    callbacks: { onEpochEnd: async (epoch, logs) => void (best = Math.min(best, logs.val_loss)) },
    ...options,
  });
  if (best !== Math.min(...history.history.val_loss)) throw new Error('a callback was told another loss');
  return [history];
}

await startedByHand(import.meta.url, main);
