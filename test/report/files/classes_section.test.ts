import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import type { JudgedClasses, Pair } from '../../../src/common/judged_classes.js';
import { classesSection, MOST_CLASSES, sectionIn } from '../../../src/report/files/classes_section.js';
import { loadDrawing } from '../../../src/report/files/drawing.js';

const drawing = () => loadDrawing(pathToFileURL(resolve('build/vendor/plot.js')));

function judged(classes: number, pairs: readonly Pair[]): JudgedClasses {
  return { epoch: 2, step: 24, examples: 9, right: 5, classes, pairs, wrong: [] };
}

const PAIRS = [
  { is: 0, said: 0, count: 4 },
  { is: 0, said: 2, count: 1 },
  { is: 1, said: 2, count: 3 },
  { is: 2, said: 2, count: 1 },
];

it('draws a cell for each pair that occurs, with its count, and names the most confused ones first', async () => {
  const section = classesSection(judged(3, PAIRS), await drawing());
  expect(section).toContain('After epoch 2, step 24: 5 of 9 right.');
  const cells = /aria-label="cell">(.*?)<\/g>/s.exec(section)?.[1] ?? '';
  expect(cells.match(/<rect/g)?.length).toBe(4);
  const counts = [...section.matchAll(/aria-label="text"[^>]*>(.*?)<\/g>/gs)].flatMap(([, texts]) =>
    [...texts.matchAll(/>(\d+)</g)].map(([, count]) => Number(count)),
  );
  expect(counts.sort()).toEqual([1, 1, 3, 4]);
  const rows = [
    ...section.matchAll(/<tr><td class="n">(\d)<\/td><td class="n">(\d)<\/td><td class="n">(\d)<\/td><td class="n">([\d.]+) %/g),
  ];
  expect(rows.map(([, ...row]) => row.join())).toEqual(['1,2,3,100.0', '0,2,1,20.0']);
});

it('calls classes by their names where they have any, cut and escaped: they are others’ words', async () => {
  const names = ['cat', '<img src=x onerror=alert(1)>', 'a dog that was seen from behind, in the rain'];
  const wrong = [{ row: 3, is: 1, said: 0, probability: 0.75, picture: null }];
  const section = classesSection({ ...judged(3, PAIRS), names, wrong }, await drawing());
  expect(section).not.toContain('<img');
  expect(section).toContain('>cat</text>');
  expect(section).toContain('<tr><td class="n">cat</td><td class="n">a dog that was seen fro…</td><td class="n">1</td>');
  expect(section).toMatch(/<td class="n">3<\/td><td class="n">&#60;img src=x onerror=aler…<\/td><td class="n">cat<\/td>/);
});

it('of more classes than are drawn, only pairs are told; every cell of a hundred classes stays below a megabyte', async () => {
  const beyond = classesSection(judged(MOST_CLASSES + 1, PAIRS), await drawing());
  expect(beyond).not.toContain('<svg');
  expect(beyond).toContain('101 classes');
  const all = Array.from({ length: MOST_CLASSES ** 2 }, (_, at) => ({ is: Math.floor(at / 100), said: at % 100, count: 1 }));
  expect(classesSection(judged(MOST_CLASSES, all), await drawing()).length).toBeLessThan(1e6);
});

it('is found again in a page that was written before', () => {
  const section = classesSection(judged(3, PAIRS), null);
  expect(sectionIn(`<body>\n<h1>run</h1>\n${section}\n<h2>rest</h2>\n`)).toBe(section);
  expect(sectionIn('<body>\n</body>')).toBe('');
});
