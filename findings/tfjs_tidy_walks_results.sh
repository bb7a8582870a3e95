#!/usr/bin/env bash
# tf.tidy(() => tensor.dataSync()) reads every element of the typed array that it returns, one by one, in search of tensors: for a million numbers some hundred
# milliseconds that look like computing. tf.dispose of a typed array does the same.
#
# Installs @tensorflow/tfjs-core and its CPU backend 4.22.0 in a temporary folder. Counts reads, not time. Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y > npm.log 2>&1
npm install --no-audit --no-fund --ignore-scripts @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 > npm.log 2>&1 || { cat npm.log; exit 2; }
cat > tidy.cjs <<'JS'
const tf = require('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-cpu');
const LENGTH = 1000;

/** The same array, which counts how often one of its elements is read. */
function counting(values) {
  let reads = 0;
  const watched = new Proxy(values, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads += 1;
      const value = target[key];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { watched, reads: () => reads };
}

const values = tf.zeros([LENGTH]).dataSync();
const ways = {
  'tf.tidy that returns it': (array) => tf.tidy(() => array),
  'tf.dispose of it': (array) => tf.dispose(array),
  'tf.tidy that leaves it in a variable': (array) => tf.tidy(() => void array),
};
const seen = Object.entries(ways).map(([name, way]) => {
  const { watched, reads } = counting(values);
  way(watched);
  return { name, reads: reads() };
});
console.log(`tfjs-core ${tf.version_core}, an array of ${LENGTH} numbers:`);
for (const { name, reads } of seen) console.log(`  ${name}: ${reads} reads`);
const [tidied, disposed, left] = seen.map(({ reads }) => reads);
if (tidied < LENGTH || disposed < LENGTH || left !== 0) {
  console.log('CHANGED: wanted each element read by the first two, none by the third');
  process.exit(1);
}
JS
node tidy.cjs
