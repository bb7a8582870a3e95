/**
 * Runs compiled functions in which an activation's input has another user, on the built code; what TensorFlow says of them is on standard error.
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
for (const activation of activations) {
  for (const user of users) {
    const forward = engine.compile((input) => user(activation, convolved(input)));
    const gradient = engine.compile((input) => {
      const { value, grads } = tf.variableGrads(() => tf.sum(user(activation, convolved(input))), [kernel, bias]);
      return [value, grads[kernel.name], grads[bias.name]];
    });
    const wanted = user(activation, convolved(x));
    const got = forward(x);
    const off = tf.max(tf.abs(tf.sub(got, wanted))).dataSync()[0];
    const limit = process.argv[2] === 'bf16' ? 2 ** -3 : 1e-4;
    if (!(off <= limit * tf.max(tf.abs(wanted)).dataSync()[0])) throw new Error(`${off} off`);
    tf.dispose([wanted, got, ...gradient(x)]);
    forward.dispose();
    gradient.dispose();
  }
}
