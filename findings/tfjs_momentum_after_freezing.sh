#!/usr/bin/env bash
# TensorFlow.js gives a layer the momentum of another one after layers were frozen.
#
# Fine-tuning in two stages with one optimizer object: train, freeze the first layer, `compile` with the same optimizer (freezing takes effect there), train
# on. tfjs-core 4.22.0 keeps a list of slots beside its list of names and finds a weight's slot by the weight's place among those that are trained now, not by
# its name. With the first layer gone from the list, each weight behind it is moved by what another weight remembers: without a word where shapes are
# equal, as for stacked layers of one width. Below, gradients of the second stage are zero, so a step moves the last kernel by 0.9 of its own velocity times
# the rate; it moves by the frozen layer's. All of tfjs's optimizers with memory keep their lists so.
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
const dense = (name, value, more) =>
  tf.layers.dense({ name, units: 1, useBias: false, kernelInitializer: tf.initializers.constant({ value }), ...more });
const model = tf.sequential({ layers: [dense('first', 2, { inputShape: [1] }), dense('last', 3, {})] });
const optimizer = tf.train.momentum(0.01, 0.9);
model.compile({ optimizer, loss: 'meanSquaredError' });
const x = tf.tensor2d([[1]]);
const kernelOf = (at) => model.layers[at].getWeights()[0].dataSync()[0];
const one = { epochs: 1, batchSize: 1, verbose: 0 };
const before = [kernelOf(0), kernelOf(1)];
await model.fit(x, tf.tensor2d([[5]]), one);
// v = gradient after the first step, w ← w − 0.01 · v.
const velocity = before.map((value, at) => (value - kernelOf(at)) / 0.01);

model.layers[0].trainable = false;
model.compile({ optimizer, loss: 'meanSquaredError' });
const [start, right] = [kernelOf(1), model.predict(x)];
await model.fit(x, right, one);
const moved = (start - kernelOf(1)) / (0.01 * 0.9);
const words = (value) => value.toFixed(3);
console.log(
  `tfjs-core ${tf.version['tfjs-core']}: first/kernel remembers ${words(velocity[0])}, last/kernel ${words(velocity[1])}; ` +
    `with the first layer frozen last/kernel was moved by ${words(moved)}`,
);
const isOfFirst = Math.abs(moved - velocity[0]) < 0.01 && Math.abs(velocity[0] - velocity[1]) > 1;
if (!isOfFirst) {
  console.log('CHANGED: a weight keeps its own velocity');
  process.exit(1);
}
JS
node run.mjs
