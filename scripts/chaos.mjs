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
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { attack } from './chaos/attack.mjs';
import { startFaultProxy } from './chaos/fault_proxy.mjs';
import { openJournal } from './crash/journal.mjs';
import { readOptions } from './usage.mjs';

const { values: options, positionals: more } = readOptions(import.meta.filename, {
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    continue: { type: 'string' },
    kinds: { type: 'string', default: 'kill,kill,kill,all,churn,churn,stop,reset,cut,stall,loss,slow,attack,coordinator' },
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
const flags = (text) => text.split(' ');
const model = options.reference ? [] : ['--model', join(root, 'scripts/crash/tiny_model.mjs')];
const size = options.reference
  ? '--train-limit 590 --validation-limit 200 --epochs 2 --batch 50'
  : '--train-limit 2000 --validation-limit 100 --epochs 6 --batch 50';
const settings = [...model, ...flags(`--data synthetic --shards 4 --lr 0.05 --set optimizer.momentum=0.9 ${size}`)];
settings.push(...more);
// Workers read the data themselves.
const dataDir = more.includes('--data-dir') ? ['--data-dir', more[more.indexOf('--data-dir') + 1]] : [];
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
const below = (n) => Math.floor(random() * n);

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

async function disturbedRun(run, kind) {
  const started = performance.now();
  const story = [];
  const workers = new Set();
  const name = `run-${run}`;
  let coordinator = startCoordinator('127.0.0.1:0', ['--name', name, ...settings, ...reports]);
  const port = await coordinator.port;
  const proxy = await startFaultProxy({ target: { port, host: '127.0.0.1' } });
  const join1 = (through = port) => {
    const child = start('worker', [
      '--host',
      `127.0.0.1:${through}`,
      '--gpus',
      'none',
      '--workers',
      '1',
      '--threads-per-worker',
      '1',
      '--token-file',
      tokenFile,
      '--worker-name',
      'w',
      ...model,
      ...dataDir,
    ]);
    workers.add(child);
    void child.ended.then(() => workers.delete(child));
    return child;
  };
  const say = (text) => story.push(text);
  const later = async (most) => {
    const ms = below(most);
    say(`${seconds(ms)}`);
    await Promise.race([sleep(ms), coordinator.ended]);
  };
  const scenarios = {
    async none() {
      for (let i = 0; i < 3; i++) join1();
      await coordinator.joined;
    },
    async attack() {
      join1();
      await coordinator.joined;
      const goesOn = () => !coordinator.over;
      const { text, end } = await attack({
        port,
        token,
        random,
        build: join(root, options.build),
        frames: Number(options.frames),
        goesOn,
      });
      say(`${text} ${coordinator.over ? 'until it ended' : 'while it ran'}`);
      join1();
      await coordinator.ended;
      end();
    },
    async late() {
      join1();
      await coordinator.joined;
      await later(lengthMs);
      join1();
      say('another joins');
    },
    async kill() {
      join1();
      join1();
      await coordinator.joined;
      for (let i = 0; i < 3 && !coordinator.over; i++) {
        await later(lengthMs / 3);
        if (coordinator.over || workers.size === 0) break;
        [...workers][below(workers.size)].child.kill('SIGKILL');
        counts.kills += 1;
        say('kill -9');
        await later(500);
        join1();
      }
    },
    async all() {
      join1();
      join1();
      await coordinator.joined;
      await later(lengthMs);
      for (const { child } of workers) child.kill('SIGKILL');
      counts.kills += workers.size;
      say('kill -9 of all');
      await later(1000);
      join1();
    },
    async churn() {
      join1();
      await coordinator.joined;
      for (let i = 0; i < 6 && !coordinator.over; i++) {
        await later(lengthMs / 3);
        const grow = workers.size < 2 || (i < 3 && random() < 0.7);
        say(grow ? 'join' : 'leave');
        if (grow) join1();
        else [...workers][below(workers.size)].child.kill('SIGINT');
      }
      if (workers.size === 0) join1();
    },
    async stop() {
      const victim = join1();
      join1();
      await coordinator.joined;
      await later(lengthMs / 2);
      victim.child.kill('SIGSTOP');
      say(`SIGSTOP for ${options['stop-s']} s`);
      await Promise.race([sleep(1000 * Number(options['stop-s'])), coordinator.ended]);
      victim.child.kill('SIGCONT');
    },
    async reset() {
      join1(proxy.port);
      join1(proxy.port);
      await coordinator.joined;
      for (let i = 0; i < 3; i++) {
        await later(lengthMs / 2);
        proxy.resetAll();
        say('reset');
      }
    },
    async cut() {
      const bytes = below(3_000_000);
      say(`reset at byte ${bytes}`);
      proxy.set({ resetAtByte: bytes });
      join1(proxy.port);
      join1();
      await later(lengthMs);
      proxy.set({ resetAtByte: undefined });
    },
    stall: () => troubled({ stalled: true }, { stalled: false }, 12_000, 'stall for 12 s'),
    loss: () => troubled({ lose: random() < 0.5 ? 'up' : 'down' }, { lose: undefined }, 12_000, 'one-way loss for 12 s'),
    slow: () => troubled({ delayMs: 20, bytesPerS: 1_000_000 }, { delayMs: 0, bytesPerS: 0 }, 3_000, '1 MB/s and 20 ms for 3 s'),
    async coordinator() {
      join1();
      join1();
      await coordinator.joined;
      await later(lengthMs);
      if (coordinator.over) return;
      const path = join(folder, name);
      coordinator.child.kill('SIGKILL');
      await coordinator.ended;
      say('kill -9 of the coordinator');
      coordinator = startCoordinator(`127.0.0.1:${port}`, ['--resume', path]);
    },
  };
  async function troubled(trouble, cure, ms, text) {
    join1(proxy.port);
    join1();
    await coordinator.joined;
    await later(lengthMs / 2);
    say(text);
    proxy.set(trouble);
    await Promise.race([sleep(ms), coordinator.ended]);
    proxy.set(cure);
    // Bytes are missing from what was on its way: the connection cannot go on.
    if (trouble.lose !== undefined) proxy.resetAll();
  }

  const limit = sleep(RUN_LIMIT_MS).then(() => 'limit');
  const ran = await Promise.race([scenarios[kind]().then(() => coordinator.ended), limit]);
  const hung = ran === 'limit';
  if (hung) coordinator.child.kill('SIGKILL');
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

function startCoordinator(listen, more) {
  const process_ = start('coordinator', ['--listen', listen, '--token-file', tokenFile, ...more]);
  process_.port = process_.line(/waiting for workers at .*:(\d+)/).then(([, port]) => Number(port));
  process_.joined = process_.line(/joined; /);
  return process_;
}

function start(command, args) {
  const started = performance.now();
  const child = spawn(process.execPath, [join(root, options.build, 'cli/main.js'), command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  const self = { child, over: false };
  let out = '';
  let err = '';
  const waiting = new Set();
  let startedTrainingMs = null;
  child.stdout.on('data', (chunk) => {
    startedTrainingMs ??= performance.now();
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err = (err + chunk).slice(-20_000);
    if (options.verbose) process.stderr.write(`${command} ${child.pid}: ${chunk}`);
    for (const check of waiting) check();
  });
  self.ended = new Promise((done) =>
    child.on('close', (code, signal) => {
      self.over = true;
      for (const check of waiting) check();
      const now = performance.now();
      done({ code: code ?? signal, out, err, ms: now - started, trainingMs: now - (startedTrainingMs ?? now) });
    }),
  );
  /** Resolves when a line of standard error matches, or the process ends. */
  self.line = (pattern) =>
    new Promise((done) => {
      const check = () => {
        const match = pattern.exec(err);
        if (match === null && !self.over) return;
        waiting.delete(check);
        done(match ?? []);
      };
      waiting.add(check);
      check();
    });
  return self;
}

function hashOf(out) {
  const end = out.trim().split('\n').at(-1) ?? '';
  return /"type":"end".*"weights_sha256":"([0-9a-f]{64})"/.exec(end)?.[1] ?? null;
}

function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms).unref());
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
