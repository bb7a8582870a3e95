/**
 * `npm run bench:footprint`: what surrounds the step: time of --help and to the first step, a whole epoch against the step's rate, memory of an added
 * replica. Prints JSON and Markdown; needs dist/ (npm run build). Close everything else.
 *
 *     node scripts/bench_footprint.mjs [--repeats 3] [--data-dir MNIST] [--precision fp32] [--write]
 *
 * Without --data-dir the epoch is one of synthetic digits. --write replaces the footprint's part of docs/benchmarks.md.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { median } from './bench_peers/choose.mjs';
import { describeMachine, jsonLine } from './bench_peers/programs.mjs';
import { measuredCommit, warnUnlessQuiet, writePart } from './measured.mjs';
import { readOptions } from './usage.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));
const { values: options } = readOptions(import.meta.filename, {
  options: {
    repeats: { type: 'string', default: '3' },
    'data-dir': { type: 'string' },
    precision: { type: 'string', default: 'fp32' },
    write: { type: 'boolean', default: false },
  },
});
const MARKS = { begin: '<!-- footprint:begin -->', end: '<!-- footprint:end -->' };
const TARGET = { helpMs: 150, firstStepS: 5, epochOfStep: 0.95, replicaMb: 150 };
const CLI = 'dist/cli/main.js';
const EPOCH_EXAMPLES = 60_000;
const EVALUATED = 10_000;
const WARM_UP_STEPS = 20;
const BATCH = 200;
const PRECISION = ['--precision', options.precision];

const machine = describeMachine();
warnUnlessQuiet(machine);
const repeats = Number(options.repeats);
const samples = [];
for (let round = 0; round < repeats; round++) {
  samples.push({ help: helpMs(), ...memory(), ...(await epoch()) });
  console.error(`${round}\t${JSON.stringify(samples.at(-1))}`);
}
const of = (key) => {
  const values = samples.map((sample) => sample[key]);
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
};
const report = {
  date: new Date().toISOString().slice(0, 10),
  commit: measuredCommit(),
  command: ['npm run bench:footprint', ...(process.argv.length > 2 ? ['--', ...shown(process.argv.slice(2))] : [])].join(' '),
  machine,
  versions: { Node: process.versions.node, 'tfjs-parallel': JSON.parse(readFileSync('package.json', 'utf8')).version },
  repeats,
  figures: Object.fromEntries(Object.keys(samples[0]).map((key) => [key, of(key)])),
};
console.log(JSON.stringify(report, null, 1));
const markdown = toMarkdown(report);
console.log(`\n${markdown}`);
if (options.write) writePart(MARKS, markdown);

function helpMs() {
  const times = Array.from({ length: 11 }, () => {
    const begun = performance.now();
    execFileSync(process.execPath, [CLI, '--help'], { stdio: 'ignore' });
    return performance.now() - begun;
  });
  return median(times);
}

/** Peak resident memory of one replica at two batches gives what an example's activations take; two replicas, what a replica takes beside them. */
function memory() {
  const [small, large, two] = [bench(1, 100), bench(1, 200), bench(2, 200)];
  const activations = large.peak_memory_mb - small.peak_memory_mb;
  return { firstStep: large.first_step_s, activations, replica: two.peak_memory_mb - small.peak_memory_mb - activations };
}

