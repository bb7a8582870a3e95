/**
 * Your own images: a small residual network with batch norm tells four drawn shapes apart, on two replicas through the library call.
 * Usage: node examples/small_resnet.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { train } from 'tfjs-parallel';

const SIZE = 16;

/** Bars, slants and rings in places given by the example's number; bytes 0 to 255. */
function drawn(count, first) {
  const x = new Uint8Array(count * SIZE * SIZE);
  const y = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const n = first + i;
    const kind = n % 4;
    const offset = (n * 5) % 11;
    y[i] = kind;
    for (let row = 0; row < SIZE; row++) {
      for (let column = 0; column < SIZE; column++) {
        const distance = Math.hypot(row - 5 - (offset % 5), column - 5 - (offset % 4));
        const on = [row === 2 + offset, column === 2 + offset, (row + column) % SIZE === offset, Math.abs(distance - 4) < 0.7][
          kind
        ];
        x[(i * SIZE + row) * SIZE + column] = (on ? 200 : 20) + ((n * 37 + row * 11 + column * 7) % 50);
      }
    }
  }
  return { x, y };
}

const data = {
  name: 'shapes',
  train: drawn(800, 0),
  validation: drawn(200, 4001),
  inputShape: [SIZE, SIZE, 1],
  classes: 4,
  scale: 1 / 255,
};

function createModel() {
  let seed = 0;
  const conv = (filters, strides, kernelSize = 3) =>
    tf.layers.conv2d({
      filters,
      strides,
      kernelSize,
      padding: 'same',
      useBias: false,
      kernelInitializer: tf.initializers.heNormal({ seed: ++seed }),
    });
  // The validation set is normalized with moving statistics: at 20 steps an epoch, tfjs's momentum of 0.99 follows too slowly.
  const norm = () => tf.layers.batchNormalization({ momentum: 0.9 });
  const block = (input, filters, strides) => {
    let x = conv(filters, strides).apply(input);
    x = tf.layers.reLU().apply(norm().apply(x));
    x = norm().apply(conv(filters, 1).apply(x));
    const shortcut = strides === 1 ? input : conv(filters, strides, 1).apply(input);
    return tf.layers.reLU().apply(tf.layers.add().apply([x, shortcut]));
  };
  const input = tf.input({ shape: data.inputShape });
  let x = tf.layers.reLU().apply(norm().apply(conv(8, 1).apply(input)));
  x = block(block(x, 8, 1), 16, 2);
  x = tf.layers.globalAveragePooling2d({}).apply(x);
  const logits = tf.layers.dense({ units: 4, kernelInitializer: tf.initializers.glorotUniform({ seed: ++seed }) }).apply(x);
  return tf.model({ inputs: input, outputs: logits, name: 'small_resnet' });
}

const options = { data, batch: 40, shards: 2, threadsPerWorker: 1, epochs: 3, learningRate: 0.05, optimizer: { momentum: 0.9 } };
const callbacks = {
  onEpochEnd: (epoch, logs) =>
    console.log(`epoch ${epoch + 1}: accuracy ${logs.acc.toFixed(3)}, validation ${logs.val_acc.toFixed(3)}`),
};
const two = await train({ ...options, model: createModel(), workers: 2, callbacks });
const one = await train({ ...options, model: createModel(), workers: 1 });

console.log(`two replicas ${two.weightsSha256}`);
console.log(`one replica  ${one.weightsSha256}`);
if (two.weightsSha256 !== one.weightsSha256) process.exitCode = 1;
