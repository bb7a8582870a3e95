#!/usr/bin/env bash
# Four fifths of the CUDA modules in TensorFlow 2.21's wheel for Linux hold no machine code for Hopper cards (H100, H200; compute capability 9.0), where all hold some for
# Pascal, Volta, Ampere and Ada cards (6.0, 7.0, 8.0, 8.9). The driver compiles theirs from PTX when one is used first, and keeps what it compiled in
# ~/.nv/ComputeCache (CUDA_CACHE_PATH), so that a container without a home that lasts compiles at every start.
#
# Looks into libtensorflow_cc.so.2 of the wheel; needs no GPU. Fetches tensorflow 2.21.0 for CPython 3.12 on x86-64 (573 MB) into a temporary folder (2 GB).
# Exits 0 while it is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
  --platform manylinux_2_27_x86_64 --dest "$dir" tensorflow==2.21.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cd "$dir"
python3 - <<'PY'
import collections
import glob
import mmap
import struct
import sys
import zipfile

(wheel,) = glob.glob('*.whl')
library = zipfile.ZipFile(wheel).extract('tensorflow/libtensorflow_cc.so.2')
MAGIC = struct.pack('<I', 0xBA55ED50)
PTX, MACHINE_CODE = 1, 2
modules, holding = 0, collections.Counter()
with open(library, 'rb') as file:
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    at = memory.find(MAGIC)
    while at >= 0:
        header, size = struct.unpack_from('<HQ', memory, at + 6)
        entry, end = at + header, at + header + size
        if header != 16 or end > len(memory):
            at = memory.find(MAGIC, at + 4)
            continue
        found = set()
        while entry < end:
            kind, _, head, payload = struct.unpack_from('<HHIQ', memory, entry)
            found.add((kind, struct.unpack_from('<I', memory, entry + 28)[0]))
            entry += head + payload
        modules += 1
        holding.update(found)
        at = memory.find(MAGIC, end)
print(f'{wheel}: {modules} CUDA modules')
for (kind, card), count in sorted(holding.items()):
    print(f'  {"PTX" if kind == PTX else "machine code"} for {card // 10}.{card % 10}: in {count}')
older = [holding[MACHINE_CODE, card] for card in (60, 70, 80, 89)]
as_described = older == [modules] * 4 and holding[PTX, 90] == modules and 0 < holding[MACHINE_CODE, 90] < modules / 4
if not as_described:
    print('CHANGED: wanted machine code for 9.0 in less than a quarter, PTX for it and code for 6.0, 7.0, 8.0 and 8.9 in all')
    sys.exit(1)
PY
