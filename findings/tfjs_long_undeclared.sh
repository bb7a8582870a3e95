#!/usr/bin/env bash
# @tensorflow/tfjs 4.22.0 requires `long` in its Node bundle (dist/tf.node.js) and does not list it among its dependencies: tfjs-core does. Where a
# package sees only what it lists (pnpm with hoist=false), the first line of any program that uses tfjs fails; with npm it works by luck of place.
# Remedy: `packageExtensions: { '@tensorflow/tfjs': { dependencies: { long: '4.0.0' } } }` in pnpm-workspace.yaml.
# Fails when this is no longer so. Needs Node 20 or newer and npm.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
printf '{ "name": "strict", "version": "1.0.0", "private": true }' > package.json
printf 'hoist=false\n' > .npmrc
mkdir tools
npm install --prefix tools --no-audit --no-fund --ignore-scripts pnpm@10.1.0 > log 2>&1 || { cat log; exit 2; }
tools/node_modules/.bin/pnpm add --store-dir "$work/store" @tensorflow/tfjs@4.22.0 > log 2>&1 || { cat log; exit 2; }
listed=$(node -p "Object.keys(require('./node_modules/@tensorflow/tfjs/package.json').dependencies).includes('long')")
said=$(node -e "require('@tensorflow/tfjs')" 2>&1 | grep -m 1 'Cannot find module' || true)
echo "pnpm 10.1.0, hoist=false, @tensorflow/tfjs 4.22.0: long listed: $listed; ${said:-loads}"
if [ "$listed" != false ] || [[ $said != *"Cannot find module 'long'"* ]]; then
  echo 'CHANGED: wanted false, and that long cannot be found'
  exit 1
fi
