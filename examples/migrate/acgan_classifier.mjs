/**
 * The half of an ACGAN's discriminator that names what a picture shows, fed with new pictures in each call, as a generator makes them.
 * Usage: node examples/migrate/acgan_classifier.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { startedByHand } from './drawn.mjs';
import { digits } from './mnist.mjs';

function createModel() {
  const image = tf.input({ shape: [14, 14, 1] });
  const conv = (filters, strides, seed) =>
    tf.layers.conv2d({
      ...{ filters, strides, kernelSize: 3, padding: 'same' },
      kernelInitializer: tf.initializers.glorotUniform({ seed }),
    });
  let features = image;
  for (const [filters, strides, seed] of [
    [8, 2, 1],
    [16, 1, 2],
  ])
    features = tf.layers.leakyReLU({ alpha: 0.2 }).apply(conv(filters, strides, seed).apply(features));
  const kind = tf.layers.dense({
    units: 10,
    activation: 'softmax',
    name: 'kind',
    kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }),
  });
  const model = tf.model({ inputs: image, outputs: kind.apply(tf.layers.flatten().apply(features)) });
  model.compile({ optimizer: tf.train.adam(0.002, 0.5), loss: 'sparseCategoricalCrossentropy' });
  return model;
}

export async function main({ fit }, options = {}) {
  const model = createModel();
  const histories = [];
  for (let round = 0; round < 3; round++) {
    const { xs, labels } = digits(60, 100 + round);
    histories.push(await fit(model, xs, tf.tensor1d(labels, 'float32'), { epochs: 1, batchSize: 20, ...options }));
  }
  return histories;
}

await startedByHand(import.meta.url, main);
