#!/usr/bin/env bash
# On a processor the bits of BiasAddGrad, the gradient of every layer's bias, depend on how many threads TensorFlow has, with enable_op_determinism() too; a
# reduce_sum over the same axes has the same bits with 1, 2 and 4 threads. So a run that is repeated on a machine with another number of cores, or in a
# container with another share of them, ends in other weights, and the sum that looks like the same operation is no way to check it.
#
# The kernel gives each thread a block of rows and adds the blocks; more rows than fit one block are needed to see it. Both sums are right to rounding, which is
# shown against float64.
#
# Installs tensorflow-cpu 2.21.0 in a temporary folder (about 300 MB fetched). Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "$dir/site" tensorflow-cpu==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
cat > bias.py <<'PY'
import sys
import numpy as np
import tensorflow as tf

threads = int(sys.argv[1])
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.experimental.enable_op_determinism()
gradient = np.random.RandomState(0).randn(200, 28, 28, 32).astype(np.float32)
exact = gradient.astype(np.float64).sum((0, 1, 2))
bound = np.abs(gradient.astype(np.float64)).sum((0, 1, 2)) * 2.0**-24 * 200
for name, found in (('BiasAddGrad', tf.raw_ops.BiasAddGrad(out_backprop=gradient)), ('reduce_sum', tf.reduce_sum(gradient, [0, 1, 2]))):
    within = bool((np.abs(found.numpy() - exact) <= bound).all())
    print(name, found.numpy().tobytes().hex()[:32], 'right to rounding' if within else 'WRONG')
PY
for threads in 1 2 4; do
  PYTHONPATH=$dir/site TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES= python3 bias.py "$threads" > "of_$threads" 2> "$dir/log" || { cat "$dir/log"; exit 1; }
  sed "s/^/$threads threads  /" "of_$threads"
done
grep -q WRONG of_1 of_2 of_4 && { echo 'CHANGED: a sum is not right to rounding'; exit 1; }
different() { cat of_1 of_2 of_4 | grep "^$1" | sort -u | wc -l; }
[ "$(different BiasAddGrad)" = 3 ] || { echo 'CHANGED: wanted three different sums of BiasAddGrad'; exit 1; }
[ "$(different reduce_sum)" = 1 ] || { echo 'CHANGED: wanted one sum of reduce_sum'; exit 1; }
