/**
 * Owns: the curves of a run as SVG, drawn by Observable Plot on a small DOM.
 * Does not: load either: whoever draws hands them in (drawing.ts), because they are bundled into dist/.
 */
import type { Pair } from '../../common/judged_classes.js';
import type { Drawing, Mark } from './drawing.js';
import type { RunStory } from './run_story.js';

export interface Chart {
  readonly title: string;
  readonly svg: string;
}

/** Where a chart's lines come from. */
interface Point {
  readonly x: number;
  readonly y: number;
  readonly line: string;
}

const SIZE = { width: 640, height: 240, marginLeft: 56, marginRight: 84, marginTop: 16 };
/** Of a line's name, in pixels. */
const NAME_HEIGHT = 11;
/** Okabe and Ito's colors, told apart by everyone. */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

/** Loss, each metric, learning rate, time of a step and throughput; those that the run has nothing of are left out. */
export function drawCharts(story: RunStory, drawing: Drawing): Chart[] {
  const metrics = story.names.filter((name) => !name.startsWith('val_'));
  return [
    ...metrics.map((name) => ({ title: name, svg: curve(story, drawing, name) })),
    ...(story.points.length > 0 ? [{ title: 'learning rate', svg: learningRate(story, drawing) }] : []),
    ...(story.epochs.some(({ phases }) => Object.keys(phases).length > 0)
      ? [{ title: 'time of a step, ms', svg: time(story, drawing) }]
      : []),
    ...(story.epochs.length > 0 ? [{ title: 'examples a second', svg: throughput(story, drawing) }] : []),
  ];
}

/** Training and validation by epoch; the loss of single steps behind them; the best epoch as a rule, saved ones as rings. */
function curve(story: RunStory, drawing: Drawing, name: string): string {
  const points = ['', 'val_'].flatMap((prefix) =>
    story.epochs.flatMap(({ epoch, values }): Point[] => {
      const y = values[`${prefix}${name}`];
      return y == null ? [] : [{ x: epoch, y, line: prefix === '' ? 'training' : 'validation' }];
    }),
  );
  const steps =
    name === 'loss'
      ? story.points.flatMap(({ at, loss }): Point[] => (loss === null ? [] : [{ x: at, y: loss, line: 'steps' }]))
      : [];
  const shown = story.epochs.filter(({ saved }) => saved).map(({ epoch }) => epoch);
  const saved = points.filter(({ x, line }) => line === 'validation' && shown.includes(x));
  const { best } = story;
  return draw(drawing, 'epoch', [
    ...(steps.length > 0 ? [drawing.lineY(steps, { x: 'x', y: 'y', stroke: 'currentColor', strokeOpacity: 0.25 })] : []),
    ...lines(drawing, points),
    ...(best === null ? [] : [drawing.ruleX([best.epoch], { stroke: 'currentColor', strokeDasharray: '2,3' })]),
    drawing.dot(saved, { x: 'x', y: 'y', r: 4, stroke: 'currentColor' }),
  ]);
}

function learningRate(story: RunStory, drawing: Drawing): string {
  const points = story.points.map(({ at, learningRate: y }) => ({ x: at, y, line: '' }));
  return draw(drawing, 'epoch', lines(drawing, points));
}

/** Mean of each epoch's steps, phase on phase. */
function time(story: RunStory, drawing: Drawing): string {
  const parts = story.epochs.flatMap(({ epoch, phases }) =>
    Object.entries(phases).map(([phase, ms]) => ({ from: epoch - 0.5, to: epoch + 0.5, ms, phase })),
  );
  const order = [...new Set(parts.map(({ phase }) => phase))];
  const svg = draw(
    drawing,
    'epoch',
    [drawing.rectY(parts, { x1: 'from', x2: 'to', y: 'ms', z: 'phase', fill: 'phase', order, insetLeft: 0.5 })],
    order,
  );
  const swatches = order.map(
    (phase, index) =>
      `<g transform="translate(${SIZE.width - SIZE.marginRight + 8},${SIZE.marginTop + 14 * index})">` +
      `<rect width="10" height="10" fill="${COLORS[index % COLORS.length]}"/><text x="14" y="9" text-anchor="start">${phase}</text></g>`,
  );
  return svg.replace(/<\/svg>$/, `${swatches.join('')}</svg>`);
}

function throughput(story: RunStory, drawing: Drawing): string {
  const points = story.epochs.map(({ epoch, imagesPerS }) => ({ x: epoch, y: imagesPerS, line: '' }));
  return draw(drawing, 'epoch', [drawing.ruleY([0]), ...lines(drawing, points)]);
}

