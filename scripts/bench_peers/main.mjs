/**
 * Runs our bench beside PyTorch, TensorFlow and MXNet in one go: each configuration once, then the best ones again, interleaved
 * and repeated. Writes docs/benchmarks.md (between its marks) and docs/benchmarks.json, where records of several processors stand side by side; on a
 * machine where other programs run it ends at once, or writes nothing at its end, and says so with exit 3.
 *
 * Usage: scripts/peers/setup.sh && npm run build && node scripts/bench_peers/main.mjs [options]
 *   --repeats N       interleaved repeats after the trial of all (default 5)
 *   --keep N          configurations of each system and task that are repeated (default 2)
 *   --tasks a,b       only these tasks: cnn_fp32, cnn_bf16, cnn_parallel, resnet_fp32, resnet_bf16, mlp_fp32, mlp_bf16, table_fp32,
 *                     transformer, transformer_parallel, resnet50, resnet50_parallel; the record keeps what it has of others
 *   --threads N       cores to use (default: all)
 *   --peers-only      leave our own bench out
 *   --isa avx2        hold every library down to these instructions; a record of its own
 *   --no-record       measure on a loaded machine too, print the page and write nothing
 *   --out FOLDER      where the two files go (default docs)
 *   --dry-run         print the command lines and stop
 * PEERS names the folder of the peers' environments. Close everything else: an hour on two cores.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseEntries, interleave, median, nextBest, summarize } from './choose.mjs';
import { entriesOf, ISA_ENVIRONMENT, sideEntries, targetOf, TASKS } from './plan.mjs';
import { processorTicks, shareOfOthers } from './processor_time.mjs';
import { commandOf, describeMachine, runEntry } from './programs.mjs';
import { readRecords, recordsText, withRecord } from './records.mjs';
import { insertReport, recordsMarkdown, reportMarkdown } from './table.mjs';
import { measuredCommit, refusalOfRecord, warnUnlessQuiet } from '../measured.mjs';
import { readOptions } from '../usage.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '../..'));
const { values: options } = readOptions(import.meta.filename, {
  options: {
    repeats: { type: 'string', default: '5' },
    keep: { type: 'string', default: '2' },
    tasks: { type: 'string', default: TASKS.map(({ id }) => id).join() },
    threads: { type: 'string', default: `${availableParallelism()}` },
    'peers-only': { type: 'boolean', default: false },
    isa: { type: 'string' },
    'no-record': { type: 'boolean', default: false },
    out: { type: 'string', default: 'docs' },
    'dry-run': { type: 'boolean', default: false },
  },
});
const threads = Number(options.threads);
const repeats = Number(options.repeats);
const peers = process.env.PEERS ?? join(homedir(), '.cache/tfjs-parallel-peers');
const heldTo = options.isa ?? null;
if (heldTo !== null && !(heldTo in ISA_ENVIRONMENT)) fail(`--isa knows ${Object.keys(ISA_ENVIRONMENT).join(', ')}`);
Object.assign(process.env, heldTo === null ? {} : ISA_ENVIRONMENT[heldTo]);
const machine = { ...describeMachine(), heldTo };
const mkl = join(peers, 'mkl_any_vendor.so');
const setting = { threads, anyVendorMkl: machine.isAmd && existsSync(mkl) ? mkl : null };
const where = { peers, threads };

const wanted = options.tasks.split(',');
const unknown = wanted.filter((id) => !TASKS.some((task) => task.id === id));
if (unknown.length) fail(`no task ${unknown.join(', ')}; there are ${TASKS.map(({ id }) => id).join(', ')}`);
for (const name of ['repeats', 'keep', 'threads']) {
  if (!(Number.isSafeInteger(Number(options[name])) && Number(options[name]) > 0))
    fail(`--${name} must be a whole number above 0`);
}
const tasks = TASKS.filter(({ id }) => wanted.includes(id));
const entries = tasks
  .flatMap((task) => entriesOf(task, setting))
  .filter(({ program }) => !(options['peers-only'] && program === 'ours'));
if (options['dry-run']) {
  for (const entry of [...entries, ...sideEntries(setting)]) {
    const env = Object.entries(entry.env).map(([name, value]) => `${name}=${value} `);
    console.log(`${entry.task}\t${entry.system}\t${entry.label}\t${env.join('')}${commandOf(entry, where).flat().join(' ')}`);
  }
  process.exit(0);
}
if (!options['peers-only'] && !existsSync('dist/cli/main.js')) fail('dist/ is not built: npm run build');

if (options['no-record']) warnUnlessQuiet(machine);
else refuseRecord(machine);
const ticksBefore = processorTicks();
const versions = { Node: process.versions.node };
const sideLines = [];
const trials = [];
for (const entry of entries) trials.push(await measure(entry, 'trial'));
let chosen = chooseEntries(trials, Number(options.keep));
const tried = [...chosen];
const samples = [];
for (let round = 0; round < repeats; round++) {
  for (const entry of interleave(chosen, round)) samples.push(await measure(entry, round));
  // One that ran in the trial and no more: the next best of its system goes on in its place.
  if (round === 0)
    chosen = chosen.flatMap((entry) => {
      if (samples.some((sample) => sample.entry === entry && sample.value !== undefined)) return [entry];
      const instead = nextBest(trials, entry, tried);
      if (instead !== null) tried.push(instead);
      return instead ?? [entry];
    });
  for (const entry of sideEntries(setting)) {
    const { line, error } = await runEntry(entry, where);
    say(entry, round, line ? JSON.stringify(line) : error);
    if (line) sideLines.push({ entry, line });
  }
}

// Systems that never ran are in no sample, and are missing all the same.
const lost = trials.filter(({ entry }) => !chosen.some(({ task, system }) => task === entry.task && system === entry.system));
const report = {
  date: new Date().toISOString().slice(0, 10),
  commit: measuredCommit(),
  command: ['node scripts/bench_peers/main.mjs', ...process.argv.slice(2)].join(' '),
  repeats,
  machine: { ...machine, othersShare: shareOfOthers(ticksBefore, processorTicks()) },
  versions,
  tasks: summarize([...samples, ...lost]).map((summary) => ({
    ...tasks.find(({ id }) => id === summary.task),
    target: targetOf(summary.task, machine),
    ...summary,
  })),
  limits: limitRows(sideLines),
  failures: [...trials, ...samples]
    .filter(({ error }) => error)
    .map(({ entry, error }) => ({ task: entry.task, system: entry.system, label: entry.label, reason: withoutPaths(error) })),
  trials: trials.map(plain),
  samples: samples.map(plain),
};
console.log(reportMarkdown(report));
if (!options['no-record']) {
  refuseRecord(report.machine);
  mkdirSync(options.out, { recursive: true });
  const [page, file] = ['benchmarks.md', 'benchmarks.json'].map((name) => join(options.out, name));
  const records = withRecord(readRecords(textOf(file)), report);
  writeFileSync(page, insertReport(textOf(page) ?? '# Benchmarks\n', recordsMarkdown(records)));
  writeFileSync(file, recordsText(records));
}

function textOf(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : null;
}

function refuseRecord(of) {
  const refusal = refusalOfRecord(of);
  if (refusal === null) return;
  console.error(`error: ${refusal}`);
  process.exit(3);
}

/** A program that ends without a figure, killed by something else for instance, is started once more. */
async function measure(entry, round) {
  const first = await measureOnce(entry, round);
  return first.error === undefined || first.isMissing ? first : measureOnce(entry, round);
}

