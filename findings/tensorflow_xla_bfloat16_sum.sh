#!/usr/bin/env bash
# On a processor XLA takes ten times and more as long to add up bfloat16 numbers in float32, over several axes, as to add up the same numbers given as float32.
#
# tf.reduce_sum(tf.cast(x, tf.float32), [0, 1, 2]) of 200 x 26 x 26 x 64 bfloat16 numbers, what the gradient of a convolution's bias is under mixed precision, under
# tf.function(jit_compile=True): half of the memory is read, and yet it takes ten to forty times as long as with a float32 x, since the conversion keeps the loop from being vectorized.
# A cast outside of the function, by TensorFlow's own kernel, and the sum of what it gives are several times faster together.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). One thread. Exits 0 while the first takes more than five times as long as the last.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > rows.py <<'PY'
import sys
import time

import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
shape, axes = (200, 26, 26, 64), [0, 1, 2]
half = tf.cast(np.random.default_rng(1).normal(size=shape).astype(np.float32), tf.bfloat16)
single = tf.cast(half, tf.float32)

summed = tf.function(lambda x: tf.reduce_sum(tf.cast(x, tf.float32), axes), jit_compile=True)
ways = {
    'of bfloat16': lambda: summed(half),
    'of float32': lambda: summed(single),
    'of bfloat16, cast before': lambda: summed(tf.cast(half, tf.float32)),
}
least, sums = {}, {}
for name, way in ways.items():
    sums[name] = way().numpy()
    least[name] = float('inf')
for _ in range(10):
    for name, way in ways.items():
        begin = time.perf_counter()
        way()
        least[name] = min(least[name], (time.perf_counter() - begin) * 1000)
print(f'TensorFlow {tf.__version__}, XLA, a sum over three axes of {shape}, least of 10, ms:')
for name, took in least.items():
    print(f'  {took:7.2f}  {name}')
size = float(tf.reduce_sum(tf.abs(single), axes).numpy().max())
close = all(np.allclose(total, sums['of float32'], rtol=0, atol=half.shape[0] * 26 * 26 * 2.0**-24 * size) for total in sums.values())
if not close or least['of bfloat16'] < 5 * least['of bfloat16, cast before']:
    print('CHANGED: wanted equal sums to rounding, and those of bfloat16 more than five times as slow')
    sys.exit(1)
PY
PYTHONPATH=$dir/site TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 rows.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
