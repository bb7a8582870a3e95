/**
 * Writes MNIST, or any IDX set, as PNG files with their labels in CSV files, in the order of the IDX files: what docs/data.md trains on.
 * Usage: npm run build && node scripts/mnist_pictures.mjs FOLDER --data-dir MNIST [--train N] [--test N]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { loadIdxFolder } from '../dist/data/sources/idx_folder.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'data-dir': { type: 'string' }, train: { type: 'string' }, test: { type: 'string' } },
});
const [folder] = positionals;
if (folder === undefined || values['data-dir'] === undefined)
  throw new Error('usage: FOLDER --data-dir MNIST [--train N] [--test N]');
const set = await loadIdxFolder(values['data-dir']);
const [{ shape }] = set.fields.inputs;
const [height, width] = shape;
for (const [name, split, limit] of [
  ['train', set.train, values.train],
  ['test', set.validation, values.test],
]) {
  const count = Math.min(split.count, Number(limit ?? split.count));
  mkdirSync(join(folder, name), { recursive: true });
  const lines = ['file,label'];
  for (let at = 0; at < count; at++) {
    const file = `${name}/${String(at).padStart(5, '0')}.png`;
    const pixels = Buffer.from(split.inputs.x.slice(at * height * width, (at + 1) * height * width));
    await sharp(pixels, { raw: { width, height, channels: 1 } })
      .png()
      .toFile(join(folder, file));
    lines.push(`${file},${split.targets.y[at]}`);
  }
  writeFileSync(join(folder, `${name}.csv`), `${lines.join('\n')}\n`);
  console.log(`${name}: ${count} pictures of ${height} × ${width}`);
}
