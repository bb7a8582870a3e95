/**
 * Owns: the report's section about classes: the confusion matrix, the pairs that are confused most, the most confidently wrong examples.
 * Does not: count (src/data/judge_classes.ts). All it shows are numbers, pictures that it has encoded itself, and names of classes, escaped.
 */
import type { JudgedClasses, Pair, WrongExample } from '../../common/judged_classes.js';
import { drawConfusion, escaped } from './charts.js';
import type { Drawing } from './drawing.js';

/** More of them are no matrix that anybody reads, and would make the page large: a cell takes some 70 bytes. */
export const MOST_CLASSES = 100;
const MOST_PAIRS = 10;

const BEGIN = '<!-- classes -->';
const END = '<!-- /classes -->';

/** As `report.html` holds it. */
export function classesSection(judged: JudgedClasses, drawing: Drawing | null): string {
  const { epoch, step, examples, right, classes, pairs, wrong } = judged;
  const named: Named = (at) => shortened(judged.names?.[at] ?? String(at));
  const isDrawn = classes <= MOST_CLASSES && drawing !== null;
  const confused = pairs
    .filter(({ is, said }) => is !== said)
    .sort((a, b) => b.count - a.count || a.is - b.is || a.said - b.said);
  return [
    BEGIN,
    `<h2>What the model says of the validation examples</h2>`,
    `<p>After epoch ${epoch}, step ${step}: ${right} of ${examples} right${isDrawn ? '' : `; ${classes} classes`}.</p>`,
    `<div class="pairs">`,
    ...(isDrawn ? [`<figure class="matrix">${drawConfusion(pairs, { classes, named }, drawing)}</figure>`] : []),
    ...(confused.length > 0 ? [`<div>${pairTable(confused.slice(0, MOST_PAIRS), totals(pairs), named)}</div>`] : []),
    `</div>`,
    ...(wrong.length > 0 ? [`<h2>Most confidently wrong</h2>`, wrongExamples(wrong, named)] : []),
    END,
  ].join('\n');
}

/** Of a page written before, so that what a finished run said is not lost when it is gone on with; empty where there is none. */
export function sectionIn(page: string): string {
  const [begin, end] = [page.indexOf(`\n${BEGIN}\n`), page.lastIndexOf(`\n${END}\n`)];
  return begin === -1 || end < begin ? '' : page.slice(begin + 1, end + END.length + 1);
}

function totals(pairs: readonly Pair[]): Map<number, number> {
  const of = new Map<number, number>();
  for (const { is, count } of pairs) of.set(is, (of.get(is) ?? 0) + count);
  return of;
}

/** A class as people call it; not yet escaped. */
type Named = (at: number) => string;

const MOST_CHARACTERS = 24;

function shortened(name: string): string {
  const characters = [...name];
  return characters.length <= MOST_CHARACTERS ? name : `${characters.slice(0, MOST_CHARACTERS - 1).join('')}…`;
}

function pairTable(confused: readonly Pair[], examplesOf: ReadonlyMap<number, number>, named: Named): string {
  const rows = confused.map(
    ({ is, said, count }) =>
      `<tr><td class="n">${escaped(named(is))}</td><td class="n">${escaped(named(said))}</td><td class="n">${count}</td><td class="n">${((100 * count) / (examplesOf.get(is) ?? 1)).toFixed(1)} %</td></tr>`,
  );
  return `<table><tr><th>is</th><th>said</th><th>examples</th><th>of its class</th></tr>${rows.join('')}</table>`;
}

function wrongExamples(wrong: readonly WrongExample[], named: Named): string {
  if (wrong.every(({ picture }) => picture === null)) {
    const rows = wrong.map(
      (one) =>
        `<tr><td class="n">${one.row}</td><td class="n">${escaped(named(one.is))}</td><td class="n">${escaped(named(one.said))}</td><td class="n">${shown(one)}</td></tr>`,
    );
    return `<table><tr><th>row</th><th>is</th><th>said</th><th>with</th></tr>${rows.join('')}</table>`;
  }
  const figures = wrong.map((one) => {
    const image =
      one.picture === null ? '' : `<img alt="" src="data:image/png;base64,${Buffer.from(one.picture).toString('base64')}">`;
    return `<figure>${image}<figcaption>is ${escaped(named(one.is))}, said ${escaped(named(one.said))}<br>${shown(one)}, row ${one.row}</figcaption></figure>`;
  });
  return `<div class="wrong">${figures.join('\n')}</div>`;
}

function shown({ probability }: WrongExample): string {
  return Number.isFinite(probability) ? `${(100 * probability).toFixed(1)} %` : '–';
}
