/**
 * Digits by a convolutional network: drawn segments of a seven-segment display stand for the ten digits.
 * Usage: node examples/migrate/mnist.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { numbers, startedByHand } from './drawn.mjs';

const SIZE = 14;
/** Lit segments of each digit: top, upper left, upper right, middle, lower left, lower right, bottom. */
const LIT = ['1110111', '0010010', '1011101', '1011011', '0111010', '1101011', '1101111', '1010010', '1111111', '1111011'];
/** Of each segment: first row and column, rows and columns. */
const SEGMENTS = [
  [2, 4, 1, 6],
  [3, 3, 4, 1],
  [3, 10, 4, 1],
  [7, 4, 1, 6],
  [8, 3, 4, 1],
  [8, 10, 4, 1],
  [12, 4, 1, 6],
];

/** Pictures `[count, 14, 14, 1]` with some noise, and their digits as rows of ten. */
export function digits(count, seed, first = 0, kinds = 10) {
  const next = numbers(seed);
  const pixels = new Float32Array(count * SIZE * SIZE);
  const labels = Int32Array.from({ length: count }, (_, i) => first + (i % kinds));
  labels.forEach((digit, at) => {
    const picture = pixels.subarray(at * SIZE * SIZE, (at + 1) * SIZE * SIZE);
    for (let i = 0; i < picture.length; i++) picture[i] = 0.3 * next();
    const [down, right] = [Math.floor(next() * 3) - 1, Math.floor(next() * 3) - 1];
    SEGMENTS.forEach(([row, column, rows, columns], segment) => {
      if (LIT[digit][segment] === '0') return;
      for (let r = row; r < row + rows; r++)
        for (let c = column; c < column + columns; c++) picture[(r + down) * SIZE + c + right] = 0.6 + 0.4 * next();
    });
  });
  return { xs: tf.tensor4d(pixels, [count, SIZE, SIZE, 1]), labels };
}

function createModel() {
  const seeded = (seed) => ({ kernelInitializer: tf.initializers.glorotUniform({ seed }) });
  const model = tf.sequential();
  model.add(tf.layers.conv2d({ inputShape: [SIZE, SIZE, 1], kernelSize: 3, filters: 8, activation: 'relu', ...seeded(1) }));
  model.add(tf.layers.maxPooling2d({ poolSize: 2, strides: 2 }));
  model.add(tf.layers.conv2d({ kernelSize: 3, filters: 16, activation: 'relu', ...seeded(2) }));
  model.add(tf.layers.flatten());
  model.add(tf.layers.dense({ units: 32, activation: 'relu', ...seeded(3) }));
  model.add(tf.layers.dense({ units: 10, activation: 'softmax', ...seeded(4) }));
  model.compile({ optimizer: 'rmsprop', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

export async function main({ fit }, options = {}) {
  const model = createModel();
  const { xs, labels } = digits(240, 5);
  const ys = tf.oneHot(tf.tensor1d(labels, 'int32'), 10);
  const seen = [];
  const history = await fit(model, xs, ys, {
    batchSize: 32,
    validationSplit: 0.15,
    epochs: 2,
    callbacks: {
      onBatchEnd: (batch, logs) => void seen.push(logs.acc),
      // The model is that of the moment: it may be asked.
      onEpochEnd: () => tf.tidy(() => void model.predict(xs.slice(0, 1)).dataSync()),
    },
    ...options,
  });
  if (seen.length !== 14) throw new Error(`${seen.length} batches`);
  return [history];
}

await startedByHand(import.meta.url, main);
