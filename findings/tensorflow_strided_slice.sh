#!/usr/bin/env bash
# On a processor TensorFlow leaves out every second pixel ten times and more as slowly by a slice with strides as by a pool of averages over one pixel.
#
# x[:, ::2, ::2, :] of 32 x 16 x 16 x 256 float32 numbers, what a convolution of one pixel with strides of 2 looks at, is 2 MB to copy, whole pixels of 1 KB each; StridedSlice takes
# milliseconds for it. tf.nn.avg_pool2d(x, ksize=1, strides=2, padding='VALID') gives the same numbers, and so do the gradients of both, where the same holds.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). One thread. Exits 0 while both slices take more than four times as long as the pools.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > pixels.py <<'PY'
import sys
import time

import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
x = tf.constant(np.random.default_rng(1).normal(size=(32, 16, 16, 256)).astype(np.float32))
dy = x[:, :8, :8, :]
pool = {'ksize': [1, 1, 1, 1], 'strides': [1, 2, 2, 1], 'padding': 'VALID'}
ways = {
    'slice': lambda: x[:, ::2, ::2, :],
    'pool': lambda: tf.raw_ops.AvgPool(value=x, **pool),
    'gradient of the slice': lambda: tf.raw_ops.StridedSliceGrad(
        shape=x.shape, begin=[0, 0, 0, 0], end=list(x.shape), strides=[1, 2, 2, 1], dy=dy),
    'gradient of the pool': lambda: tf.raw_ops.AvgPoolGrad(orig_input_shape=x.shape, grad=dy, **pool),
}
least, given = {}, {}
for name, way in ways.items():
    given[name] = way().numpy()
    least[name] = float('inf')
for _ in range(20):
    for name, way in ways.items():
        begin = time.perf_counter()
        way()
        least[name] = min(least[name], (time.perf_counter() - begin) * 1000)
print(f'TensorFlow {tf.__version__}, every second pixel of {tuple(x.shape)}, least of 20, ms:')
for name, took in least.items():
    print(f'  {took:7.2f}  {name}')
same = np.array_equal(given['slice'], given['pool']) and np.array_equal(given['gradient of the slice'], given['gradient of the pool'])
slower = least['slice'] > 4 * least['pool'] and least['gradient of the slice'] > 4 * least['gradient of the pool']
if not same or not slower:
    print('CHANGED: wanted the same numbers, and slices more than four times as slow')
    sys.exit(1)
PY
PYTHONPATH=$dir/site TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 pixels.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
