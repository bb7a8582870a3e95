#!/usr/bin/env bash
# TensorFlow's own bfloat16 kernels for processors, which it uses wherever oneDNN is off or has no bfloat16 (no AVX-512), give wrong numbers for pooling and
# convolutions of many ones: the mean of 4,096 ones is 1/16, a sum of 4,096 ones is 256.
#
# tf.nn.avg_pool3d divides a sum that stopped growing at 256 (8 significant bits: 256 + 1 is 256), so the average of ones is not 1. depthwise_conv2d and
# BiasAddGrad stop at 256 too, the gradient of a conv3d kernel somewhere between. reduce_sum, reduce_mean, matmul and conv2d of the same numbers are right,
# so the same model is right or wrong by a factor of 16 with the kind of its layers.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
PYTHONPATH=$dir/site TF_ENABLE_ONEDNN_OPTS=0 TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 - <<'PY'
import sys
import tensorflow as tf

ones = lambda *shape: tf.ones(shape, tf.bfloat16)
first = lambda tensor: float(tf.reshape(tensor, [-1])[0])
raw = tf.raw_ops
conv3d = dict(strides=[1] * 5, padding='VALID', data_format='NDHWC', dilations=[1] * 5)
right = {
    'reduce_sum': (first(tf.reduce_sum(ones(4096, 2), 0)), 4096),
    'reduce_mean': (first(tf.reduce_mean(ones(4096, 2), 0)), 1),
    'matmul': (first(tf.matmul(ones(2, 4096), ones(4096, 2))), 4096),
    'conv2d': (first(tf.nn.conv2d(ones(1, 8, 8, 64), ones(8, 8, 64, 2), 1, 'VALID')), 4096),
}
wrong = {
    'avg_pool3d': (first(tf.nn.avg_pool3d(ones(1, 16, 16, 16, 2), [16] * 3, [1] * 3, 'VALID')), 1),
    'depthwise_conv2d': (first(tf.nn.depthwise_conv2d(ones(1, 64, 64, 2), ones(64, 64, 2, 1), [1] * 4, 'VALID')), 4096),
    'BiasAddGrad': (first(raw.BiasAddGrad(out_backprop=ones(4096, 2))), 4096),
    'Conv3DBackpropFilterV2': (
        first(raw.Conv3DBackpropFilterV2(input=ones(64, 4, 4, 4, 1), filter_sizes=[1, 1, 1, 1, 2], out_backprop=ones(64, 4, 4, 4, 2), **conv3d)),
        4096,
    ),
}
print(f'TensorFlow {tf.__version__}, bfloat16 on the processor, oneDNN off, 4,096 ones:')
for name, (got, exact) in {**right, **wrong}.items():
    print(f'  {name:24} {got:8g}   exact {exact}')
changed = [name for name, (got, exact) in right.items() if got != exact] + [name for name, (got, exact) in wrong.items() if got == exact]
if changed:
    print('CHANGED:', ', '.join(changed))
    sys.exit(1)
PY
