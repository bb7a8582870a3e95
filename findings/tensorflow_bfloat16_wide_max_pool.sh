#!/usr/bin/env bash
# In bfloat16, a tf.function that takes the maximum over windows of 256 values or more (max_pool2d of 16 x 16) loses a part of its gradient, without a word.
#
# oneDNN writes down where each window's maximum was in one byte a window where the window has fewer than 256 places, and in four bytes from there on.
# TensorFlow keeps that record as bytes and hands a part of it to the gradient, so that maxima lie where they were not. Below 256 places, in float32 and in eager
# execution all of it arrives. Global pooling of a 16 x 16 map is enough.
#
# Needs a processor with AVX512-BF16, where TensorFlow computes bfloat16 by oneDNN; says so elsewhere. Installs tensorflow-cpu 2.21.0 in a temporary folder (about
# 300 MB fetched). Exits 0 while the behavior is as described.
set -euo pipefail
grep -qw avx512_bf16 /proc/cpuinfo || { echo "cannot be seen here: no AVX512-BF16"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > wide.py <<'PY'
import sys
import tensorflow as tf


def summed_gradient(x, size):
    with tf.GradientTape() as tape:
        tape.watch(x)
        pooled = tf.nn.max_pool2d(tf.nn.relu(x), size, size, 'VALID')
        y = tf.reduce_sum(tf.cast(pooled, tf.float32))
    return tf.reduce_sum(tf.cast(tape.gradient(y, x), tf.float32))


compiled = tf.function(summed_gradient)
print(f'TensorFlow {tf.__version__}, 4 examples, 8 channels, one window each: the gradient of all inputs adds up to 32')
changed = False
for size in (15, 16, 17):
    for dtype in (tf.float32, tf.bfloat16):
        x = tf.cast(tf.random.stateless_uniform([4, size, size, 8], [1, 2]), dtype)
        graph, eager = float(compiled(x, size)), float(summed_gradient(x, size))
        print(f'  {size} x {size} {dtype.name:8}   tf.function {graph:4g}   eager {eager:4g}')
        lost = dtype == tf.bfloat16 and size * size >= 256
        changed |= eager != 32 or (graph == 32) == lost
if changed:
    print('CHANGED')
    sys.exit(1)
PY
PYTHONPATH=$dir/site TF_ENABLE_ONEDNN_OPTS=1 TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 wide.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
