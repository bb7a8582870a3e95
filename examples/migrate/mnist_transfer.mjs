/**
 * Digits below five are learned, then the convolutions are frozen and the rest learns those from five on.
 * Usage: node examples/migrate/mnist_transfer.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { startedByHand } from './drawn.mjs';
import { digits } from './mnist.mjs';

function createModel() {
  const seeded = (seed) => ({ kernelInitializer: tf.initializers.glorotUniform({ seed }) });
  const model = tf.sequential();
  model.add(tf.layers.conv2d({ inputShape: [14, 14, 1], kernelSize: 3, filters: 8, activation: 'relu', ...seeded(1) }));
  model.add(tf.layers.conv2d({ kernelSize: 3, filters: 8, activation: 'relu', ...seeded(2) }));
  model.add(tf.layers.maxPooling2d({ poolSize: 2 }));
  model.add(tf.layers.flatten());
  model.add(tf.layers.dense({ units: 16, activation: 'relu', ...seeded(3) }));
  model.add(tf.layers.dense({ units: 5, activation: 'softmax', ...seeded(4) }));
  return model;
}

const COMPILED = { optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] };

export async function main({ fit }, options = {}) {
  const model = createModel();
  const part = (first, seed) => {
    const { xs, labels } = digits(120, seed, first, 5);
    const kinds = labels.map((digit) => digit - first);
    return [xs, tf.oneHot(tf.tensor1d(kinds, 'int32'), 5)];
  };
  model.compile(COMPILED);
  const small = await fit(model, ...part(0, 41), { epochs: 2, validationSplit: 0.25, ...options });
  for (const layer of model.layers.slice(0, 2)) layer.trainable = false;
  const frozen = model.layers[0].getWeights().map((weight) => weight.dataSync());
  model.compile(COMPILED);
  const large = await fit(model, ...part(5, 43), { epochs: 2, validationSplit: 0.25, ...options });
  model.layers[0].getWeights().forEach((weight, at) => {
    if (weight.dataSync().some((value, i) => value !== frozen[at][i])) throw new Error('a frozen layer was trained');
  });
  return [small, large];
}

await startedByHand(import.meta.url, main);
