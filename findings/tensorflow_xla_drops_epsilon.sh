#!/usr/bin/env bash
# Under tf.function(jit_compile=True) XLA adds up constants across the numbers between them, so that an epsilon which guards a logarithm or a quotient vanishes.
#
# (1 - p) + 1e-8 becomes (1 + 1e-8) - p, and 1 + 1e-8 is 1 in float32: log((1 - p) + 1e-8), half of a binary cross-entropy as it is often written, is -18.4 for
# p = 1 without XLA and -inf with it, and so is its gradient. The same function without jit_compile, eager and as a graph with TensorFlow's own rewriting of
# constants left off, gives what is written. (With that rewriting on, the graph alone gives -inf too.)
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > epsilon.py <<'PY'
import sys
import tensorflow as tf

tf.config.optimizer.set_experimental_options({'constant_folding': False, 'arithmetic_optimization': False})


def guarded(p):
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = tf.math.log((1 - p) + 1e-8)
    return value, tape.gradient(value, p)


certain = tf.constant([1.0])
ways = [
    ('eager', guarded),
    ('graph', tf.function(guarded)),
    ('XLA', tf.function(guarded, jit_compile=True)),
]
seen = {name: [float(part[0]) for part in way(certain)] for name, way in ways}
print(f'TensorFlow {tf.__version__}, log((1 - p) + 1e-8) and its gradient at p = 1:')
for name, (value, gradient) in seen.items():
    print(f'  {name:6} {value:10.4f} {gradient:14.4g}')
written = -18.4207
as_written = all(abs(seen[name][0] - written) < 1e-3 for name in ('eager', 'graph'))
if not as_written or seen['XLA'][0] != float('-inf'):
    print('CHANGED: wanted -18.4207 eager and in a graph, -inf by XLA')
    sys.exit(1)
PY
PYTHONPATH=$dir/site TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 epsilon.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
