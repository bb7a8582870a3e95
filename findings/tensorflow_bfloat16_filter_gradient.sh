#!/usr/bin/env bash
# In bfloat16 the gradient of a filter that is wider than the map it goes over holds numbers that nobody computed.
#
# After some poolings a net's maps are as small as 2 x 2 x 2, and 3 x 3 x 3 with padding SAME goes on over them. TensorFlow's Conv3DBackpropFilterV2, by oneDNN, then gives 18 of the 27 places of the filter
# other numbers than in float32, none of which is 0 in truth; they change from call to call, up to infinities. Of Conv2DBackpropFilter (and the depthwise one) with strides it is the places that meet
# nothing but padding, which should be 0: how many differ depends on what the memory held before. Either way a run diverges, or goes on with wrong weights. Forward, gradients of inputs, float32, and filters
# no wider than the map are right.
#
# Needs a processor with AVX512-BF16, where TensorFlow computes bfloat16 by oneDNN; says so elsewhere. Installs tensorflow-cpu 2.21.0 in a temporary folder (about
# 300 MB fetched). Exits 0 while the behavior is as described.
set -euo pipefail
grep -qw avx512_bf16 /proc/cpuinfo || { echo "cannot be seen here: no AVX512-BF16"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > narrow.py <<'PY'
import sys
import numpy as np
import tensorflow as tf

draw = np.random.default_rng(7)


def numbers(*shape):
    return tf.constant(draw.standard_normal(shape), tf.float32)


def volumes(dtype):
    return tf.raw_ops.Conv3DBackpropFilterV2(
        input=tf.cast(V, dtype), filter_sizes=[3, 3, 3, 8, 8], out_backprop=tf.cast(D, dtype), strides=[1] * 5, padding='SAME')


def pictures(dtype):
    return tf.raw_ops.Conv2DBackpropFilter(
        input=tf.cast(P, dtype), filter_sizes=[3, 3, 16, 16], out_backprop=tf.cast(Q, dtype), strides=[1, 2, 2, 1], padding='SAME')


V, D = numbers(32, 2, 2, 2, 8), numbers(32, 2, 2, 2, 8)
P, Q = numbers(32, 1, 1, 16), numbers(32, 1, 1, 16)
print(f'TensorFlow {tf.__version__}, 32 examples, places of the gradient that are not those of float32:')
for name, gradient, least in (('3 x 3 x 3 over 2 x 2 x 2', volumes, 18), ('3 x 3, strides of 2, over 1 x 1', pictures, 0)):
    true = gradient(tf.float32).numpy()
    worst = 0
    for turn in range(5):
        # Memory that a program has used before.
        used = [tf.fill([size], 3.0) + tf.cast(turn, tf.float32) for size in (1000, 3456, 6912, 13824, 27648)]
        del used
        found = tf.cast(gradient(tf.bfloat16), tf.float32).numpy()
        wrong = ~(np.abs(found - true) <= 0.05 * np.abs(true).max())
        taps = wrong.reshape(-1, *wrong.shape[-2:]).any((1, 2)).sum()
        worst = max(worst, taps)
    print(f'  {name}: {worst} of {wrong.reshape(-1, *wrong.shape[-2:]).shape[0]}')
    if worst < least:
        print('CHANGED')
        sys.exit(1)
PY
PYTHONPATH=$dir/site TF_ENABLE_ONEDNN_OPTS=1 TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 narrow.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