async function measureOnce(entry, round) {
  const { line, error, isMissing } = await runEntry(entry, where);
  say(entry, round, line ? `${line.images_per_s.toFixed(0)} images/s` : error);
  if (!line) return { entry, round, error, isMissing };
  if (entry.program === 'ours') {
    versions['tfjs-parallel'] = line.versions.tfjs_parallel;
    versions['its TensorFlow'] = line.versions.tensorflow;
  } else versions[entry.system] = line.version;
  return { entry, round, value: line.images_per_s, memoryMb: line.peak_memory_mb, line };
}

function limitRows(lines) {
  const rows = [];
  const row = (what, unit, values) => {
    if (values.length) rows.push({ what, unit, median: median(values), min: Math.min(...values), max: Math.max(...values) });
  };
  const of = (program, key) => lines.filter(({ entry }) => entry.program === program).map(({ line }) => line[key]);
  row(`matrix product 2048³, fp32, ${threads} threads`, 'GFLOP/s', of('gemm', 'fp32_gflops'));
  row(`matrix product 2048³, bf16, ${threads} threads`, 'GFLOP/s', of('gemm', 'bf16_gflops'));
  row(`gloo all-reduce of 1,085,002 floats, ${threads} processes`, 'ms', of('gloo', 'ms_p50'));
  const exchange = samples.filter(({ entry, line }) => entry.task === 'cnn_parallel' && entry.program === 'ours' && line);
  row(
    `our exchange of the same, ${threads} replicas: reduce, SGD, publish`,
    'ms',
    exchange.map(({ line }) => line.exchange_ms.p50),
  );
  return rows;
}

function plain({ entry, round, value, error, line }) {
  const { task, system, label } = entry;
  return {
    task,
    system,
    label,
    round,
    ...(error ? { error: withoutPaths(error) } : { images_per_s: value, ms_p95: line.ms_p95 ?? line.step_ms?.p95 }),
  };
}

function withoutPaths(text) {
  return text.replaceAll(process.cwd(), '.').replaceAll(peers, '$PEERS').replaceAll(homedir(), '~');
}

function say(entry, round, text) {
  console.error(`${round}\t${entry.task}\t${entry.system}\t${entry.label}\t${text}`);
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(2);
}
