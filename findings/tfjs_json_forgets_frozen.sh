#!/usr/bin/env bash
# TensorFlow.js's own JSON of a model thaws what was frozen: a saved and loaded Bidirectional, RNN cell or nested model trains its frozen weights.
#
# `layer.trainable = false` is written into the JSON of a plain layer, and read again. Of a Bidirectional it is written and, by the constructor, read
# past (it sets itself to trainable); of one of its directions, of the cell of an LSTM and of a model in a model it is not written at all. After
# model.toJSON() and tf.models.modelFromJSON(), as after model.save() and tf.loadLayersModel(), those weights are among model.trainableWeights: a
# transfer learning that was saved between two fits goes on by training its frozen base, without a word.
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
import { layers, models, sequential, version_layers } from '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
await tf.setBackend('cpu');
const rnn = () => layers.simpleRNN({ units: 2, returnSequences: true, recurrentInitializer: 'zeros' });
const both = () => layers.bidirectional({ layer: rnn(), inputShape: [3, 2], mergeMode: 'concat' });
const kinds = {
  'plain dense layer': [() => layers.dense({ units: 2, inputShape: [3, 2] }), (layer) => (layer.trainable = false), true],
  Bidirectional: [both, (layer) => (layer.trainable = false), false],
  'one direction of a Bidirectional': [both, (layer) => (layer.forwardLayer.trainable = false), false],
  'cell of an LSTM': [() => layers.lstm({ units: 2, returnSequences: true, inputShape: [3, 2], recurrentInitializer: 'zeros' }), (layer) => (layer.cell.trainable = false), false],
  'model in a model': [() => sequential({ layers: [layers.dense({ units: 2, inputShape: [3, 2] })] }), (layer) => (layer.trainable = false), false],
};
console.log(`tfjs-layers ${version_layers}: frozen weights before, and after toJSON and modelFromJSON`);
let changed = false;
for (const [kind, [make, freeze, kept]] of Object.entries(kinds)) {
  const layer = make();
  const model = sequential({ layers: [layer, layers.flatten(), layers.dense({ units: 1 })] });
  freeze(layer);
  const again = await models.modelFromJSON(model.toJSON(null, false));
  const [before, after] = [model, again].map((each) => each.nonTrainableWeights.length);
  console.log(`  ${kind.padEnd(33)} ${before} frozen, then ${after}${after < before ? `: ${before - after} weights will be trained` : ''}`);
  changed ||= before === 0 || (after === before) !== kept;
}
if (changed) {
  console.log('CHANGED: what is frozen survives the JSON otherwise than described');
  process.exit(1);
}
JS
node run.mjs
