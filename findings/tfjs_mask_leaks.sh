#!/usr/bin/env bash
# TensorFlow.js hands the mask of one layer to layers of other branches, which have none.
#
# tfjs-layers 4.22.0 (engine/executor.ts, execute) writes a masked layer's mask into the keyword arguments that it goes on to use for every layer after
# it, and never takes it out: layers that are called later and have no mask get that one. A recurrent layer beside a masked one leaves out the other's
# steps; a Softmax layer fails or adds -1e9 to its inputs. The same branch in a model of its own is right.
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
const ones = { units: 1, kernelInitializer: 'ones', recurrentInitializer: 'ones', recurrentActivation: 'sigmoid' };
const entry = layers.input({ shape: [3, 1] });
const masked = layers.layers.simpleRNN({ ...ones, name: 'masked' }).apply(layers.layers.masking({ maskValue: 0 }).apply(entry));
// Nothing masks what this one sees: it is called later because more layers are before it.
let x = entry;
for (let i = 0; i < 4; i++) x = layers.layers.activation({ activation: 'linear' }).apply(x);
const free = layers.layers.simpleRNN({ ...ones, name: 'free' }).apply(x);
const steps = tf.tensor([1, 0, 0], [1, 3, 1]);
const both = layers.model({ inputs: entry, outputs: [masked, free] }).predict(steps)[1].dataSync()[0];
const alone = layers.model({ inputs: entry, outputs: free }).predict(steps).dataSync()[0];
// h = tanh(x + h) for three steps, and for the first alone.
const three = Math.tanh(Math.tanh(Math.tanh(1)));
console.log(`tfjs-layers ${layers.version_layers}, a recurrent layer without a mask, of steps 1, 0, 0:`);
console.log(`  alone ${alone.toFixed(4)} (three steps: ${three.toFixed(4)})`);
console.log(`  beside a branch with a mask of one step ${both.toFixed(4)} (the first step alone: ${Math.tanh(1).toFixed(4)})`);
if (Math.abs(alone - three) > 1e-6 || Math.abs(both - Math.tanh(1)) > 1e-6) {
  console.log('CHANGED: the mask stays with its own branch');
  process.exit(1);
}
JS
node run.mjs
