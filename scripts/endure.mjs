/**
 * Owns: `npm run endure -- --steps N`: a run of tiny steps, by `train` and by a coordinator with two workers, and the slope of each process's resident memory
 * over its steps: bytes per 1,000 steps with a 95 % interval. Exit 1 where a run fails.
 * Does not: build (npm run build), or judge the slope.
 *
 *     node scripts/endure.mjs --steps 1000000 --continue FILE [--minutes 10] [--of train,cluster] [--settle 5000] [--every 50] [--build dist] [-- more flags of train]
 *
 * --minutes ends this piece after so long: both runs are stopped as Ctrl-C would, their folders stay in FILE.runs, and the same command goes on from there on any day, until each has made
 * --steps steps. FILE has a line for each piece, with date, commit and samples; each piece's process has a level of its own, the slope is that of all pieces. The first --settle steps of each process do not
 * count, in which it takes what it keeps. Memory is looked at --every steps. Without --continue nothing is kept.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startCoordinator, startProcess } from './chaos/processes.mjs';
import { openJournal } from './crash/journal.mjs';
import { residentBytes } from './endure/memory.mjs';
import { slopeOf } from './endure/slope.mjs';
import { readOptions } from './usage.mjs';

const { values: options, positionals: more } = readOptions(import.meta.filename, {
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '20000' },
    continue: { type: 'string' },
    minutes: { type: 'string' },
    of: { type: 'string', default: 'train,cluster' },
    settle: { type: 'string', default: '5000' },
    every: { type: 'string', default: '50' },
    build: { type: 'string', default: 'dist' },
  },
});
const [steps, settle, every] = [options.steps, options.settle, options.every].map(Number);
const root = resolve(import.meta.dirname, '..');
const how = { build: join(root, options.build) };
const file = options.continue ?? null;
const folder = file === null ? mkdtempSync(join(tmpdir(), 'tfjs-parallel-endure-')) : resolve(`${file}.runs`);
mkdirSync(folder, { recursive: true });
const model = ['--model', join(root, 'scripts/endure/tiny_model.mjs')];
const flags = (text) => text.split(' ');
const settings = [
  ...model,
  ...flags('--data synthetic --train-limit 8000 --validation-limit 100 --batch 8 --shards 2 --lr 0.01 --epochs 100000 --run-dir'),
  folder,
  ...more,
];
const reports = flags(`--reporter json --log-every ${every}`);
const replicas = flags('--gpus none --workers 1 --threads-per-worker 1');
const journal = openJournal({ file, seed: 0, settings: { endure: 'tiny', every, more } });
const piecesOf = (of) => [...journal.done.values()].filter((record) => record.of === of);

const modes = options.of.split(',');
for (const of of modes) {
  const from = Math.max(0, ...piecesOf(of).map(({ to }) => to));
  if (from >= steps) continue;
  const limitMs = options.minutes === undefined ? Infinity : (60_000 * Number(options.minutes)) / modes.length;
  const piece = await endured(of, limitMs);
  journal.add({ run: journal.done.size + 1, of, ...piece });
  console.log(`${of}: steps ${piece.from} to ${piece.to} in ${Math.round(piece.seconds)} s`);
}
for (const of of modes) report(of, piecesOf(of));
if (file === null) rmSync(folder, { recursive: true });

/** Runs until the step is reached or the time is up, and stops as Ctrl-C does. */
async function endured(of, limitMs) {
  const run = join(folder, of);
  const begin = existsSync(join(run, 'config.yaml')) ? ['--resume', run] : ['--name', of, ...settings];
  const samples = {};
  const watched = {};
  let [from, to, sinceMs] = [null, null, performance.now()];
  let main = null;
  const stop = () => main?.child.kill('SIGTERM');
  const timer = limitMs === Infinity ? null : setTimeout(stop, limitMs);
  const onLine = (line) => {
    const step = /"type":"step".*?"step":(\d+)/.exec(line)?.[1];
    if (step === undefined) return;
    to = Number(step);
    if (from === null) [from, sinceMs] = [to, performance.now()];
    if (to - from >= settle)
      for (const [name, { child }] of Object.entries(watched)) {
        const bytes = residentBytes(child.pid);
        if (bytes !== null) (samples[name] ??= []).push([to, bytes]);
      }
    if (to >= steps) stop();
  };
  if (of === 'train') main = watched.train = startProcess('train', [...begin, ...replicas, ...reports], { ...how, onLine });
  else {
    const token = join(folder, 'token');
    const listen = ['--listen', '127.0.0.1:0', '--token-file', token, '--min-workers', '2'];
    main = watched.coordinator = startCoordinator([...begin, ...listen, ...reports], { ...how, onLine });
    const at = ['--host', `127.0.0.1:${await main.port}`, '--token-file', token];
    for (const name of ['worker 1', 'worker 2'])
      watched[name] = startProcess('worker', [...at, ...replicas, ...model, '--worker-name', name], how);
  }
  const { code, err } = await main.ended;
  clearTimeout(timer);
  for (const { child } of Object.values(watched)) child.kill('SIGTERM');
  await Promise.all(Object.values(watched).map(({ ended }) => ended));
  if (code !== 75 || to === null) {
    console.error(`${of} ended with ${code} after step ${to}\n${err}`);
    process.exit(1);
  }
  const seconds = (performance.now() - sinceMs) / 1000;
  return { from, to, seconds, samples };
}

function report(of, pieces) {
  const reached = Math.max(0, ...pieces.map(({ to }) => to));
  const perHour =
    (3600 * pieces.reduce((sum, { from, to }) => sum + to - from, 0)) / pieces.reduce((sum, { seconds }) => sum + seconds, 0);
  console.log(`${of}: ${reached} steps in ${pieces.length} ${pieces.length === 1 ? 'piece' : 'pieces'}; ${journal.provenance()}`);
  for (const name of new Set(pieces.flatMap(({ samples }) => Object.keys(samples)))) {
    const slope = slopeOf(pieces.map(({ samples }) => samples[name] ?? []));
    if (slope === null) console.log(`  ${name}: too few samples after the first ${settle} steps of a piece`);
    else {
      const { per1000, plusMinus, blocks } = slope;
      const mib = ((per1000 / 1000) * perHour) / 2 ** 20;
      console.log(
        `  ${name}: ${per1000.toFixed(0)} ± ${plusMinus.toFixed(0)} bytes per 1,000 steps (${blocks} blocks), ${mib.toFixed(1)} MiB in an hour of ${Math.round(perHour)} steps`,
      );
    }
  }
}