/** Each line with its name at its end; a line of one point is a dot. */
function lines(drawing: Drawing, points: readonly Point[]): Mark[] {
  // Named, because Plot warns where it finds as many lines as points: after the first epoch.
  const options = { x: 'x', y: 'y', z: 'line', stroke: 'line' };
  const last = new Map(points.filter(({ line }) => line !== '').map((point) => [point.line, point]));
  const ends = [...last.values()].sort((a, b) => b.y - a.y);
  return [
    drawing.lineY(points, options),
    ...(points.length <= 2 ? [drawing.dot(points, { x: 'x', y: 'y', z: 'line', fill: 'line' })] : []),
    // Apart by a line of text, the upper one above: where lines end in one place their names would cover each other.
    ...ends.map((end, at) =>
      drawing.text([end], {
        ...{ x: 'x', y: 'y', text: 'line', fill: 'line', textAnchor: 'start' },
        ...{ dx: 6, dy: (at - (ends.length - 1) / 2) * NAME_HEIGHT },
      }),
    ),
  ];
}

function draw(drawing: Drawing, label: string, marks: readonly Mark[], domain?: readonly string[]): string {
  const color = { range: COLORS, ...(domain === undefined ? { domain: ['training', 'validation', ''] } : { domain }) };
  const { document } = drawing.parseHTML('<!doctype html><html><body></body></html>');
  const x = { label, tickFormat: (at: number) => (Number.isInteger(at) ? String(at) : '') };
  const options = { ...SIZE, document, x, y: { label: null, grid: true, nice: true }, color, marks };
  return drawing.plot(options).outerHTML;
}

/** Up to so many classes, each cell holds its count. */
const COUNTED_CLASSES = 20;

/** Of the axes' text of 10 pixels, rather more than less. */
const CHARACTER_PX = 6;

export interface Classes {
  readonly classes: number;
  /** What class `at` is called. */
  readonly named: (at: number) => string;
}

/** A row for each class, a column for what was said of it; the darker a cell, the larger its share of the row. Only cells that are not empty. */
export function drawConfusion(pairs: readonly Pair[], { classes, named }: Classes, drawing: Drawing): string {
  const rows = new Map<number, number>();
  for (const { is, count } of pairs) rows.set(is, (rows.get(is) ?? 0) + count);
  const cells = pairs.map((pair) => ({ ...pair, share: pair.count / (rows.get(pair.is) ?? 1) }));
  const domain = Array.from({ length: classes }, (_, at) => at);
  const every = Math.ceil(classes / COUNTED_CLASSES);
  const tickFormat = (at: number): string => (at % every === 0 ? named(at) : '');
  const side = { domain, tickFormat, tickSize: 0 };
  const longest = CHARACTER_PX * Math.max(...domain.map((at) => tickFormat(at).length));
  // Slanted where names would run into each other: then they take their length × sin 40° in height.
  const slant = longest > (514 - longest) / classes ? 40 : 0;
  const margins = { marginLeft: 38 + longest, marginTop: 40 + (slant === 0 ? 0 : 0.65 * longest) };
  const at = { x: 'said', y: 'is' };
  const { document } = drawing.parseHTML('<!doctype html><html><body></body></html>');
  const { outerHTML: svg } = drawing.plot({
    ...{ width: 560, height: 520, ...margins, marginRight: 8, marginBottom: 8, padding: 0.04, document },
    x: { ...side, axis: 'top', label: 'said', tickRotate: -slant },
    y: { ...side, label: 'is' },
    color: { type: 'sqrt', domain: [0, 1], range: ['#e8eef4', COLORS[0]] },
    marks: [
      drawing.cell(cells, { ...at, fill: 'share' }),
      ...(classes > COUNTED_CLASSES
        ? []
        : [
            drawing.text(cells, { ...at, text: 'count', fill: 'black', filter: ({ share }: { share: number }) => share <= 0.4 }),
            drawing.text(cells, { ...at, text: 'count', fill: 'white', filter: ({ share }: { share: number }) => share > 0.4 }),
          ]),
    ],
  });
  // A hundredth of a pixel is enough for ten thousand cells.
  return svg.replace(/<[^>]*>/g, (tag) => tag.replace(/(\.\d\d)\d+/g, '$1'));
}

/** results.svg: the charts below each other, each with its title, on white. */
export function stackCharts(charts: readonly Chart[], title: string): string {
  const step = SIZE.height + 28;
  const parts = charts.map(
    ({ title: name, svg }, index) =>
      `<g transform="translate(0,${36 + index * step})"><text x="12" y="12" font-weight="bold">${escaped(name)}</text>` +
      `<g transform="translate(0,18)">${svg}</g></g>`,
  );
  const height = 44 + charts.length * step;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${SIZE.width}" height="${height}" viewBox="0 0 ${SIZE.width} ${height}" ` +
    `font-family="system-ui, sans-serif" font-size="12" color="black" fill="black"><rect width="100%" height="100%" fill="white"/>` +
    `<text x="12" y="20" font-size="14">${escaped(title)}</text>${parts.join('')}</svg>\n`
  );
}

/** For text and attributes of HTML and SVG alike. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
