#!/usr/bin/env bash
# The gradient of TensorFlow's max_pool3d on the processor goes in full to every value of a window that equals the maximum; that of max_pool2d to one of them.
#
# A window of 2 x 2 x 2 over equal values gives eight times the gradient that came in. Volumes mostly are a constant background (scans, voxels), and behind a
# relu most values are 0, so the gradients of layers below are several times too large there, while the same network on areas is right. Volumes of depth 1 show
# that it is the kernel and not the rule: there max_pool2d of the same numbers gives another sum.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > ties.py <<'PY'
import sys
import tensorflow as tf


def summed_gradient(pool, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(pool(x))
    return float(tf.reduce_sum(tape.gradient(y, x)))


volumes = lambda k: lambda x: tf.nn.max_pool3d(x, k, k, 'VALID')
areas = lambda x: tf.nn.max_pool2d(x, 2, 2, 'VALID')
drawn = lambda *shape: tf.random.stateless_uniform(shape, [1, 2])
# Each output hands on a gradient of 1, so the sum should be the number of outputs.
cases = [
    ('max_pool2d, zeros 4 x 4', summed_gradient(areas, tf.zeros([1, 4, 4, 1])), 4, 4),
    ('max_pool3d, zeros 1 x 4 x 4', summed_gradient(volumes([1, 2, 2]), tf.zeros([1, 1, 4, 4, 1])), 4, 16),
    ('max_pool3d, zeros 4 x 4 x 4', summed_gradient(volumes(2), tf.zeros([1, 4, 4, 4, 1])), 8, 64),
    ('max_pool3d, drawn 4 x 4 x 4', summed_gradient(volumes(2), drawn(1, 4, 4, 4, 1)), 8, 8),
]
print(f'TensorFlow {tf.__version__}, windows of 2 by 2 (by 2), sum of the gradient of all inputs:')
for name, got, outputs, seen in cases:
    print(f'  {name:28} {got:4g}   outputs {outputs}')
if any(got != seen for _, got, _, seen in cases):
    print('CHANGED: wanted', [seen for *_, seen in cases])
    sys.exit(1)
PY
for on in 0 1; do
  PYTHONPATH=$dir/site TF_ENABLE_ONEDNN_OPTS=$on TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 ties.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
done
