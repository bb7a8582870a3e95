/**
 * Your own arrays, a regression: an MLP learns y = sin(3a) + b² on two replicas through the library call.
 * Usage: node examples/regression_mlp.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { train } from 'tfjs-parallel';

/** Points on a grid with a fixed stride, so that every run sees the same data. */
function samples(count, stride) {
  const x = new Float32Array(count * 2);
  const y = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const a = (((i * stride) % 997) / 997) * 2 - 1;
    const b = (((i * stride * 31) % 991) / 991) * 2 - 1;
    x.set([a, b], i * 2);
    y[i] = Math.sin(3 * a) + b * b;
  }
  return { x, y };
}

const data = { name: 'sine', train: samples(2000, 7), validation: samples(400, 11), inputShape: [2], labelShape: [1] };

function createModel() {
  const dense = (units, activation, options = {}) =>
    tf.layers.dense({ units, activation, kernelInitializer: tf.initializers.glorotUniform({ seed: units }), ...options });
  return tf.sequential({
    name: 'regression_mlp',
    layers: [dense(32, 'tanh', { inputShape: [2] }), dense(32, 'tanh'), dense(1, 'linear')],
  });
}

const options = {
  data,
  loss: 'mean_squared_error',
  batch: 50,
  shards: 2,
  threadsPerWorker: 1,
  epochs: 15,
  learningRate: 0.1,
  optimizer: { momentum: 0.9 },
};
const two = await train({ ...options, model: createModel(), workers: 2 });
const one = await train({ ...options, model: createModel(), workers: 1 });

console.log(`validation loss ${two.history.at(-1).val_loss.toFixed(5)}`);
console.log(`two replicas ${two.weightsSha256}`);
console.log(`one replica  ${one.weightsSha256}`);
console.log(
  `prediction at (0.5, 0.5): ${two.model
    .predict(tf.tensor2d([[0.5, 0.5]]))
    .dataSync()[0]
    .toFixed(3)}, true ${(Math.sin(1.5) + 0.25).toFixed(3)}`,
);
if (two.weightsSha256 !== one.weightsSha256) process.exitCode = 1;
