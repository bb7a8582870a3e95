/**
 * A recurrent network learns to add: `12+7` as letters in, `19` as letters out; one epoch a call, as a program does that shows guesses in between.
 * Usage: node examples/migrate/addition_rnn.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { numbers, startedByHand } from './drawn.mjs';

const LETTERS = '0123456789+ ';
const [QUESTION, ANSWER] = [5, 3];

const oneHot = (text) => [...text].map((letter) => Array.from(LETTERS, (other) => (other === letter ? 1 : 0)));

function sums(count, seed) {
  const next = numbers(seed);
  const number = () => Math.floor(next() ** 2 * 100);
  const pairs = Array.from({ length: count }, () => [number(), number()]);
  return {
    x: tf.tensor3d(pairs.map(([a, b]) => oneHot(`${a}+${b}`.padEnd(QUESTION)))),
    y: tf.tensor3d(pairs.map(([a, b]) => oneHot(`${a + b}`.padEnd(ANSWER)))),
  };
}

function createModel() {
  const seeded = (seed) => ({
    kernelInitializer: tf.initializers.glorotUniform({ seed }),
    recurrentInitializer: tf.initializers.glorotUniform({ seed: seed + 10 }),
  });
  const model = tf.sequential();
  model.add(tf.layers.lstm({ units: 16, inputShape: [QUESTION, LETTERS.length], ...seeded(1) }));
  model.add(tf.layers.repeatVector({ n: ANSWER }));
  model.add(tf.layers.lstm({ units: 16, returnSequences: true, ...seeded(2) }));
  const each = tf.layers.dense({ units: LETTERS.length, activation: 'softmax', kernelInitializer: seeded(3).kernelInitializer });
  model.add(tf.layers.timeDistributed({ layer: each }));
  model.compile({ loss: 'categoricalCrossentropy', optimizer: 'adam', metrics: ['accuracy'] });
  return model;
}

export async function main({ fit }, options = {}) {
  const model = createModel();
  const { x, y } = sums(200, 3);
  const test = sums(40, 4);
  const histories = [];
  for (let i = 0; i < 3; i++) {
    histories.push(await fit(model, x, y, { epochs: 1, batchSize: 32, validationData: [test.x, test.y], ...options }));
    tf.tidy(() => model.predict(test.x.slice(0, 2)).argMax(-1).dataSync());
  }
  return histories;
}

await startedByHand(import.meta.url, main);
