#!/usr/bin/env bash
# TensorFlow.js's adadelta takes the steps of plain sgd: w - learningRate · g, for ever.
#
# Zeiler's method divides the gradient by the root of a running mean of its squares that holds the present gradient, and multiplies it by the root of a
# running mean of the steps before. tfjs-core 4.22.0 takes both means as they were before this step. Both begin at zero, so the first factor is 1 and
# the first step is the gradient; then both means are fed the same squares, stay equal, and every later factor is 1 as well. The method's own first
# step from 1 on the problem below is 0.0005, and tfjs's is 0.2.
#
# Installs @tensorflow/tfjs 4.22.0 in a temporary folder. Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts @tensorflow/tfjs@4.22.0
cat > run.mjs <<'JS'
import tf from '@tensorflow/tfjs';
await tf.setBackend('cpu');
const [rate, rho, epsilon, steps] = [0.5, 0.9, 1e-7, 20];
const walk = (optimizer) => {
  const w = tf.variable(tf.tensor1d([1, 2, -3]));
  const path = [];
  for (let step = 0; step < steps; step++) {
    optimizer.minimize(() => tf.mul(tf.sum(tf.square(w)), 0.2));
    path.push(...w.dataSync());
  }
  return path;
};
const adadelta = walk(tf.train.adadelta(rate, rho, epsilon));
const sgd = walk(tf.train.sgd(rate));
const off = Math.max(...adadelta.map((value, at) => Math.abs(value - sgd[at])));
// The method's own first step, gradient 0.4 · w.
const own = [1, 2, -3].map((w) => w - rate * ((Math.sqrt(epsilon) / Math.sqrt((1 - rho) * (0.4 * w) ** 2 + epsilon)) * 0.4 * w));
const words = (values) => values.slice(0, 3).map((value) => value.toFixed(5)).join(' ');
console.log(`tfjs-core ${tf.version['tfjs-core']}, first step from 1 2 -3: adadelta ${words(adadelta)}, sgd ${words(sgd)}, the method ${words(own)}`);
console.log(`largest difference of adadelta and sgd in ${steps} steps: ${off.toExponential(1)}`);
// A division and a product of roots that are equal: two roundings of float32 a step.
if (off > steps * 2 * 3 * 2 ** -24) {
  console.log('CHANGED: adadelta no longer takes the steps of sgd');
  process.exit(1);
}
JS
node run.mjs
