#!/usr/bin/env bash
# Without AVX-512 TensorFlow multiplies by a matrix of 1,024 columns at half the speed of one of 1,000 or of 1,040.
#
# oneDNN multiplies up to about 350 rows by such a matrix as it lies, and numbers below each other lie 4 KB apart there, so that they push each other out of the cache. With 512 columns and other
# odd multiples of it a product takes about 1.4 times as long. Widths of layers are powers of two, and batches have 350 rows or fewer. A copy of the matrix with 16 columns more, made for each product, costs a tenth
# of what it saves, and gives the same bits; a matrix stored the other way round (transpose_b) is not slow either.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). x86-64 with AVX2; a wider processor is held to AVX2 (ONEDNN_MAX_CPU_ISA). One thread; the least of 40 turns, each size after the other.
# Exits 0 while it is so.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > columns.py <<'PY'
import sys
import time

import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
ROWS, INNER, TURNS = 200, 1024, 40


def product(columns, turned=False):
    x = tf.random.normal([ROWS, INNER])
    w = tf.random.normal([columns, INNER] if turned else [INNER, columns])
    return lambda: tf.linalg.matmul(x, w, transpose_b=turned)


cases = {'1000': product(1000), '1024': product(1024), '1040': product(1040), '1024, stored the other way round': product(1024, True)}
least = dict.fromkeys(cases, float('inf'))
for _ in range(TURNS):
    for name, compute in cases.items():
        begin = time.perf_counter()
        compute()
        least[name] = min(least[name], time.perf_counter() - begin)
print(f'TensorFlow {tf.__version__}, {ROWS} x {INNER} by {INNER} x columns, one thread, AVX2')
speed = {name: 2 * ROWS * INNER * int(name.split(',')[0]) / seconds / 1e9 for name, seconds in least.items()}
for name, gigaflops in speed.items():
    print(f'  columns {name}: {gigaflops:.0f} GFLOP/s')
slow, *others = (speed[name] for name in ('1024', '1000', '1040', '1024, stored the other way round'))
if not all(other > 1.3 * slow for other in others):
    print('CHANGED')
    sys.exit(1)
PY
PYTHONPATH=$dir/site TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= TF_ENABLE_ONEDNN_OPTS=1 ONEDNN_MAX_CPU_ISA=AVX2 python3 columns.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
