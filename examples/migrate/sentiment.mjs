/**
 * Good or bad words: sentences of numbered words, an embedding, its mean, yes or no.
 * Usage: node examples/migrate/sentiment.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { numbers, startedByHand } from './drawn.mjs';

const [WORDS, LENGTH] = [50, 12];

/** Words of the upper half are friendly; a sentence is what most of its words are, and 0 fills it up. */
function sentences(count, seed) {
  const next = numbers(seed);
  const x = Array.from({ length: count }, () => {
    const taste = next();
    const words = Array.from({ length: 6 + Math.floor(next() * 6) }, () => {
      const half = next() < taste ? WORDS / 2 : 1;
      return Math.floor(half + next() * (WORDS / 2 - 1));
    });
    return [...words, ...Array(LENGTH - words.length).fill(0)];
  });
  const y = x.map((words) => [2 * words.filter((word) => word >= WORDS / 2).length > words.filter((word) => word > 0).length]);
  return { x, y };
}

function createModel() {
  const seeded = (seed) => tf.initializers.randomUniform({ minval: -0.05, maxval: 0.05, seed });
  const model = tf.sequential();
  model.add(tf.layers.embedding({ inputDim: WORDS, outputDim: 8, inputLength: LENGTH, embeddingsInitializer: seeded(1) }));
  model.add(tf.layers.globalAveragePooling1d());
  model.add(tf.layers.dense({ units: 8, activation: 'relu', kernelInitializer: seeded(2) }));
  model.add(tf.layers.dense({ units: 1, activation: 'sigmoid', kernelInitializer: seeded(3) }));
  model.compile({ optimizer: tf.train.adam(0.02), loss: 'binaryCrossentropy', metrics: ['acc'] });
  return model;
}

export async function main({ fit }, options = {}) {
  const { x, y } = sentences(160, 21);
  const labels = tf.tensor2d(y.map(([friendly]) => [friendly ? 1 : 0]));
  const history = await fit(createModel(), tf.tensor2d(x), labels, { epochs: 3, validationSplit: 0.2, ...options });
  return [history];
}

await startedByHand(import.meta.url, main);
