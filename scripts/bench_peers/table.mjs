/**
 * Owns: the report as Markdown, and its place between two marks of docs/benchmarks.md, so that other text there stays. Pure.
 * Does not: compute (choose.mjs) or write files (main.mjs).
 */
import { refusalOfRecord } from '../measured.mjs';
import { replacePart } from '../page_part.mjs';

export const BEGIN = '<!-- bench_peers begins: written by scripts/bench_peers, do not edit -->';
export const END = '<!-- bench_peers ends -->';

/** Every record under a heading of its processor. */
export function recordsMarkdown(records) {
  return records.map((report) => `## ${headingOf(report.machine)}\n\n${reportMarkdown(report)}`).join('\n');
}

function headingOf({ processor, cores, instructions, heldTo = null }) {
  const held = heldTo === null ? '' : `, held to ${heldTo.toUpperCase()}`;
  return `Beside peers: ${processor}, ${cores} cores, ${widest(instructions)}${held}`;
}

/** The widest of a processor's instructions that says what it is fast at. */
function widest(instructions) {
  const known = {
    amx_bf16: 'AMX',
    avx512_bf16: 'AVX-512 with bf16',
    avx512f: 'AVX-512',
    avx2: 'AVX2',
    sve: 'SVE',
    asimd: 'NEON',
  };
  return Object.entries(known).find(([name]) => instructions.includes(name))?.[1] ?? 'no vector instructions known';
}

/** `report` is one record of docs/benchmarks.json. */
export function reportMarkdown(report) {
  const { machine, versions, repeats, command, date, commit, limits, failures } = report;
  const lines = [
    `Measured ${date} at commit ${commit}, with \`${command}\`: every configuration once, then the fastest of each system`,
    `${repeats} times, interleaved. Images per second of a training step, at batch 200 where the title names none: the median, and the range over the repeats.`,
    'A figure counts only as a ratio within this run. Peak memory is resident memory of all its processes.',
    '',
    `* Processor: ${machine.processor}, ${machine.cores} cores (${machine.instructions.join(', ') || 'no AVX-512 or AMX'}), ${machine.memoryGb} GB; load average before the run ${machine.loadBefore.toFixed(2)}${shareText(machine)}`,
    `* Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
    '',
  ];
  const refusal = refusalOfRecord(machine);
  if (refusal !== null) lines.push('**The machine was not quiet: repeat this before quoting anything.**', '');
  for (const { title, target, rows, ratio, missing = [], earlier } of report.tasks) {
    const told = rows.some(({ memoryMb }) => memoryMb !== undefined);
    lines.push(
      `### ${title}`,
      '',
      ...(earlier ? [`Measured ${earlier.date} at commit ${earlier.commit}.`, ''] : []),
      `| system | best configuration | images/s | range | repeats |${told ? ' peak memory, MB |' : ''}`,
      `| --- | --- | ---: | ---: | ---: |${told ? ' ---: |' : ''}`,
    );
    for (const row of rows)
      lines.push(
        `| ${row.system} | ${row.label} | ${rate(row.median)} | ${rate(row.min)}–${rate(row.max)} | ${row.repeats} |${told ? ` ${memory(row)} |` : ''}`,
      );
    lines.push('');
    if (ratio) lines.push(ratioLine(ratio, target), '');
    if (missing.length)
      lines.push(`Without a figure: ${missing.join(', ')}; a ratio to the best peer is one to the best of the others.`, '');
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

function shareText({ othersShare = null }) {
  return othersShare === null ? '' : `; other programs took ${(100 * othersShare).toFixed(1)} % of the processor time during it`;
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

const memory = ({ memoryMb }) => (memoryMb === undefined ? '–' : rate(memoryMb));
const rate = (value) => Math.round(value).toLocaleString('en-US');
const figure = (value) => (value >= 100 ? rate(value) : value.toPrecision(3));
