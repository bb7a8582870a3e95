/**
 * Runs a command, vitest where none is given, on a machine that stands still now and then: all of its processes are stopped at once and go on together,
 * as on a host that others keep busy or a closed laptop. A test that takes such time for another's silence fails. Linux only. Exits as the command does.
 *
 * Usage: node scripts/stand_still.mjs [options] [-- command]
 *   --seconds S       how long it stands still (default 6.5: longer than a question of a login may take)
 *   --every S         at most so long in between, drawn from half of it on (default 50)
 *   --seed N          of those times (default 1)
 *   --quiet           do not tell of each stop
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readOptions } from './usage.mjs';

const { values: options, positionals } = readOptions(import.meta.filename, {
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '6.5' },
    every: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    quiet: { type: 'boolean', default: false },
  },
});
const [seconds, every, seed] = ['seconds', 'every', 'seed'].map((name) => {
  const value = Number(options[name]);
  if (options[name] !== '' && value > 0) return value;
  console.error(`error: --${name} wants a number above 0; options: node scripts/stand_still.mjs --help`);
  process.exit(2);
});
const [file, ...args] = positionals.length > 0 ? positionals : ['npx', 'vitest', 'run'];

const child = spawn(file, args, { stdio: 'inherit' });
child.on('error', ({ message }) => {
  console.error(`error: ${message}`);
  process.exit(1);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
let state = seed;
let stops = 0;
const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? `ended by ${signal}`)));
void standStill();
const end = await ended;
console.log(`stood still ${stops} times for ${seconds} s`);
process.exit(end === 0 ? 0 : Number(end) || 1);

async function standStill() {
  for (;;) {
    // Lehmer's generator.
    state = (state * 48271) % 2147483647;
    await sleep(500 * every * (1 + state / 2147483647));
    const stopped = stopAll();
    if (!options.quiet) console.log(`standing still: ${stopped.length} processes`);
    await sleep(1000 * seconds);
    stopped.reverse().forEach((pid) => tell(pid, 'SIGCONT'));
    stops += 1;
  }
}

/** Parents first; who starts another meanwhile is found the next time round. */
function stopAll() {
  const stopped = new Set();
  for (;;) {
    const found = descendants().filter((pid) => !stopped.has(pid));
    if (found.length === 0) return [...stopped];
    for (const pid of found) {
      tell(pid, 'SIGSTOP');
      stopped.add(pid);
    }
  }
}

/** The command and all that it started. */
function descendants() {
  const parents = new Map();
  for (const name of readdirSync('/proc'))
    if (/^\d+$/.test(name)) {
      const parent = parentOf(name);
      if (parent !== null) parents.set(Number(name), parent);
    }
  const found = [child.pid];
  for (let i = 0; i < found.length; i++) for (const [pid, parent] of parents) if (parent === found[i]) found.push(pid);
  return found;
}

function parentOf(pid) {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return null;
  }
}

function tell(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
