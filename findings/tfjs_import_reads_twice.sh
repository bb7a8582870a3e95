#!/usr/bin/env bash
# On Node 20 and 22 `import * as tf from '@tensorflow/tfjs'` takes three to four times the processor time of `require('@tensorflow/tfjs')`.
#
# tfjs is a CommonJS package (dist/tf.node.js) that re-exports six others. To know the names of a CommonJS module's exports before it runs, Node's ES
# module loader reads its text, and that of all it re-exports: 6 MB, in every thread that imports it. What is imported is the same instance that
# require gives. Seen: Node 20.20.2 import 958 to 1086 ms, require 254 to 323 ms; Node 22.23.3 734 and 252 to 261 ms; Node 24.21.0 268 to 300 and 241
# to 245 ms; Node 26.10.0 272 to 306 and 231 to 272 ms. Remedy in a worker thread: `createRequire(import.meta.url)('@tensorflow/tfjs')`.
#
# Installs @tensorflow/tfjs 4.22.0 and node 22.23.3 and 24.21.0 in a temporary folder. Exits 0 while the behavior is as described: by a factor of 2 or
# more in Node 22, by less in Node 24, in the smallest processor time of five processes each.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts @tensorflow/tfjs@4.22.0 node22@npm:node@22.23.3 node24@npm:node@24.21.0
# The package's install script only picks the program of this machine from a package of its own.
for version in 22 24; do (cd "node_modules/node$version" && node installArchSpecificPackage.js > /dev/null 2>&1) || true; done
cat > load.mjs <<'JS'
import { createRequire } from 'node:module';
const before = process.cpuUsage();
if (process.argv[2] === 'import') await import('@tensorflow/tfjs');
else createRequire(import.meta.url)('@tensorflow/tfjs');
const { user, system } = process.cpuUsage(before);
console.log(Math.round((user + system) / 1000));
JS
least() { for _ in 1 2 3 4 5; do "$1" load.mjs "$2" 2> /dev/null; done | sort -n | head -1; }
declare -A percent
for version in 22 24; do
  program="node_modules/node$version/bin/node"
  [ "$("$program" -p 'process.versions.node.split(".")[0]')" = "$version" ]
  imported=$(least "$program" import)
  required=$(least "$program" require)
  percent[$version]=$((100 * imported / required))
  echo "Node $("$program" --version), tfjs 4.22.0: import $imported ms, require $required ms of processor time, ${percent[$version]} %"
done
if [ "${percent[22]}" -lt 200 ] || [ "${percent[24]}" -ge 200 ]; then
  echo 'CHANGED: Node 22 no longer takes twice as long to import tfjs, or Node 24 does'
  exit 1
fi
