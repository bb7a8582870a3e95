#!/usr/bin/env bash
# XLA for processors computes rows of 16 or 24 numbers one number at a time, and rows of 64 in vectors: LLVM writes the short loop out before it looks for vectors, and afterwards finds none.
#
# So four rows of 24 channels are added by 72 scalar additions where 9 or fewer of vectors would do, and a network of few channels is slower for each number than one of many. LLVM's option
# -unroll-full-max-count=8, given by XLA_FLAGS=--xla_backend_extra_options, leaves loops of more than 8 turns to the vectors. But it changes results: a sum over 16 rows, until then taken row
# after row, is taken in another order.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). x86-64. Counts additions in the code that XLA writes down (--xla_dump_to). Exits 0 while that is so.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > rows.py <<'PY'
import glob
import os
import re
import sys

import tensorflow as tf

dump = sys.argv[1]
option = sys.argv[2:]
os.environ['XLA_FLAGS'] = ' '.join([f'--xla_dump_to={dump}', *(f'--xla_backend_extra_options={name}' for name in option)])


@tf.function(jit_compile=True)
def four_rows(x):
    return x[:, 0] + x[:, 1] + x[:, 2] + x[:, 3]


@tf.function(jit_compile=True)
def total(x):
    return tf.reduce_sum(-x, axis=1)


def additions(channels):
    four_rows(tf.zeros((1000, 4, channels)))
    code = ''
    for path in glob.glob(f'{dump}/*with-opt.ll'):
        code += open(path).read()
        os.remove(path)
    return len(re.findall(r'= fadd[a-z ]* float ', code)), len(re.findall(r'= fadd[a-z ]* <\d+ x float>', code))


print(f'TensorFlow {tf.__version__}, LLVM told {" ".join(option) or "nothing"}')
found = {channels: additions(channels) for channels in (16, 24, 64)}
for channels, (scalar, vector) in found.items():
    print(f'  four rows of {channels} channels: {scalar} additions of one number, {vector} of vectors')
# Ones behind 2^24 are lost one by one in float32, and count where some of them are added first.
rows = tf.tile(tf.constant([2.0**24] + [1.0] * 15)[None, :, None], [8, 1, 128])
sums = sorted(set(total(rows).numpy().ravel().tolist()))
print('  2^24 and 15 ones, negative, over 16 rows:', sums)
in_order = sums == [-(2.0**24)]
if option:
    as_said = all(scalar == 0 and vector > 0 for scalar, vector in found.values()) and not in_order
else:
    as_said = found[16] == (48, 0) and found[24] == (72, 0) and found[64][0] == 0 and found[64][1] > 0 and in_order
if not as_said:
    print('CHANGED')
    sys.exit(1)
PY
export PYTHONPATH=$dir/site TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=
python3 rows.py "$dir/plain" 2> "$dir/log" || { cat "$dir/log"; exit 1; }
python3 rows.py "$dir/told" -unroll-full-max-count=8 2> "$dir/log" || { cat "$dir/log"; exit 1; }
