/**
 * Owns: the report as Markdown, and its place between two marks of docs/benchmarks.md, so that other text there stays. Pure.
 * Does not: compute (choose.mjs) or write files (main.mjs).
 */
import { replacePart } from '../page_part.mjs';

export const BEGIN = '<!-- bench_peers begins: written by scripts/bench_peers, do not edit -->';
export const END = '<!-- bench_peers ends -->';

/** Load average above which other programs surely took part of the cores. */
const QUIET_LOAD = 0.5;

/** `report` is what docs/benchmarks.json holds. */
export function reportMarkdown(report) {
  const { machine, versions, repeats, command, date, commit, limits, failures } = report;
  const lines = [
    `Measured ${date} at commit ${commit}, with \`${command}\`: every configuration once, then the fastest of each system`,
    `${repeats} times, interleaved. Images per second of a training step at batch 200: the median, and the range over the repeats.`,
    'A figure counts only as a ratio within this run.',
    '',
    `* Processor: ${machine.processor}, ${machine.cores} cores (${machine.instructions.join(', ') || 'no AVX-512 or AMX'}), ${machine.memoryGb} GB; load average before the run ${machine.loadBefore.toFixed(2)}`,
    `* Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
    '',
  ];
  if (machine.loadBefore > QUIET_LOAD)
    lines.push('**The machine was not quiet when this run began: repeat it before quoting anything.**', '');
  for (const { title, target, rows, ratio } of report.tasks) {
    lines.push(
      `### ${title}`,
      '',
      '| system | best configuration | images/s | range | repeats |',
      '| --- | --- | ---: | ---: | ---: |',
    );
    for (const row of rows)
      lines.push(`| ${row.system} | ${row.label} | ${rate(row.median)} | ${rate(row.min)}–${rate(row.max)} | ${row.repeats} |`);
    lines.push('');
    if (ratio) lines.push(ratioLine(ratio, target), '');
  }
  if (limits.length) {
    lines.push('### Limits and exchange', '', '| what | figure | range |', '| --- | ---: | ---: |');
    for (const { what, median, min, max, unit } of limits)
      lines.push(`| ${what} | ${figure(median)} ${unit} | ${figure(min)}–${figure(max)} |`);
    lines.push('');
  }
  if (failures.length) {
    lines.push('Configurations that did not run:', '');
    for (const { task, system, label, reason } of failures) lines.push(`* ${task}, ${system}, ${label}: ${reason}`);
    lines.push('');
  }
  return lines.join('\n');
}

function ratioLine({ peer, ofMedians, min, max }, target) {
  const range = min === null ? '' : ` (${min.toFixed(2)}–${max.toFixed(2)} within one repeat)`;
  const verdict = target === null ? '' : `; target ${target.toFixed(2)}: ${ofMedians >= target ? 'met' : 'missed'}`;
  return `tfjs-parallel ÷ ${peer}, the best peer: **${ofMedians.toFixed(2)}**${range}${verdict}.`;
}

/** Puts `body` between the marks of `text`. */
export function insertReport(text, body) {
  return replacePart(text, { begin: BEGIN, end: END }, body);
}

const rate = (value) => Math.round(value).toLocaleString('en-US');
const figure = (value) => (value >= 100 ? rate(value) : value.toPrecision(3));
