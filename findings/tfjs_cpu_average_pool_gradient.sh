#!/usr/bin/env bash
# TensorFlow.js derives average pooling with padding 'same' wrongly on its cpu backend: at the border it divides by the whole window.
#
# tfjs-backend-cpu 4.22.0: the value is the mean over those positions of a window that lie in the picture (kernels/AvgPool counts them), its gradient is
# divided by all positions of the window (kernels/AvgPoolGrad, avgMultiplier). Pooling is linear, so the difference of two values is its derivative.
#
# Installs @tensorflow/tfjs-core, -layers and -backend-cpu 4.22.0 in a temporary folder. Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-layers@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0
cat > run.mjs <<'JS'
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
await tf.setBackend('cpu');
/** Of a picture of 3 × 3, by windows of 2 × 2: the sum of all means, and its gradient in each pixel. */
function compared(padding) {
  const pool = layers.layers.averagePooling2d({ poolSize: 2, strides: 2, padding });
  const loss = (x) => tf.sum(pool.apply(x));
  const differences = Array.from({ length: 9 }, (_, at) => loss(tf.reshape(tf.cast(tf.oneHot(at, 9), 'float32'), [1, 3, 3, 1])).dataSync()[0]);
  return { differences, gradient: [...tf.grad(loss)(tf.zeros([1, 3, 3, 1])).dataSync()] };
}
const [same, valid] = ['same', 'valid'].map(compared);
console.log(`tfjs-backend-cpu ${tf.version_core}, average pooling of 3 × 3 pixels by windows of 2 × 2, padding 'same':`);
console.log(`  differences ${same.differences.join(', ')}`);
console.log(`  gradient    ${same.gradient.join(', ')}`);
// Windows of four, two, two and one pixel.
const means = [0.25, 0.25, 0.5, 0.25, 0.25, 0.5, 0.5, 0.5, 1];
if (String(same.differences) !== String(means) || String(same.gradient) !== String(Array(9).fill(0.25)) ||
    String(valid.gradient) !== String(valid.differences)) {
  console.log("CHANGED: the gradient of padding 'same' is another one");
  process.exit(1);
}
JS
node run.mjs
