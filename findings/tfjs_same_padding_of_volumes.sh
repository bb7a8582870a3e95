#!/usr/bin/env bash
# TensorFlow.js's conv3d and maxPool3d, padded as 'same', take other places than its own conv2d and than TensorFlow where strides are longer than windows.
#
# A window of 1 at a stride of 2 over 4 places wants -1 places of padding. conv2d and TensorFlow take that for none and read places 0 and 2; conv3d and the
# pools over volumes of plain tfjs 4.22.0 shift by it and read 1 and 3. A residual network over volumes (shortcuts of 1 x 1 x 1 at a stride of 2) therefore
# answers otherwise in a browser than in Keras, where it was trained, and than by tfjs-node, which calls TensorFlow.
#
# Installs @tensorflow/tfjs-core and -backend-cpu 4.22.0 in a temporary folder. Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0
cat > run.mjs <<'JS'
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
await tf.setBackend('cpu');
// Each place holds its index along the last axis.
const area = tf.tensor([0, 1, 2, 3], [1, 1, 4, 1]);
const volume = tf.tensor([0, 1, 2, 3], [1, 1, 1, 4, 1]);
const read = {
  'conv2d': tf.conv2d(area, tf.ones([1, 1, 1, 1]), [1, 2], 'same'),
  'conv3d': tf.conv3d(volume, tf.ones([1, 1, 1, 1, 1]), [1, 1, 2], 'same'),
  'maxPool': tf.maxPool(area, 1, [1, 2], 'same'),
  'maxPool3d': tf.maxPool3d(volume, 1, [1, 1, 2], 'same'),
};
const seen = { conv2d: '0,2', conv3d: '1,3', maxPool: '0,2', maxPool3d: '1,3' };
console.log(`tfjs-core ${tf.version_core}, windows of 1 at a stride of 2 over places 0 to 3, 'same':`);
let changed = false;
for (const [name, values] of Object.entries(read)) {
  const places = values.dataSync().join();
  console.log(`  ${name.padEnd(10)} reads ${places}`);
  changed ||= places !== seen[name];
}
if (changed) {
  console.log('CHANGED: wanted', JSON.stringify(seen));
  process.exit(1);
}
JS
node run.mjs
