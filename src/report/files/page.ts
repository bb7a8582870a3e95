/**
 * Owns: report.html: one file that asks nothing of the network: what came out, the curves, where the time went, what happened, how it was set up.
 * Does not: draw (charts.ts) or write. Every text from outside is escaped: names of workers and files are others' words.
 */
import { escaped, type Chart } from './charts.js';
import type { RunStory } from './run_story.js';

export interface PageParts {
  readonly story: RunStory;
  readonly charts: readonly Chart[];
  /** What the model says of the validation examples, as HTML; empty where it tells no classes. */
  readonly classes: string;
  /** `mnist-001`. */
  readonly name: string;
  /** Text of config.yaml and env.json; empty where they cannot be read. */
  readonly config: string;
  readonly environment: string;
  /** What happened to its processes, as in logs/run.log, in order. */
  readonly happenings: readonly Happening[];
}

export interface Happening {
  readonly time: string;
  readonly text: string;
  /** Of the event; empty for a note of the folder's own. */
  readonly type: string;
  /** Where in the run, in epochs; null where that is not known. */
  readonly at: number | null;
}

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 14px/1.45 system-ui, sans-serif; max-width: 1340px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 1rem 0 } .tiles b { display: block; font-size: 1.2rem }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); gap: 0 1.5rem }
.charts svg { max-width: 100%; height: auto } figure { margin: 0 }
table { border-collapse: collapse } td, th { text-align: left; padding: .15rem 1rem .15rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
.matrix svg { max-width: 100%; height: auto } .wrong { display: flex; flex-wrap: wrap; gap: .6rem 1rem } .wrong figure { width: 96px; font-size: 12px }
.wrong img { width: 96px; height: 96px; object-fit: contain; image-rendering: pixelated; background: var(--line) } .pairs { display: flex; flex-wrap: wrap; gap: 0 3rem }
td.n { text-align: right; font-variant-numeric: tabular-nums } pre { overflow: auto; font-size: 12px } .scroll { max-height: 24rem; overflow: auto }
`;

export function reportPage({ story, charts, classes, name, config, environment, happenings }: PageParts): string {
  const sections = [
    `<h1>${escaped(name)}</h1>`,
    `<div class="tiles">${tiles(story)}</div>`,
    `<div class="charts">${charts.map(({ title, svg }) => `<figure><h2>${escaped(title)}</h2>${svg}</figure>`).join('\n')}</div>`,
    ...(charts.length > 0
      ? ['<p>Dashed: the best epoch. Rings: epochs whose model was saved. Gray: the loss of single steps.</p>']
      : []),
    ...(classes === '' ? [] : [classes]),
    ...(story.epochs.length > 0
      ? [`<h2>Where the time of a step went</h2>${timeTable(story)}`, `<h2>Epochs</h2>${epochTable(story)}`]
      : []),
    `<h2>What happened</h2>${happened(happenings)}`,
    ...[
      ['Configuration', config],
      ['Environment', environment],
    ].map(([title, text]) => `<details><summary>${title}</summary><pre>${escaped(text)}</pre></details>`),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${escaped(name)}</title>
<style>${STYLE}</style>
</head>
<body>
${sections.join('\n')}
</body>
</html>
`;
}

function tiles(story: RunStory): string {
  const { best, monitor, epochs, end } = story;
  const planned = (story.start?.plan as { epochs?: number } | undefined)?.epochs;
  const facts: [string, string][] = [
    ['state', end === null ? 'under way' : String(end.reason)],
    ['epochs', planned === undefined ? String(epochs.length) : `${epochs.length} of ${planned}`],
  ];
  if (best !== null) facts.push([`best ${monitor.name}`, `${shown(best.values[monitor.name])} at epoch ${best.epoch}`]);
  const last = epochs.at(-1);
  if (last !== undefined) facts.push(['examples a second', String(Math.round(last.imagesPerS))]);
  if (end !== null) facts.push(['weights', String(end.weights_sha256).slice(0, 12)]);
  return facts.map(([what, value]) => `<div>${escaped(what)}<b>${escaped(value)}</b></div>`).join('');
}

/** What each phase is, in the words of docs/seeing.md. */
const PHASES: Record<string, string> = {
  data: 'drawing and cutting the batch',
  compute: 'computing, the slowest replica',
  wait: 'waiting until all shards were there',
  reduce: 'adding gradients',
  apply: 'the optimizer',
  publish: 'handing the new weights out',
};

function timeTable({ epochs }: RunStory): string {
  const last = epochs[epochs.length - 1];
  const all = Object.values(last.phases).reduce((sum, ms) => sum + ms, 0);
  const rows = Object.entries(last.phases).map(
    ([phase, ms]) =>
      `<tr><td>${escaped(phase)}</td><td class="n">${ms.toFixed(2)} ms</td><td class="n">${((100 * ms) / (all || 1)).toFixed(1)} %</td><td>${escaped(PHASES[phase] ?? '')}</td></tr>`,
  );
  return `<table><tr><th>phase</th><th>mean, epoch ${last.epoch}</th><th>share</th><th></th></tr>${rows.join('')}</table>`;
}

function epochTable({ epochs, names }: RunStory): string {
  const head = ['epoch', ...names, 'seconds', 'saved'].map((name) => `<th>${escaped(name)}</th>`).join('');
  const rows = epochs.map(
    ({ epoch, values, seconds, saved }) =>
      `<tr>${[String(epoch), ...names.map((name) => shown(values[name])), seconds.toFixed(1), saved ? 'saved' : ''].map((text) => `<td class="n">${escaped(text)}</td>`).join('')}</tr>`,
  );
  return `<div class="scroll"><table><tr>${head}</tr>${rows.join('')}</table></div>`;
}

function happened(happenings: readonly Happening[]): string {
  const rows = happenings.map(({ time, text }) => `<tr><td>${escaped(time)}</td><td>${escaped(text)}</td></tr>`);
  return `<div class="scroll"><table>${rows.join('')}</table></div>`;
}

function shown(value: number | null | undefined): string {
  return value == null ? '–' : String(Number(value.toPrecision(5)));
}
