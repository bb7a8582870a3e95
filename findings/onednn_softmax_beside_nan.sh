#!/usr/bin/env bash
# TensorFlow's softmax of a row that holds one NaN, or one infinity, is NaN in every place without oneDNN, and 0 in the other places with it.
#
# oneDNN is on by default where the processor has AVX-512 and off elsewhere, so the same program on the same input reports another thing: the loss
# -log(probability of the label), clipped at 1e-7 as Keras clips, is NaN on one machine and a plain 16.1 on the other. A check for NaN in the loss finds
# a model that has blown up on the first machine and not on the second.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > row.py <<'PY'
import math
import sys
import tensorflow as tf

on = sys.argv[1] == '1'
logits = tf.constant([[math.nan, 1, 2, 3], [1, math.inf, 2, 3], [1, 2, 3, 4]])
label = tf.constant([3, 3, 3])
loss = lambda p: -tf.math.log(tf.clip_by_value(tf.gather(p, label, batch_dims=1), 1e-7, 1))
probabilities = tf.nn.softmax(logits)
losses = loss(probabilities)
print(f'TensorFlow {tf.__version__}, oneDNN {"on" if on else "off"}:')
for row, p, l in zip(logits.numpy(), probabilities.numpy(), losses.numpy()):
    print(f'  softmax {[float(v) for v in row]} = {[round(float(v), 3) for v in p]}, loss of label 3 {l:.4f}')
hidden = [not math.isnan(float(l)) for l in losses]
if hidden != [on, on, True]:
    print('CHANGED: which losses are NaN')
    sys.exit(1)
PY
for on in 0 1; do
  PYTHONPATH=$dir/site TF_ENABLE_ONEDNN_OPTS=$on TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 row.py "$on" 2> "$dir/log" || { cat "$dir/log"; exit 1; }
done
