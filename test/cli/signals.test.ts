import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/common/limits.js';

// Inside node_modules, so that the program finds koffi.
const scratch = mkdtempSync(resolve('node_modules/.signals-test-'));
const program = join(scratch, 'program.mjs');
afterAll(() => rmSync(scratch, { recursive: true }));

/** A stand-in for a run: a thread deep in native code, and a main thread that ends when asked, if `obedient`. */
beforeAll(() => {
  const entry = join(scratch, 'entry.ts');
  writeFileSync(
    entry,
    `import { Worker, isMainThread } from 'node:worker_threads';
     import { pbkdf2Sync } from 'node:crypto';
     import { existsSync } from 'node:fs';
     import { watchSignals } from ${JSON.stringify(resolve('src/cli/terminal/signals.ts'))};
     import { endProcessNow } from ${JSON.stringify(resolve('src/cli/terminal/end_process.ts'))};
     if (isMainThread) {
       new Worker(new URL(import.meta.url)).on('online', () => console.log('ready'));
       const watch = watchSignals(({ reason, signal, finishes }) => console.log(finishes ? 'asked' : 'leaving', reason, signal));
       if (process.argv[2] !== 'preparing') watch.begin();
       if (process.argv[2] === 'blocked') watch.request.asked.addEventListener('abort', () => { for (const end = Date.now() + 1500; Date.now() < end || !existsSync(process.argv[3]); ); });
       if (process.argv[2] === 'obedient') watch.request.asked.addEventListener('abort', () => { console.log('saved'); endProcessNow(watch.exitCode()); });
       setInterval(() => undefined, 1000);
     } else pbkdf2Sync('a', 'b', 2_000_000_000, 64, 'sha512');`,
  );
  buildSync({
    entryPoints: [entry],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['koffi'],
    absWorkingDir: resolve('.'),
  });
});

/** Sends each signal when a line of output asks for the next one, and after its own delay, ms. With the last one a blocked process may go on. */
async function run(kind: 'obedient' | 'deaf' | 'blocked' | 'preparing', signals: (NodeJS.Signals | [NodeJS.Signals, number])[]) {
  const allSent = join(scratch, 'all_sent');
  rmSync(allSent, { force: true });
  const child = spawn(process.execPath, [program, kind, allSent]);
  let output = '';
  let errors = '';
  const sent = [...signals];
  const sendNext = () => {
    const next = sent.shift();
    if (next === undefined) return;
    const [signal, delayMs] = typeof next === 'string' ? [next, 0] : next;
    setTimeout(() => {
      child.kill(signal);
      if (sent.length === 0) writeFileSync(allSent, '');
    }, delayMs);
  };
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    for (const _ of chunk.toString().matchAll(/ready|asked|leaving/g)) sendNext();
  });
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [code, signal] = await new Promise<[number | null, string | null]>((done) =>
    child.on('close', (...ended) => done(ended)),
  );
  return { lines: output.trim().split('\n'), errors, code, signal };
}

describe('signals to a process whose threads are inside native code', () => {
  it.each([
    ['SIGINT', 'interrupted', 130],
    ['SIGTERM', 'stopped', 75],
    ['SIGUSR1', 'stopped', 75],
    ['SIGUSR2', 'stopped', 75],
    ['SIGXCPU', 'stopped', 75],
    ['SIGHUP', 'stopped', 75],
  ] as const)('%s: asked, saved, exit code', async (signal, reason, code) => {
    expect(await run('obedient', [signal])).toEqual({
      lines: ['ready', `asked ${reason} ${signal}`, 'saved'],
      errors: '',
      code,
      signal: null,
    });
  });

  it('a second Ctrl-C on purpose ends it by that signal, which a shell shows as 130', async () => {
    // Half-way between where a repetition is over and the deadline: either side may be some seconds late.
    const onPurposeMs = (LIMITS.stopRepeatMs + LIMITS.stopDeadlineMs) / 2;
    expect(await run('deaf', ['SIGINT', ['SIGINT', onPurposeMs]])).toEqual({
      lines: ['ready', 'asked interrupted SIGINT'],
      errors: '',
      code: null,
      signal: 'SIGINT',
    });
  });

  // At least 1,500 ms in which the main thread does not look at signals: three times as long as a repetition may take.
  it('a Ctrl-C that comes twice is one also where the second is seen late, because the main thread was busy', async () => {
    const started = performance.now();
    const { lines, code } = await run('blocked', ['SIGINT', ['SIGINT', 50]]);
    expect({ lines, code }).toEqual({ lines: ['ready', 'asked interrupted SIGINT'], code: 130 });
    // It went on until its deadline.
    expect(performance.now() - started).toBeGreaterThan(LIMITS.stopDeadlineMs);
  });

  it.each([
    ['SIGINT', 'interrupted', 130],
    ['SIGTERM', 'stopped', 75],
    ['SIGUSR1', 'stopped', 75],
    ['SIGUSR2', 'stopped', 75],
    ['SIGXCPU', 'stopped', 75],
    ['SIGHUP', 'stopped', 75],
  ] as const)('%s before the first step ends it without waiting for a step, threads or not', async (signal, reason, code) => {
    expect(await run('preparing', [signal])).toEqual({
      lines: ['ready', `leaving ${reason} ${signal}`],
      errors: '',
      code,
      signal: null,
    });
  });
});