function bench(workers, batch, steps = 12) {
  const size = ['--workers', `${workers}`, '--threads-per-worker', '1', '--batch', `${batch}`];
  const args = [CLI, 'bench', '--gpus', 'none', ...size, ...PRECISION, '--steps', `${steps}`, '--reporter', 'json'];
  return jsonLine(execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
}

/** An epoch of a real `train`, by the clock of who reads its lines, between two measurements of the bare step. */
async function epoch() {
  const before = bench(2, 200, 40).images_per_s;
  const folder = mkdtempSync(join(tmpdir(), 'tfjs-parallel-footprint-'));
  const data = options['data-dir'] === undefined ? ['--data', 'synthetic'] : ['--data-dir', options['data-dir']];
  const size = [
    '--train-limit',
    `${EPOCH_EXAMPLES}`,
    '--validation-limit',
    `${EVALUATED}`,
    '--epochs',
    '1',
    '--batch',
    `${BATCH}`,
  ];
  const args = [CLI, 'train', ...data, ...size, ...PRECISION, '--gpus', 'none', '--workers', '2', '--threads-per-worker', '1'];
  const child = spawn(process.execPath, [...args, '--log-every', '1', '--reporter', 'json', '--run-dir', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ends = { epoch: [], step: [] };
  for await (const line of createInterface({ input: child.stdout })) {
    const { type } = JSON.parse(line);
    if (type in ends) ends[type].push(performance.now());
  }
  rmSync(folder, { recursive: true });
  const rate = (before + bench(2, 200, 40).images_per_s) / 2;
  const counted = EPOCH_EXAMPLES - WARM_UP_STEPS * BATCH;
  const begun = ends.step[WARM_UP_STEPS - 1];
  const ratio = (end) => counted / ((end - begun) / 1000) / rate;
  return { rate, epochOfStep: ratio(ends.step.at(-1)), epochWithEvaluation: ratio(ends.epoch[0]) };
}

function toMarkdown({ date, commit, command, machine, versions, repeats, figures }) {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const row = (what, { median: value, min, max }, digits, unit, target) => {
    const shownTarget = target === null ? '–' : `${target.text}: ${target.met(value) ? 'met' : 'missed'}`;
    return `| ${what} | ${value.toFixed(digits)}${unit} | ${min.toFixed(digits)}–${max.toFixed(digits)} | ${shownTarget} |`;
  };
  const atMost = (limit, unit) => ({ text: `≤ ${limit}${unit}`, met: (value) => value <= limit });
  const atLeast = (limit) => ({ text: `≥ ${limit}`, met: (value) => value >= limit });
  return `${[
    '## Around the step',
    '',
    `Measured ${date} at commit ${commit}, with \`${command}\`: medians and ranges of ${repeats} repeats, two replicas of one thread, ${options.precision}.`,
    `An epoch is one of \`train\` on ${EPOCH_EXAMPLES.toLocaleString('en-US')} examples, its first ${WARM_UP_STEPS} steps left out, shuffling, metrics and checkpoints included,`,
    `against \`bench\` before and after it. The last row adds the evaluation of ${EVALUATED.toLocaleString('en-US')} examples: a forward pass is a third of a step's`,
    'arithmetic, so that with it 0.947 would be the most. Memory is peak resident memory: what a second replica adds, less the activations of its 100 examples.',
    '',
    `* Processor: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGb} GB; load average before the run ${machine.loadBefore.toFixed(2)}`,
    `* Versions: ${named.join(', ')}`,
    '',
    '| what | median | range | target |',
    '| --- | ---: | ---: | --- |',
    row('`--help`', figures.help, 0, ' ms', atMost(TARGET.helpMs, ' ms')),
    row(
      'from the start of the process to the end of its first step',
      figures.firstStep,
      2,
      ' s',
      atMost(TARGET.firstStepS, ' s'),
    ),
    row('memory of an added replica beside its activations', figures.replica, 0, ' MB', atMost(TARGET.replicaMb, ' MB')),
    row('activations of 100 examples', figures.activations, 0, ' MB', null),
    row('training of a whole epoch ÷ the step alone', figures.epochOfStep, 3, '', atLeast(TARGET.epochOfStep)),
    row('the same with evaluation', figures.epochWithEvaluation, 3, '', null),
  ].join('\n')}\n`;
}

/** A folder of this machine's user is nobody's business. */
function shown(args) {
  const at = args.indexOf('--data-dir');
  return at < 0 ? args : args.map((arg, index) => (index === at + 1 ? 'MNIST' : arg));
}
