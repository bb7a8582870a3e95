/**
 * Owns: starting one entry's program and reading its JSON line; what this machine is. Does not: decide what runs (plan.mjs).
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';

const TIMEOUT_MS = 10 * 60_000;
/** One of them is in what a program prints. */
const FIGURES = ['images_per_s', 'fp32_gflops', 'ms_p50'];
const STDERR_TAIL_CHARACTERS = 4000;
const PEER_SCRIPTS = 'scripts/peers';

/** Command line of an entry. `peers` is the folder of scripts/peers/setup.sh. */
export function commandOf(entry, { peers, threads }) {
  const distributed = (script, args) => [
    join(peers, 'torch/bin/torchrun'),
    ['--standalone', '--nproc-per-node', `${threads}`, `${PEER_SCRIPTS}/${script}`, ...args],
  ];
  switch (entry.program) {
    case 'ours':
      return [process.execPath, ['dist/cli/main.js', ...entry.args]];
    case 'torch':
      return [join(peers, 'torch/bin/python'), [`${PEER_SCRIPTS}/torch_train.py`, ...entry.args]];
    case 'torchrun':
      return distributed('torch_train.py', entry.args);
    case 'tf':
      return [join(peers, 'tf/bin/python'), [`${PEER_SCRIPTS}/tf_train.py`, ...entry.args]];
    case 'mxnet':
      return [join(peers, 'mxnet/bin/python'), [`${PEER_SCRIPTS}/mxnet_train.py`, ...entry.args]];
    case 'gemm':
      return [join(peers, 'torch/bin/python'), [`${PEER_SCRIPTS}/gemm_peak.py`, ...entry.args]];
    case 'gloo':
      return distributed('gloo_all_reduce.py', entry.args);
    default:
      throw new Error(`unknown program ${entry.program}`);
  }
}

/** Resolves with the program's JSON line as `line`, or with `error`: why there is none. Never rejects for a failing program. */
export function runEntry(entry, where) {
  const [file, args] = commandOf(entry, where);
  if (!existsSync(file)) return Promise.resolve({ error: `not installed: run ${PEER_SCRIPTS}/setup.sh`, isMissing: true });
  return new Promise((resolve) => {
    let stdout = '';
    let stderr = '';
    // Its own process group: torchrun's children go with it when the time is up.
    const child = spawn(file, args, { env: { ...process.env, ...entry.env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const timer = setTimeout(() => endGroup(child), TIMEOUT_MS);
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr = (stderr + data).slice(-STDERR_TAIL_CHARACTERS)));
    child.on('error', (error) => {
      // It never ran.
      clearTimeout(timer);
      resolve({ error: error.message });
    });
    // A launcher that is killed leaves children behind that keep its output open, and the cores busy.
    child.on('exit', () => endGroup(child));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const line = jsonLine(stdout);
      if (code === 0 && line && FIGURES.some((name) => Number.isFinite(line[name]))) resolve({ line });
      else resolve({ error: `${signal ?? `exit ${code}`}: ${reasonIn(stderr)}` });
    });
  });
}

/** Ends what is left of a program's process group. */
function endGroup({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** What a failing program said last that reads like a reason; launchers end with a frame around theirs. */
function reasonIn(stderr) {
  const lines = stderr.split('\n').filter((line) => /\w/.test(line));
  return lines.findLast((line) => /error|killed|signal/i.test(line))?.trim() ?? lines.at(-1)?.trim() ?? 'no JSON line';
}

/** The last line that is a JSON object: frameworks print around it. */
export function jsonLine(text) {
  for (const line of text.trim().split('\n').reverse()) {
    if (!line.startsWith('{')) continue;
    try {
      return JSON.parse(line);
    } catch {
      continue; // a line that only looks like JSON; the next one up may be it
    }
  }
  return null;
}

/** Those of src/engine/tensorflow/instruction_set.ts: a record is of a processor that has the same ones. */
const INSTRUCTIONS = [
  ...['avx2', 'fma', 'avx_vnni', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'avx512_fp16', 'amx_tile', 'amx_int8', 'amx_bf16'],
  ...['asimd', 'sve'],
];

/** What the figures depend on. */
export function describeMachine() {
  const flags = process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  return {
    processor: cpus()[0].model.trim(),
    cores: cpus().length,
    instructions: INSTRUCTIONS.filter((name) => new RegExp(`\\b${name}\\b`).test(flags)),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    loadBefore: loadavg()[0],
    isAmd: /AuthenticAMD/.test(flags),
  };
}
