#!/usr/bin/env bash
# A convolution, a batch norm of fixed statistics and a tanh, one after the other in a tf.function, fail on a processor with oneDNN; eager they compute.
#
# TensorFlow's graph optimizer joins the three to one op, _FusedConv2D, whose kernel for processors has none of that kind: UNIMPLEMENTED, "Fusion is not
# implemented: [FusedBatchNorm,Tanh]". With relu, elu or sigmoid in the place of tanh the same function runs, and so it does with oneDNN switched off, with a bias
# between convolution and batch norm, or in training. tf.ensure_shape before the tanh is a way around.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > joined.py <<'PY'
import os
import sys
import tensorflow as tf

kernel = tf.random.normal([3, 3, 3, 4])
scale, offset, mean, variance = tf.ones([4]), tf.zeros([4]), tf.zeros([4]), tf.ones([4])
pictures = tf.random.normal([2, 8, 8, 3])


def normalized(x, training=False):
    fixed = (None, None) if training else (mean, variance)
    return tf.compat.v1.nn.fused_batch_norm(x, scale, offset, *fixed, is_training=training)[0]


def convolved(x):
    return tf.nn.conv2d(x, kernel, 1, 'SAME')


programs = {
    'tanh': lambda x: tf.tanh(normalized(convolved(x))),
    'sigmoid': lambda x: tf.sigmoid(normalized(convolved(x))),
    'relu': lambda x: tf.nn.relu(normalized(convolved(x))),
    'elu': lambda x: tf.nn.elu(normalized(convolved(x))),
    'tanh after a bias': lambda x: tf.tanh(normalized(tf.nn.bias_add(convolved(x), offset))),
    'tanh in training': lambda x: tf.tanh(normalized(convolved(x), training=True)),
    'tanh behind ensure_shape': lambda x: tf.tanh(tf.ensure_shape(normalized(convolved(x)), [2, 8, 8, 4])),
}
seen = {}
for name, program in programs.items():
    wanted = program(pictures)
    try:
        off = float(tf.reduce_max(tf.abs(tf.function(program)(pictures) - wanted)))
        seen[name] = 'as eager' if off < 1e-4 else f'{off} off'
    except tf.errors.UnimplementedError as error:
        seen[name] = next(line for line in str(error).split('\n') if 'Fusion' in line).strip()
oneDnn = os.environ['TF_ENABLE_ONEDNN_OPTS']
print(f'TensorFlow {tf.__version__}, TF_ENABLE_ONEDNN_OPTS={oneDnn}:')
for name, outcome in seen.items():
    print(f'  {name:25} {outcome}')
failing = [name for name, outcome in seen.items() if outcome != 'as eager']
if failing != (['tanh'] if oneDnn == '1' else []):
    print('CHANGED: wanted tanh alone to fail, and that with oneDNN only')
    sys.exit(1)
PY
for one_dnn in 1 0; do
  PYTHONPATH=$dir/site TF_ENABLE_ONEDNN_OPTS=$one_dnn TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 joined.py 2> "$dir/log" || { cat "$dir/log"; exit 1; }
done
