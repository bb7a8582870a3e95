/**
 * Owns: `npm run hashes`: one training, computed in eight ways: by 1, 2 and 4 replicas; stopped, or killed, half way and resumed by others; by a coordinator and
 * workers of which one is killed and another joins, and by a coordinator that is killed. Prints the weights_sha256 of each; exit 1 where one differs.
 * Does not: build (npm run build), or disturb at random moments (chaos.mjs, crash.mjs).
 *
 *     node scripts/hashes.mjs [--build dist] [--verbose] [-- flags of train, as --model ./model.mjs --data ./data.mjs --batch 64]
 *
 * Without such flags: the reference CNN on drawn digits, 24 steps of four shards by momentum, with dropout and batch norm.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { hashOf, seconds, startCoordinator, startProcess } from './chaos/processes.mjs';
import { workerFlags } from './chaos/worker_flags.mjs';
import { readOptions } from './usage.mjs';

const { values: options, positionals: more } = readOptions(import.meta.filename, {
  allowPositionals: true,
  options: { build: { type: 'string', default: 'dist' }, verbose: { type: 'boolean', default: false } },
});
const flags = (text) => text.split(' ');
const folder = mkdtempSync(join(tmpdir(), 'tfjs-parallel-hashes-'));
const token = join(folder, 'token');
writeFileSync(token, randomBytes(32).toString('base64url'), { mode: 0o600 });
const how = { build: resolve(import.meta.dirname, '..', options.build), verbose: options.verbose };
const has = (...names) => names.some((name) => more.includes(name));
/** Of a replica: a coordinator has none. */
const at = more.indexOf('--threads-per-worker');
const [, threads = '1'] = at < 0 ? [] : more.splice(at, 2);
const defaults = {
  '--epochs': '2',
  '--batch': '50',
  '--shards': '4',
  // A model of one's own may bring its optimizer.
  ...(!has('--model', '--set') && { '--lr': '0.05', '--set': 'optimizer.momentum=0.9' }),
  ...(!has('--data', '--data-dir') && { '--data': 'synthetic', '--train-limit': '590', '--validation-limit': '200' }),
};
const training = [...Object.entries(defaults).flatMap(([flag, value]) => (has(flag) ? [] : [flag, value])), ...more];
// Each step is told, so that one can be waited for, and there are states to go on from.
const watched = [
  '--reporter',
  'json',
  '--log-every',
  '1',
  '--save-above',
  '0',
  '--report',
  'none',
  '--state-every',
  'epoch,3 steps',
];
const place = (replicas) => flags(`--gpus none --workers ${replicas} --threads-per-worker ${threads}`);
const own = workerFlags(training);
/** Of the first run, by which the others know their middle. */
let steps = Infinity;
let runs = 0;

/** A process of `train` or `coordinator`; `atHalf` is called with it once half of the steps are done. `result`: its hash and what it told. */
function begin(command, args, atHalf = () => undefined) {
  const told = [];
  let isPast = false;
  const onLine = (line) => {
    const record = JSON.parse(line);
    told.push(record);
    if (record.type !== 'step' || isPast || record.step < steps / 2) return;
    isPast = true;
    atHalf(run);
  };
  const start = command === 'coordinator' ? startCoordinator : (given, where) => startProcess(command, given, where);
  const run = start([...args, ...watched], { ...how, onLine });
  run.result = run.ended.then(({ code, err }) => ({ code, err, told, hash: hashOf(JSON.stringify(told.at(-1) ?? null)) }));
  return run;
}

/** The same from its start, in a folder of its own. */
function beginNew(command, args, atHalf) {
  const name = `run-${++runs}`;
  const run = begin(command, [...args, ...training, '--run-dir', folder, '--name', name], atHalf);
  run.folder = join(folder, name);
  return run;
}

const train = (replicas, atHalf) => beginNew('train', place(replicas), atHalf);
const send = (signal) => (run) => run.child.kill(signal);

async function resumed(run, command, args) {
  const { code } = await run.result;
  if (code === 0) throw new Error('the run was over before it was disturbed: give it more steps');
  return begin(command, ['--resume', run.folder, ...args]).result;
}

/** A coordinator with two workers; `goesOn` says what is its result. */
async function clustered(atHalf, goesOn = ({ run }) => run.result) {
  const workers = [];
  const listen = (port) => ['--listen', `127.0.0.1:${port}`, '--token-file', token];
  const run = beginNew('coordinator', listen(0), () => atHalf?.({ run, workers, join: joins }));
  const port = await run.port;
  const joins = () =>
    workers.push(startProcess('worker', ['--host', `127.0.0.1:${port}`, '--token-file', token, ...place(1), ...own], how));
  joins();
  joins();
  try {
    return await goesOn({ run, listen: listen(port) });
  } finally {
    for (const { child } of workers) child.kill('SIGKILL');
  }
}

async function withWorkerKilled() {
  const result = await clustered(({ workers, join }) => {
    workers[0].child.kill('SIGKILL');
    join();
  });
  if (!result.told.some(({ type }) => type === 'worker_lost'))
    throw new Error('the run was over before a worker was lost: give it more steps');
  return result;
}

const WAYS = [
  ['train, 1 replica', () => train(1).result],
  ['train, 2 replicas', () => train(2).result],
  ['train, 4 replicas', () => train(4).result],
  ['train, 2 replicas, stopped half way (SIGTERM), resumed by 4', () => resumed(train(2, send('SIGTERM')), 'train', place(4))],
  ['train, 4 replicas, killed half way (SIGKILL), resumed by 1', () => resumed(train(4, send('SIGKILL')), 'train', place(1))],
  ['coordinator and 2 workers', () => clustered()],
  ['coordinator and 2 workers, one killed half way, another joins', withWorkerKilled],
  [
    'coordinator and 2 workers, the coordinator killed half way and resumed',
    () =>
      clustered(
        ({ run }) => run.child.kill('SIGKILL'),
        ({ run, listen }) => resumed(run, 'coordinator', listen),
      ),
  ],
];

const hashes = new Set();
try {
  for (const [way, compute] of WAYS) {
    const started = performance.now();
    const { hash, code, err, told } = await compute();
    if (hash === null) throw new Error(`${way}: ended with ${code}\n${err}`);
    if (hashes.size === 0) steps = told.at(-1).steps;
    hashes.add(hash);
    console.log(`${hash}  ${way}, ${seconds(performance.now() - started)}`);
  }
  console.log(`${WAYS.length} ways, ${steps} steps: ${hashes.size === 1 ? 'one hash' : `${hashes.size} hashes`}`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (hashes.size > 1) process.exitCode = 1;
