/**
 * Owns: `npm run crash -- --runs N`: kills training at random instants and inside write, fsync and rename, resumes until done, and compares with the
 * undisturbed run: the same weights_sha256, saved models, and metrics lines but for times and rates. Exit 1 where one differs.
 * Does not: build (npm run build) or choose what training does.
 *
 *     node scripts/crash.mjs --runs 20 [--seed 1] [--continue FILE] [--reference] [--keep] [--build dist] [-- more flags of train]
 *
 * --continue goes on after the runs that FILE has, and adds to it, so that thousands can be made in pieces. --reference trains the reference CNN instead of a tiny model. --keep leaves the run folders for a look.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openJournal } from './crash/journal.mjs';
import { comparableLines, drawPlan, firstDifference } from './crash/plan.mjs';
import { readOptions } from './usage.mjs';

const EXPECTED_CODES = { SIGTERM: 75, SIGUSR1: 75, SIGINT: 130 };
const STOP_LIMIT_MS = 10_000;
const SECOND_INTERRUPT_LIMIT_MS = 1_000;

const { values: options, positionals: more } = readOptions(import.meta.filename, {
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    continue: { type: 'string' },
    reference: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    build: { type: 'string', default: 'dist' },
  },
});
const root = resolve(import.meta.dirname, '..');
const runDir = mkdtempSync(join(tmpdir(), 'tfjs-parallel-crash-'));
const flags = (text) => text.split(' ');
const tiny = [
  '--model',
  join(root, 'scripts/crash/tiny_model.mjs'),
  ...flags('--train-limit 600 --validation-limit 100 --epochs 3 --batch 50'),
];
const reference = flags('--model gluon_cnn --train-limit 590 --validation-limit 200 --epochs 2 --batch 50');
const settings = [
  ...(options.reference ? reference : tiny),
  ...flags('--data synthetic --gpus none --shards 2 --threads-per-worker 1 --lr 0.05 --set optimizer.momentum=0.9'),
  // A state every few steps: more moments inside a write.
  ...flags('--save-above 0 --log-every 1 --state-every'),
  ...['epoch,7 steps', '--run-dir', runDir],
  ...more,
];

const started = performance.now();
const undisturbed = await start(['--name', 'undisturbed', '--workers', '2', ...settings]);
if (undisturbed.code !== 0) fail(`the undisturbed run ended with ${undisturbed.code}\n${undisturbed.errors}`);
const wanted = metricsOf('undisturbed');
const hash = JSON.parse(wanted.at(-1)).weights_sha256;
console.log(`undisturbed: ${wanted.length} lines in ${seconds(undisturbed.ms)}, weights_sha256 ${hash}`);

const journal = openJournal({
  file: options.continue ?? null,
  seed: Number(options.seed),
  settings: { crash: options.reference ? 'reference' : 'tiny', more },
});
const counts = { starts: 0, kills: 0 };
for (let run = 1; run <= Number(options.runs); run++) {
  if (journal.done.has(run)) continue;
  const random = journal.randomOf(run);
  const plan = drawPlan(random, undisturbed.ms);
  const workers = () => ['--workers', String(1 + Math.floor(random() * 2))];
  Object.assign(counts, { starts: 0, kills: 0 });
  const { problem, story } = await disturbedRun(`run-${run}`, plan, workers);
  journal.add({ run, equal: problem === null, hash, ...counts });
  console.log(`${String(run).padStart(4)} ${problem === null ? 'equal ' : 'DIFFERS'} ${story.join(' · ')}`);
  if (problem !== null) console.log(problem);
  else if (!options.keep) rmSync(join(runDir, `run-${run}`), { recursive: true });
}
const records = [...journal.done.values()].filter(({ run }) => run <= Number(options.runs));
const sum = (key) => records.reduce((total, record) => total + Number(record[key]), 0);
const differing = records.length - sum('equal');
console.log(
  `${records.length} runs, seed ${options.seed}, ${options.reference ? 'reference CNN' : 'tiny model'}: ${sum('starts')} starts, ${sum('kills')} ended by a disturbance, ` +
    `${differing} differ from the undisturbed run; ${journal.provenance()}; ${seconds(performance.now() - started)}`,
);
if (options.keep || differing > 0) console.log(`run folders: ${runDir}`);
else rmSync(runDir, { recursive: true });
process.exitCode = differing === 0 ? 0 : 1;

/** Starts, disturbs, resumes until the run is done. Returns what happened and what is wrong with the outcome, null if nothing. */
async function disturbedRun(name, plan, workers) {
  const story = [];
  for (const disturbance of [...plan, null]) {
    // Killed before its configuration was on the disk there is nothing to resume, and the name is free again.
    const path = join(runDir, name);
    const exists = existsSync(join(path, 'config.yaml'));
    if (!exists) rmSync(path, { recursive: true, force: true });
    const begin = exists ? ['--resume', path, ...workers()] : ['--name', name, ...settings, ...workers()];
    const { code, signal, ms, sinceSignalMs, errors } = await start(begin, disturbance);
    counts.starts++;
    story.push(`${describe(disturbance)} → ${signal ?? code} after ${seconds(ms)}`);
    if (code === 0) break;
    const wrong = wrongEnding({ disturbance, code, signal, sinceSignalMs });
    if (wrong !== null) return { problem: `${wrong}\n${errors}`, story };
    counts.kills++;
  }
  return { problem: firstDifference(wanted, metricsOf(name)) ?? firstOtherModel(name), story };
}

