/**
 * Owns: `npm run chaos -- --runs N`: coordinator and workers as processes on loopback, disturbed at random moments, compared with the
 * undisturbed run of `train` on this machine: the same weights_sha256. Exit 1 where one differs, hangs or fails.
 * Does not: build (npm run build), or choose what training does.
 *
 *     node scripts/chaos.mjs --runs 20 [--seed 1] [--continue FILE] [--kinds kill,all,...] [--reference] [--stop-s 20] [--frames 2000] [--verbose] [--build dist] [-- more flags of train]
 *
 * --continue goes on after the runs that FILE has, and adds to it, so that thousands can be made in pieces.
 * kinds: none (three workers) · late (a join mid-run) · kill (-9 of a worker, three times) · all (of all of them) · churn (joins and leaves) · stop (SIGSTOP) · reset, cut, stall, loss, slow
 * (the network, by a proxy) · attack (idle connections, wrong logins, --frames fuzzed frames) · coordinator (kill -9, then --resume). --reference trains the reference CNN instead of a tiny model.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startFaultProxy } from './chaos/fault_proxy.mjs';
import { hashOf, seconds, sleep, startCoordinator, startProcess } from './chaos/processes.mjs';
import { KINDS, scenariosOf } from './chaos/scenarios.mjs';
import { workerFlags } from './chaos/worker_flags.mjs';
import { openJournal } from './crash/journal.mjs';
import { readOptions } from './usage.mjs';

const { values: options, positionals: more } = readOptions(import.meta.filename, {
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    continue: { type: 'string' },
    kinds: { type: 'string', default: KINDS },
    'stop-s': { type: 'string', default: '20' },
    frames: { type: 'string', default: '2000' },
    reference: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    build: { type: 'string', default: 'dist' },
  },
});
/** Ends a run that hangs, never one that is slow beside other programs. */
const RUN_LIMIT_MS = 1_800_000;
const root = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'tfjs-parallel-chaos-'));
const tokenFile = join(folder, 'token');
const token = randomBytes(32).toString('base64url');
writeFileSync(tokenFile, token, { mode: 0o600 });
const build = join(root, options.build);
const how = { build, verbose: options.verbose };
const start = (command, args) => startProcess(command, args, how);
const flags = (text) => text.split(' ');
const model = options.reference ? [] : ['--model', join(root, 'scripts/crash/tiny_model.mjs')];
const size = options.reference
  ? '--train-limit 590 --validation-limit 200 --epochs 2 --batch 50'
  : '--train-limit 2000 --validation-limit 100 --epochs 6 --batch 50';
const settings = [...model, ...flags(`--data synthetic --shards 4 --lr 0.05 --set optimizer.momentum=0.9 ${size}`)];
settings.push(...more);
const own = workerFlags(settings);
const reports = ['--reporter', 'json', '--run-dir', folder];
const journal = openJournal({
  file: options.continue ?? null,
  seed: Number(options.seed),
  settings: {
    chaos: options.reference ? 'reference' : 'tiny',
    kinds: options.kinds,
    stopS: options['stop-s'],
    frames: options.frames,
    more,
  },
});
/** Of the run under way. */
let random = journal.randomOf(0);

const begun = performance.now();
const alone = await start('train', ['--gpus', 'none', '--workers', '1', '--threads-per-worker', '1', ...settings, ...reports])
  .ended;
const wanted = hashOf(alone.out);
if (alone.code !== 0 || wanted === null) fail(`the undisturbed run ended with ${alone.code}\n${alone.err}`);
console.log(`undisturbed (train, one replica): ${seconds(alone.ms)}, weights_sha256 ${wanted}`);

// Two workers need about half the time of one replica; a disturbance after the end would disturb nothing.
const lengthMs = 0.6 * alone.trainingMs;
const kinds = options.kinds.split(',');
const counts = { kills: 0 };
for (let run = 1; run <= Number(options.runs); run++) {
  if (journal.done.has(run)) continue;
  const kind = kinds[(run - 1) % kinds.length];
  random = journal.randomOf(run);
  counts.kills = 0;
  const { problem, story, losses, joins, ms } = await disturbedRun(run, kind);
  journal.add({ run, kind, equal: problem === null, hash: wanted, losses, joins, kills: counts.kills });
  console.log(
    `${String(run).padStart(4)} ${problem === null ? 'equal ' : 'DIFFERS'} ${kind}: ${story.join(' · ')}; ${joins} joins, ${losses} losses, ${seconds(ms)}`,
  );
  if (problem !== null) console.log(problem);
}
const records = [...journal.done.values()].filter(({ run }) => run <= Number(options.runs));
const sum = (key) => records.reduce((total, record) => total + Number(record[key]), 0);
const differing = records.length - sum('equal');
console.log(
  `${records.length} runs, seed ${options.seed}, ${options.reference ? 'reference CNN' : 'tiny model'}: ${sum('joins')} replicas joined late, ${sum('losses')} were lost, ${sum('kills')} workers were killed, ` +
    `${differing} differ from the undisturbed run; ${journal.provenance()}; ${seconds(performance.now() - begun)}`,
);
rmSync(folder, { recursive: true });
process.exitCode = differing === 0 ? 0 : 1;

async function disturbedRun(number, kind) {
  const started = performance.now();
  const story = [];
  const workers = new Set();
  const name = `run-${number}`;
  const listening = (listen, args) => startCoordinator(['--listen', listen, '--token-file', tokenFile, ...args], how);
  const coordinator = listening('127.0.0.1:0', ['--name', name, ...settings, ...reports]);
  const port = await coordinator.port;
  const proxy = await startFaultProxy({ target: { port, host: '127.0.0.1' } });
  const one = flags('--gpus none --workers 1 --threads-per-worker 1 --worker-name w');
  const run = {
    ...{ coordinator, workers, port, proxy, random, lengthMs },
    say: (text) => story.push(text),
    killed: (count) => (counts.kills += count),
    join(through = port) {
      const child = start('worker', ['--host', `127.0.0.1:${through}`, ...one, '--token-file', tokenFile, ...own]);
      workers.add(child);
      void child.ended.then(() => workers.delete(child));
      return child;
    },
    restart() {
      run.coordinator = listening(`127.0.0.1:${port}`, ['--resume', join(folder, name)]);
    },
  };
  const scenarios = scenariosOf(run, { stopS: Number(options['stop-s']), frames: Number(options.frames), build, token });

  const limit = sleep(RUN_LIMIT_MS).then(() => 'limit');
  const ran = await Promise.race([scenarios[kind]().then(() => run.coordinator.ended), limit]);
  const hung = ran === 'limit';
  if (hung) run.coordinator.child.kill('SIGKILL');
  const { code, out, err } = hung ? { code: null, out: '', err: '' } : ran;
  await Promise.race([Promise.all([...workers].map(({ ended }) => ended)), sleep(3000)]);
  for (const { child } of workers) child.kill('SIGKILL');
  await proxy.close();
  // Of the last start of the coordinator.
  const count = (type) => out.split('\n').filter((line) => line.includes(`"type":"${type}"`)).length;
  const hash = hashOf(out);
  const problem = hung
    ? `no end after ${seconds(RUN_LIMIT_MS)}`
    : hash === wanted
      ? null
      : `ended with ${code}, weights_sha256 ${hash}\n${err}`;
  rmSync(join(folder, name), { recursive: true, force: true });
  return { problem, story, losses: count('worker_lost'), joins: count('worker_join'), ms: performance.now() - started };
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
