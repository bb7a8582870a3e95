/**
 * `npm run bench:exchange`: time of the exchange between a coordinator and worker processes on loopback, beside the raw socket's limit and gloo's
 * all-reduce. Prints the report as JSON and as Markdown. Needs dist/ (npm run build); gloo from scripts/peers/setup.sh, else it is left out.
 *
 *     node scripts/bench_exchange.mjs [--workers 1,2,4] [--elements 1085002,10000000] [--steps 60] [--warmup 10] [--repeats 3] [--write]
 *
 * --write replaces the exchange's part of docs/benchmarks.md. PEERS names the folder of the peers' environments. Close everything else.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { interleave } from './bench_peers/choose.mjs';
import { describeMachine, runEntry } from './bench_peers/programs.mjs';
import { measureRawSocket } from './bench_exchange/raw_socket.mjs';
import { exchangeMarkdown, MARKS, percentile, summarizeExchange } from './bench_exchange/report.mjs';
import { measuredCommit, warnUnlessQuiet, writePart } from './measured.mjs';
import { readOptions } from './usage.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));
const { values: options } = readOptions(import.meta.filename, {
  options: {
    workers: { type: 'string', default: '1,2,4' },
    elements: { type: 'string', default: '1085002,10000000' },
    steps: { type: 'string', default: '60' },
    warmup: { type: 'string', default: '10' },
    repeats: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
  },
});
// It needs dist/, --help does not.
const { measureExchange } = await import('./bench_exchange/exchange.mjs');
const numbers = (name) => options[name].split(',').map((text) => wholeNumber(name, text));
const [steps] = numbers('steps');
const [warmup] = numbers('warmup');
const [repeats] = numbers('repeats');
const sizes = numbers('elements');
const counts = numbers('workers');
const cases = sizes.flatMap((elements) => counts.map((workers) => ({ elements, workers })));
const GLOO_PROCESSES = 2;
const peers = process.env.PEERS ?? join(homedir(), '.cache/tfjs-parallel-peers');

const machine = describeMachine();
warnUnlessQuiet(machine);
const versions = { Node: process.versions.node, 'tfjs-parallel': JSON.parse(readFileSync('package.json', 'utf8')).version };
const skipped = [];
const samples = [];
for (let round = 0; round < repeats; round++) {
  for (const { workers, elements } of interleave(cases, round)) {
    const setting = { workers, elements, steps, warmup };
    const raw = await measureRawSocket(setting);
    const ours = await measureExchange(setting);
    const gloo = await measureGloo(elements);
    samples.push({ workers, elements, ours, raw, gloo });
    const [step, limit] = [ours.step, raw].map((times) => percentile(times, 50).toFixed(1));
    const beside = gloo === null ? '' : `, gloo ${gloo.p50}`;
    console.error(
      `${round}\t${elements} weights, ${workers} workers: ${step} ms, raw ${limit}${beside}, longest turn ${ours.longestTurn.toFixed(1)}`,
    );
  }
}

const report = {
  date: new Date().toISOString().slice(0, 10),
  commit: measuredCommit(),
  command: ['npm run bench:exchange', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
  ...{ repeats, steps, warmup, machine, versions, rows: summarizeExchange(samples), skipped },
};
const markdown = exchangeMarkdown(report);
console.log(JSON.stringify(report, null, 1));
console.log(`\n${markdown}`);
if (options.write) writePart(MARKS, markdown);

/** Two processes of torchrun; null, with the reason told once, where there is no gloo. */
async function measureGloo(elements) {
  if (skipped.length > 0) return null;
  const entry = { program: 'gloo', args: [`${elements}`], env: {} };
  const { line, error } = await runEntry(entry, { peers, threads: GLOO_PROCESSES });
  if (line === undefined) {
    skipped.push(`gloo: ${error.replaceAll(peers, '$PEERS').replaceAll(homedir(), '~')}`);
    console.error(`left out: ${skipped[0]}`);
    return null;
  }
  versions.PyTorch = line.version;
  return { p50: line.ms_p50, p95: line.ms_p95 };
}

function wholeNumber(name, text) {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`error: --${name} must be whole numbers above 0`);
  process.exit(2);
}
