#!/usr/bin/env bash
# TensorFlow.js's AlphaDropout moves the mean that it is made to keep: it sets dropped units to +1.758 where Keras and the paper set them to -1.758.
#
# The layer's documentation says that it "keeps mean and variance of inputs to their original values" (Klambauer et al., Self-Normalizing Neural
# Networks): dropped units become alpha' = -1.758, then a·x + b restores mean 0 and variance 1. tfjs-layers 4.22.0 computes
# x · kept + (kept - 1) · alpha', so that a dropped unit becomes -alpha'; a and b are those of the right formula. Of standard normal inputs at rate
# 0.5 the mean is then 1.56 instead of 0 (the variance is still 1), and an input of zeros comes out as 0.78 and 2.34.
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
const rate = 0.5;
const dropout = layers.layers.alphaDropout({ rate });
const y = dropout.apply(tf.randomNormal([200, 1000], 0, 1, 'float32', 1), { training: true });
const { mean, variance } = tf.moments(y);
const [got, spread] = [mean.dataSync()[0], variance.dataSync()[0]];
const alpha = -1.7580993408473766;
const a = ((1 - rate) * (1 + rate * alpha ** 2)) ** -0.5;
// b = -a · alpha' · rate cancels the dropped units' mean a · rate · alpha'; with +1.758 the two add up instead.
const doubled = -2 * a * alpha * rate;
console.log(`tfjs-layers ${layers.version_layers}, AlphaDropout(${rate}) of 200,000 standard normal numbers:`);
console.log(`  mean ${got.toFixed(3)} (wanted 0; 2 · a · 1.758 · rate = ${doubled.toFixed(3)}), variance ${spread.toFixed(3)} (wanted 1)`);
const zeros = [...new Set(dropout.apply(tf.zeros([1, 1000]), { training: true }).dataSync())].map((value) => value.toFixed(3)).sort();
console.log(`  of zeros: ${zeros.join(' and ')} (wanted ${(-a * alpha * rate).toFixed(3)} kept and ${(a * alpha - a * alpha * rate).toFixed(3)} dropped)`);
// The standard error of the mean is 0.002.
if (Math.abs(got - doubled) > 0.02) {
  console.log('CHANGED: the mean is no longer moved by twice the dropped units');
  process.exit(1);
}
JS
node run.mjs
