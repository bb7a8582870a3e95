/** Owns: that docs/library.md has a row for each option of tfjs's model.fit and model.fitDataset, as its installed types list them, and for no other. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

const TYPES = join(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-layers/package.json')), 'dist/engine');
const PAGE = readFileSync('docs/library.md', 'utf8');

/** Properties of an interface, by its text. */
function optionsOf(file: string, name: string): string[] {
  const text = readFileSync(join(TYPES, file), 'utf8').replace(/\/\*[^]*?\*\//g, '');
  const body = new RegExp(`interface ${name}[^{]*\\{([^]*?)\\n\\}`).exec(text)?.[1] ?? '';
  return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, option]) => option).sort();
}

/** First cells of the table under a heading, those of `train` left out. */
function rowsUnder(heading: string): string[] {
  const section = PAGE.slice(PAGE.indexOf(`\n## ${heading}\n`)).split('\n## ')[1];
  const cells = [...section.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell]) => cell).filter((cell) => !cell.includes('options of'));
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, option]) => option)).sort();
}

it.each([
  ['Options of model.fit', 'training_tensors.d.ts', 'ModelFitArgs'],
  ['Options of model.fitDataset', 'training_dataset.d.ts', 'ModelFitDatasetArgs'],
])('"%s" has a row for each', (heading, file, name) => {
  const wanted = optionsOf(file, name);
  expect(wanted).toContain('validationData');
  expect(rowsUnder(heading)).toEqual(wanted);
});
