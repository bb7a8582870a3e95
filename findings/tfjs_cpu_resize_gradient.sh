#!/usr/bin/env bash
# TensorFlow.js derives nearest-neighbour resizing wrongly on its cpu backend for all examples but the first, and bilinear resizing not at all where
# pictures are not square.
#
# tfjs-backend-cpu 4.22.0, kernels/ResizeNearestNeighborGrad: the offset of an example in the gradient that comes in is taken by the strides of the
# smaller pictures that go out, so that every example after the first reads the values of others. kernels/ResizeBilinearGrad answers a tensor of
# [batch, width, height, depth]. Both resizings are linear, so the difference of two values is their derivative but for rounding.
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
/** Of two pictures of h × w, made twice as large: [0, 1, 2, …] · values, and its gradient in each pixel of both. */
function compared(interpolation, h, w) {
  const up = layers.layers.upSampling2d({ size: [2, 2], interpolation });
  const weights = tf.reshape(tf.range(0, 8 * h * w), [2, 2 * h, 2 * w, 1]);
  const loss = (x) => tf.sum(tf.mul(up.apply(x), weights));
  const x = tf.zeros([2, h, w, 1]);
  const differences = Array.from({ length: x.size }, (_, at) =>
    loss(tf.reshape(tf.cast(tf.oneHot(at, x.size), 'float32'), x.shape)).dataSync()[0]);
  try {
    return { differences, gradient: [...tf.grad(loss)(x).dataSync()] };
  } catch (error) {
    return { differences, gradient: error.message };
  }
}
const same = (a, b) => a.every((value, at) => Math.abs(value - b[at]) < 1e-3);
const nearest = compared('nearest', 1, 2);
console.log(`tfjs-backend-cpu ${tf.version_core}, nearest, two examples of 1 × 2 pixels:`);
console.log(`  differences ${nearest.differences.join(', ')}`);
console.log(`  gradient    ${nearest.gradient.join(', ')}`);
const bilinear = compared('bilinear', 1, 2);
console.log(`bilinear, the same: ${bilinear.gradient}`);
const square = compared('bilinear', 2, 2);
const isAsSaid =
  same(nearest.gradient.slice(0, 2), nearest.differences) && !same(nearest.gradient.slice(2), nearest.differences.slice(2)) &&
  /has shape '2,2,1,1', which does not match the shape of the input '2,1,2,1'/.test(bilinear.gradient) &&
  same(square.gradient, square.differences);
if (!isAsSaid) {
  console.log('CHANGED: gradients of resized pictures are other ones');
  process.exit(1);
}
JS
node run.mjs
