#!/usr/bin/env bash
# In TensorFlow.js a dataset that is asked to keep its order, `shuffle(n, seed, false)`, comes in another one at each pass, as with `true`.
#
# tfjs-data 4.22.0 (dataset.ts, Dataset.shuffle): one generator serves all passes, each draws its seed from it, and `reshuffleEachIteration` says only
# whether a second number is added to that. So no two passes of one program have the same order, against the function's own documentation: a part of the
# dataset that is held back by `take` and `skip` has other rows in each epoch.
#
# Installs @tensorflow/tfjs-core, -data, -layers, -backend-cpu and -converter 4.22.0 in a temporary folder. Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-data@4.22.0 @tensorflow/tfjs-layers@4.22.0 \
  @tensorflow/tfjs-converter@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 seedrandom@3.0.5
cat > run.mjs <<'JS'
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
require('@tensorflow/tfjs-backend-cpu');
const { array, version_data: version } = require('@tensorflow/tfjs-data');
const shuffled = (each) => array([0, 1, 2, 3, 4, 5, 6, 7]).shuffle(8, 'a seed', each);
const passes = async (dataset) => [(await dataset.toArray()).join(' '), (await dataset.toArray()).join(' ')];
console.log(`tfjs-data ${version}, two passes over array([0, …, 7]).shuffle(8, 'a seed', reshuffleEachIteration):`);
const [kept, again, fresh] = [await passes(shuffled(false)), await passes(shuffled(false)), await passes(shuffled(true))];
console.log(`  false: ${kept.join(' | ')}`);
console.log(`  false, made anew: ${again.join(' | ')}`);
console.log(`  true:  ${fresh.join(' | ')}`);
if (kept[0] === kept[1] || kept.join() !== again.join()) {
  console.log('CHANGED: reshuffleEachIteration = false keeps the order of the first pass');
  process.exit(1);
}
JS
node run.mjs
