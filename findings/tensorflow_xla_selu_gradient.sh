#!/usr/bin/env bash
# XLA and TensorFlow's own kernel of SeluGrad differ at 0: scale * alpha = 1.7581 under tf.function(jit_compile=True), scale = 1.0507 without it.
#
# The derivative of selu jumps there, so either is one of its one-sided derivatives; but a layer whose bias begins with zeros has many inputs that are 0 exactly (padding, rows of
# zeros, what a relu before it gives), and compiling a step then changes their gradients by two thirds.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > selu.py <<'PY'
import sys
import tensorflow as tf


def gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.selu(x)
    return tape.gradient(y, x)


x = tf.constant([-1.0, 0.0, 1.0])
plain = [float(value) for value in tf.function(gradient)(x)]
by_xla = [float(value) for value in tf.function(gradient, jit_compile=True)(x)]
print(f'TensorFlow {tf.__version__}, gradient of selu at -1, 0 and 1:')
print('  without XLA ', *[f'{value:.4f}' for value in plain])
print('  by XLA      ', *[f'{value:.4f}' for value in by_xla])
if abs(plain[1] - 1.0507) > 1e-4 or abs(by_xla[1] - 1.7581) > 1e-4 or abs(plain[0] - by_xla[0]) + abs(plain[2] - by_xla[2]) > 1e-5:
    print('CHANGED: wanted 1.0507 at 0 without XLA and 1.7581 with it, and equal gradients beside it')
    sys.exit(1)
PY
PYTHONPATH=$dir/site TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 selu.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
