/**
 * Owns: processes of tfjs-parallel for a harness: starting them, what they have written, a line of theirs to wait for, their end.
 * Does not: choose what they do, or judge how they ended.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** `build`: the folder of the built program. `verbose`: its standard error is passed on. `onLine`: hears each line of its standard output, of which the last alone is kept then. */
export function startProcess(command, args, { build, verbose = false, onLine = null }) {
  const started = performance.now();
  const child = spawn(process.execPath, [join(build, 'cli/main.js'), command, ...args], {
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
    if (onLine === null) return;
    const lines = out.split('\n');
    out = lines.pop();
    for (const line of lines) onLine(line);
  });
  child.stderr.on('data', (chunk) => {
    err = (err + chunk).slice(-20_000);
    if (verbose) process.stderr.write(`${command} ${child.pid}: ${chunk}`);
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

/** A coordinator, with the `port` it listens to and `joined`, when its first worker has. */
export function startCoordinator(args, how) {
  const coordinator = startProcess('coordinator', args, how);
  coordinator.port = coordinator.line(/waiting for workers at .*:(\d+)/).then(([, port]) => Number(port));
  coordinator.joined = coordinator.line(/joined; /);
  return coordinator;
}

/** The final weights' hash; null where the run did not come to its end. */
export function hashOf(out) {
  const end = out.trim().split('\n').at(-1) ?? '';
  return /"type":"end".*"weights_sha256":"([0-9a-f]{64})"/.exec(end)?.[1] ?? null;
}

export function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms).unref());
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
