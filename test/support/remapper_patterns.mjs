/**
 * Runs compiled functions in which an activation's input has another user, or comes from a batch norm, on the built code; what TensorFlow says of them is on
 * standard error.
 * Usage: node remapper_patterns.mjs fp32|bf16
 */
import * as tf from '@tensorflow/tfjs';
import { installEngine } from '../../build/engine/index.js';

const engine = installEngine({ intraOpThreads: 1, precision: process.argv[2] });
const kernel = tf.variable(tf.randomNormal([3, 3, 8, 8]));
const bias = tf.variable(tf.zeros([8]));
const x = tf.randomNormal([4, 6, 6, 8]);
const convolved = (input) => tf.add(tf.conv2d(input, kernel, 1, 'same'), bias);
const activations = [tf.relu, tf.relu6, tf.elu, (y) => tf.leakyRelu(y, 0.2), tf.tanh, tf.sigmoid];
const users = [
  (activation, y) => activation(y),
  (activation, y) => tf.add(activation(y), tf.square(y)),
  (activation, y) => {
    const residual = tf.add(y, x);
    return tf.add(activation(residual), tf.square(residual));
  },
];
const close = (got, wanted, what) => {
  const off = tf.max(tf.abs(tf.sub(got, wanted))).dataSync()[0];
  const limit = process.argv[2] === 'bf16' ? 2 ** -3 : 1e-4;
  if (!(off <= limit * tf.max(tf.abs(wanted)).dataSync()[0])) throw new Error(`${what}: ${off} off`);
};
for (const activation of activations) {
  for (const user of users) {
    const forward = engine.compile((input) => user(activation, convolved(input)));
    const gradient = engine.compile((input) => {
      const { value, grads } = tf.variableGrads(() => tf.sum(user(activation, convolved(input))), [kernel, bias]);
      return [value, grads[kernel.name], grads[bias.name]];
    });
    const wanted = user(activation, convolved(x));
    const got = forward(x);
    close(got, wanted, activation.name);
    tf.dispose([wanted, got, ...gradient(x)]);
    forward.dispose();
    gradient.dispose();
  }
}

// In an evaluation and in training, after convolutions with and without a bias and after none.
const normalized = tf.layers.batchNormalization();
const plain = (input) => tf.conv2d(input, kernel, 1, 'same');
for (const activation of [...activations, tf.selu, tf.softplus]) {
  for (const before of [convolved, plain, (input) => tf.mul(input, 2)]) {
    for (const training of [false, true]) {
      const body = (input) => activation(normalized.apply(before(input), { training }));
      const forward = engine.compile(body);
      const wanted = tf.tidy(() => body(x));
      const got = forward(x);
      close(got, wanted, `batch norm and ${activation.name}`);
      tf.dispose([wanted, got]);
      forward.dispose();
    }
  }
}
