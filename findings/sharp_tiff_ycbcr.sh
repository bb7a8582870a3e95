#!/usr/bin/env bash
# sharp reads a TIFF in YCbCr that is not packed as JPEG as if its numbers were RGB: red comes out blue. Pillow converts it.
#
# Such files are valid (photometric interpretation 6, TIFF 6.0, section 21), and scanners and video tools write them. Nothing is raised, and metadata() says
# srgb, so that a program cannot tell them from RGB but by reading the file's tags itself.
#
# Installs sharp 0.35.5 and Pillow 13.0.0 in a temporary folder. Exits 0 while the behavior is as described.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund --ignore-scripts sharp@0.35.5
python3 -m pip install --quiet --disable-pip-version-check --target "$dir/site" pillow==13.0.0 2> "$dir/pip.log" || { cat "$dir/pip.log"; exit 2; }
cat > write.py <<'PY'
import struct

WIDTH = HEIGHT = 4
PIXELS = bytes([81, 90, 240]) * (WIDTH * HEIGHT)  # Y, Cb, Cr of a red
SHORT, LONG = 3, 4
first = 8 + 2 + 12 * 11 + 4
entries = [
    (256, SHORT, 1, WIDTH), (257, SHORT, 1, HEIGHT), (258, SHORT, 3, first), (259, SHORT, 1, 1), (262, SHORT, 1, 6), (273, LONG, 1, first + 8),
    (277, SHORT, 1, 3), (278, SHORT, 1, HEIGHT), (279, LONG, 1, len(PIXELS)), (284, SHORT, 1, 1), (530, SHORT, 2, 1 | 1 << 16),
]
directory = struct.pack('<H', len(entries)) + b''.join(struct.pack('<HHII', *entry) for entry in entries) + struct.pack('<I', 0)
bits = struct.pack('<4H', 8, 8, 8, 0)
with open('red.tif', 'wb') as file:
    file.write(b'II*\0' + struct.pack('<I', 8) + directory + bits + PIXELS)
PY
python3 write.py
PYTHONPATH=$dir/site python3 - <<'PY'
import sys
import PIL
from PIL import Image

picture = Image.open('red.tif')
red, green, blue = picture.convert('RGB').getpixel((0, 0))
print(f'Pillow {PIL.__version__}: mode {picture.mode}, first pixel as RGB {red} {green} {blue}')
if picture.mode != 'YCbCr' or not (red > 200 and green < 50 and blue < 50):
    print('CHANGED')
    sys.exit(1)
PY
cat > read.mjs <<'JS'
import sharp from 'sharp';
const { space } = await sharp('red.tif').metadata();
const [red, green, blue] = await sharp('red.tif').raw().toBuffer();
console.log(`sharp ${sharp.versions.sharp}: space ${space}, first pixel as RGB ${red} ${green} ${blue}`);
if (space !== 'srgb' || red !== 81 || green !== 90 || blue !== 240) {
  console.log('CHANGED');
  process.exit(1);
}
JS
node read.mjs
