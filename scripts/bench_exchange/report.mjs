/**
 * Owns: the arithmetic of the exchange benchmark and its page. Pure. Does not: measure, or write files (../bench_exchange.mjs).
 *
 * A sample is what one repeat of one case measured: { workers, elements, ours: { step, round, update, longestTurn, repeated }, raw, gloo },
 * times in ms per step; `gloo` is { p50, p95 } or null.
 */
import { median } from '../bench_peers/choose.mjs';

export const MARKS = { begin: '<!-- exchange:begin -->', end: '<!-- exchange:end -->' };

/** Issue's target: two workers, the reference CNN's gradients. */
export const TARGET = { workers: 2, elements: 1_085_002, ofGloo: 2, longestTurnMs: 50 };

/** Load average above which other programs surely took part of the cores. */
const QUIET_LOAD = 0.5;
const BYTES_PER_ELEMENT = 4;

/** Nearest rank: of 12 values the median is the 6th, p95 the 12th. */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
}

/** One row per case, in order of appearance: medians over the repeats, and the ratios' range within one repeat. */
export function summarizeExchange(samples) {
  const cases = new Map();
  for (const sample of samples) {
    const key = `${sample.workers}/${sample.elements}`;
    cases.set(key, [...(cases.get(key) ?? []), sample]);
  }
  return [...cases.values()].map((repeats) => {
    const [{ workers, elements }] = repeats;
    const over = (read) => median(repeats.map(read));
    const p50 = over(({ ours }) => percentile(ours.step, 50));
    const withGloo = repeats.filter(({ gloo }) => gloo !== null);
    return {
      workers,
      elements,
      repeats: repeats.length,
      p50,
      p95: over(({ ours }) => percentile(ours.step, 95)),
      round: over(({ ours }) => percentile(ours.round, 50)),
      update: over(({ ours }) => percentile(ours.update, 50)),
      longestTurn: Math.max(...repeats.map(({ ours }) => ours.longestTurn)),
      repeated: repeats.reduce((sum, { ours }) => sum + ours.repeated, 0),
      // Parameters out and a gradient back, for each worker.
      megabytesPerSecond: (2 * workers * elements * BYTES_PER_ELEMENT) / 1e6 / (p50 / 1e3),
      raw: over(({ raw }) => percentile(raw, 50)),
      ofRaw: ratio(repeats, ({ raw }) => percentile(raw, 50)),
      gloo: withGloo.length === 0 ? null : median(withGloo.map(({ gloo }) => gloo.p50)),
      ofGloo: withGloo.length === 0 ? null : ratio(withGloo, ({ gloo }) => gloo.p50),
    };
  });
}

function ratio(repeats, other) {
  const each = repeats.map((sample) => percentile(sample.ours.step, 50) / other(sample));
  const ours = median(repeats.map(({ ours: { step } }) => percentile(step, 50)));
  return { ofMedians: ours / median(repeats.map(other)), min: Math.min(...each), max: Math.max(...each) };
}

/** `report` is what is printed as JSON. */
export function exchangeMarkdown({ date, commit, command, repeats, steps, warmup, machine, versions, rows, skipped }) {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    '## Exchange between processes',
    '',
    `Measured ${date} at commit ${commit}, with \`${command}\`: ${steps} steps after ${warmup} for warm-up, ${repeats} times, interleaved; medians. A`,
    'coordinator and worker processes on loopback, plain, one shard each, whose gradient is ready at once: a step is parameters out, gradients',
    'back, reduce, SGD, publish. Raw socket: the same bytes each way through `node:net` and nothing done to them. gloo: all-reduce of as many floats',
    'between two processes. The longest turn is that of the coordinator, in all repeats, 1 ms of measuring included.',
    '',
    `* Processor: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGb} GB; load average before the run ${machine.loadBefore.toFixed(2)}`,
    `* Versions: ${named.join(', ')}`,
    '',
  ];
  if (machine.loadBefore > QUIET_LOAD)
    lines.push('**The machine was not quiet when this run began: repeat it before quoting anything.**', '');
  lines.push(
    '| weights | workers | step, ms | 95 % | out and back | reduce, SGD | MB/s | raw socket, ms | ÷ raw | gloo, ms | ÷ gloo | longest turn, ms |',
    '| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
  );
  for (const row of rows) {
    const times = [row.p50, row.p95, row.round, row.update].map(figure);
    const cells = [row.elements.toLocaleString('en-US'), row.workers, ...times, figure(row.megabytesPerSecond)];
    const limits = [figure(row.raw), ranged(row.ofRaw), row.gloo === null ? '–' : figure(row.gloo), ranged(row.ofGloo)];
    lines.push(`| ${[...cells, ...limits, figure(row.longestTurn)].join(' | ')} |`);
  }
  lines.push('', ...verdicts(rows), '');
  for (const { workers, elements, repeated } of rows)
    if (repeated > 0)
      lines.push(
        `* ${elements.toLocaleString('en-US')} weights, ${workers} workers: ${repeated} shards were repeated for speed.`,
      );
  for (const reason of skipped) lines.push(`* Left out: ${reason}`);
  return `${lines.join('\n').trimEnd()}\n`;
}

/** One line for each half of the target, where it was measured. */
export function verdicts(rows) {
  const { workers, elements, ofGloo, longestTurnMs } = TARGET;
  const lines = [];
  const row = rows.find((candidate) => candidate.workers === workers && candidate.elements === elements);
  if (row?.ofGloo) {
    const met = row.ofGloo.ofMedians <= ofGloo ? 'met' : 'missed';
    lines.push(`Two workers at 1.09 M ÷ gloo: **${row.ofGloo.ofMedians.toFixed(2)}**; target at most ${ofGloo}: ${met}.`);
  }
  if (rows.length > 0) {
    const longest = Math.max(...rows.map(({ longestTurn }) => longestTurn));
    const met = longest <= longestTurnMs ? 'met' : 'missed';
    lines.push(`Longest turn of the event loop: **${figure(longest)} ms**; target at most ${longestTurnMs} ms: ${met}.`);
  }
  return lines.length === 2 ? [lines[0], '', lines[1]] : lines;
}

const figure = (value) => (value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3));
const ranged = (of) => (of === null ? '–' : `${of.ofMedians.toFixed(2)} (${of.min.toFixed(2)}–${of.max.toFixed(2)})`);
