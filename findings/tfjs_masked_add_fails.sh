#!/usr/bin/env bash
# In TensorFlow.js a layer that adds, multiplies or averages masked branches passes on a mask of a shape that no layer after it can read.
#
# tfjs-layers 4.22.0 (layers/merge.ts, Merge.computeMask) puts an axis before each mask, joins all but the last, and never takes the axis out: masks of
# [batch, time] become one of [1, batch, time]. A recurrent layer after it fails with an error about a matrix product, which names neither the mask nor the
# layer, where the same layer reads the masked branch itself rightly.
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
const { masking, add, simpleRNN } = layers.layers;
const ones = { units: 1, kernelInitializer: 'ones', recurrentInitializer: 'ones' };
const entry = layers.input({ shape: [3, 1] });
const masked = masking({ maskValue: 0 }).apply(entry);
const read = (x) => layers.model({ inputs: entry, outputs: simpleRNN(ones).apply(x) }).predict(steps).dataSync()[0];
const steps = tf.tensor([1, 0, 0], [1, 3, 1]);
const direct = read(masked);
let said = 'nothing';
try {
  read(add().apply([masked, masked]));
} catch (error) {
  said = error.message;
}
const mask = tf.tensor2d([[1, 0, 0]], [1, 3], 'bool');
const shape = add().computeMask([steps, steps], [mask, mask]).shape;
console.log(`tfjs-layers ${layers.version_layers}, a recurrent layer that reads steps 1, 0, 0 of which 0 is masked:`);
console.log(`  from the masked layer ${direct.toFixed(4)} (the first step alone: ${Math.tanh(1).toFixed(4)})`);
console.log(`  from the sum of two such: ${said}`);
console.log(`  masks of [1, 3] joined by Add: [${shape.join(', ')}]`);
const same = Math.abs(direct - Math.tanh(1)) < 1e-6 && /inner shapes \(3\) and \(1\)/.test(said) && shape.join() === '1,1,3';
if (!same) {
  console.log('CHANGED: Add passes its mask on in another way');
  process.exit(1);
}
JS
node run.mjs