/** Processes that wait for a core: beside other work all takes as much longer. */
function load() {
  return Math.max(1, loadavg()[0] / availableParallelism());
}

function wrongEnding({ disturbance, code, signal, sinceSignalMs }) {
  if (disturbance === null) return `a start that nobody disturbed ended with ${signal ?? code}`;
  if (disturbance.kind === 'fail point' || disturbance.signal === 'SIGKILL')
    return signal === 'SIGKILL' ? null : `ended with ${signal ?? code}, not by the kill`;
  if (sinceSignalMs === null) return `ended with ${signal ?? code} before ${disturbance.signal} was sent`;
  if (disturbance.signal === 'SIGINT twice') {
    if (signal !== 'SIGINT' && code !== 130) return `ended with ${signal ?? code} after two SIGINT`;
    return sinceSignalMs <= SECOND_INTERRUPT_LIMIT_MS * load() ? null : `took ${seconds(sinceSignalMs)} to end after two SIGINT`;
  }
  // A signal before the handlers are there acts as the system's default.
  if (code !== EXPECTED_CODES[disturbance.signal] && signal !== disturbance.signal)
    return `ended with ${signal ?? code} after ${disturbance.signal}`;
  return sinceSignalMs <= STOP_LIMIT_MS ? null : `took ${seconds(sinceSignalMs)} to end after ${disturbance.signal}`;
}

function start(args, disturbance = null) {
  const env = { ...process.env, NO_COLOR: '1' };
  if (disturbance?.kind === 'fail point') env.TFJS_PARALLEL_FAILPOINT = disturbance.value;
  const begin = performance.now();
  const child = spawn(process.execPath, [join(root, options.build, 'cli/main.js'), 'train', ...args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  let signalledAt = null;
  let again = null;
  child.stderr.on('data', (chunk) => {
    errors = (errors + chunk).slice(-4000);
    // Two that come before the process has run once are one to it.
    if (again === null || signalledAt === null || !errors.includes('Ctrl-C again')) return;
    signalledAt = performance.now();
    child.kill(again);
    again = null;
  });
  const timer =
    disturbance?.kind === 'signal'
      ? setTimeout(() => {
          signalledAt = performance.now();
          const [signal, twice] = disturbance.signal.split(' ');
          if (twice === 'twice') again = signal;
          child.kill(signal);
        }, disturbance.afterMs)
      : null;
  return new Promise((done) => {
    child.on('close', (code, signal) => {
      if (timer !== null) clearTimeout(timer);
      const now = performance.now();
      done({ code, signal, errors, ms: now - begin, sinceSignalMs: signalledAt === null ? null : now - signalledAt });
    });
  });
}

function metricsOf(name) {
  return comparableLines(readFileSync(join(runDir, name, 'metrics.jsonl'), 'utf8'));
}

/** The first saved model that is not byte for byte the undisturbed run's; null where all are. */
function firstOtherModel(name) {
  const folders = [join(runDir, 'undisturbed', 'checkpoints'), join(runDir, name, 'checkpoints')];
  const [models, others] = folders.map((folder) => readdirSync(folder).sort());
  if (String(models) !== String(others)) return `saved models: wanted ${models}, got ${others}`;
  for (const file of models.flatMap((model) => [join(model, 'weights.bin'), join(model, 'model.json')])) {
    if (!readFileSync(join(folders[0], file)).equals(readFileSync(join(folders[1], file)))) return `${file} differs`;
  }
  return null;
}

function describe(disturbance) {
  if (disturbance === null) return 'left alone';
  return disturbance.kind === 'fail point' ? disturbance.value : `${disturbance.signal} at ${seconds(disturbance.afterMs)}`;
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
