#!/usr/bin/env bash
# Makes one Python environment per peer (torch, tf, mxnet) with pinned versions. Several GB; safe to run again.
# Usage: scripts/peers/setup.sh          PEERS=folder chooses where (default ~/.cache/tfjs-parallel-peers)
#        PYTHON=python3.11 chooses the interpreter: MXNet 1.9.1 needs numpy 1.23; 3.11 is known to work.
# torch.compile (an option of torch_train.py) and the MKL helper below need a C++ compiler.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
peers=${PEERS:-$HOME/.cache/tfjs-parallel-peers}
python=${PYTHON:-python3}
mkdir -p "$peers"
for name in torch tf mxnet; do
  if [ -f "$peers/$name/ready" ]; then
    echo "$name: ready in $peers/$name" >&2
    continue
  fi
  echo "$name: installing into $peers/$name" >&2
  rm -rf "${peers:?}/$name"
  "$python" -m venv "$peers/$name"
  "$peers/$name/bin/pip" install --quiet --requirement "$here/$name.requirements.txt"
  touch "$peers/$name/ready"
done
# MKL, PyTorch's BLAS, takes slower kernels on AMD processors. This one-line library, preloaded, makes it take its best
# ones (here: 195 -> 464 GFLOP/s in fp32), so that PyTorch is measured and not MKL's choice.
if [ ! -f "$peers/mkl_any_vendor.so" ] && command -v cc >/dev/null; then
  echo 'int mkl_serv_intel_cpu_true(void) { return 1; }' | cc -shared -fPIC -x c - -o "$peers/mkl_any_vendor.so"
fi
echo "$peers"
