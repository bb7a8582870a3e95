#!/usr/bin/env bash
# On a processor XLA draws random words of 32 bits ten times as slowly from TensorFlow's op as from the same generator written out in 64-bit integer operations.
#
# tf.raw_ops.StatelessRandomUniformFullIntV2(alg=1) is Philox4x32-10: ten rounds of two products per block of four words. TensorFlow's own kernel computes block after
# block, 4 to 5 ms per million words; under tf.function(jit_compile=True) the op becomes XLA's own generator and takes three times as long as that. The ten rounds as
# Mul, RightShift, BitwiseAnd and BitwiseXor of uint64 give the same words, and XLA vectorizes them.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). One thread. Exits 0 while the op under XLA takes more than four times as long as the rounds.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > words.py <<'PY'
import sys
import time

import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
BLOCKS = 2**18
bits = tf.bitwise


def number(value):
    return tf.constant(value, tf.uint64)


def op(key, counter):
    return tf.raw_ops.StatelessRandomUniformFullIntV2(shape=[BLOCKS, 4], key=key, counter=counter, alg=1, dtype=tf.uint32)


def rounds(key, counter):
    low = lambda x: bits.bitwise_and(x, number(0xFFFFFFFF))
    high = lambda x: bits.right_shift(x, number(32))
    xor = bits.bitwise_xor
    place = counter[0] + tf.cast(tf.range(BLOCKS), tf.uint64)
    c0, c1, c2, c3 = low(place), high(place), low(counter[1]), high(counter[1])
    k0, k1 = low(key[0]), high(key[0])
    for _ in range(10):
        p0, p1 = c0 * number(0xD2511F53), c2 * number(0xCD9E8D57)
        c0, c1, c2, c3 = xor(xor(high(p1), c1), k0), low(p1), xor(xor(high(p0), c3), k1), low(p0)
        k0, k1 = low(k0 + number(0x9E3779B9)), low(k1 + number(0xBB67AE85))
    pair = lambda even, odd: bits.bitwise_or(even, bits.left_shift(odd, number(32)))
    return tf.stack([pair(c0, c1), pair(c2, c3)], axis=1)


ways = {
    "op, TensorFlow's kernel": op,
    'op, XLA': tf.function(op, jit_compile=True),
    'ten rounds, XLA': tf.function(rounds, jit_compile=True),
}
key, counter = number([0x123456789ABCDEF]), number([5, 7])
least, words = {}, {}
for name, way in ways.items():
    words[name] = np.ascontiguousarray(way(key, counter).numpy()).view(np.uint32).reshape(-1)
    least[name] = float('inf')
for _ in range(15):
    for name, way in ways.items():
        begin = time.perf_counter()
        way(key, counter)
        least[name] = min(least[name], (time.perf_counter() - begin) * 1000)
print(f'TensorFlow {tf.__version__}, {4 * BLOCKS} words, least of 15, ms:')
for name, took in least.items():
    print(f'  {took:7.2f}  {name}')
first, *others = words.values()
if not all(np.array_equal(first, other) for other in others) or least['op, XLA'] < 4 * least['ten rounds, XLA']:
    print("CHANGED: wanted the same words, and XLA's own generator more than four times as slow")
    sys.exit(1)
PY
PYTHONPATH=$dir/site TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 words.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
