/**
 * Owns: real runs of the built `train` on a tiny network, for tests that kill, stop, starve and resume them.
 * Does not: judge what came out.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BUILT_CLI } from './built_cli.js';

export const TINY_MODEL = resolve('scripts/crash/tiny_model.mjs');
/** Not the synthetic digits, of which each process would draw all 24,000: that costs more than what most of these runs compute. */
export const TINY_DATA = resolve('test/support/data/tiny_digits.mjs');
/** 600 examples in batches of 50: 12 steps an epoch. */
export const TINY_RUN: readonly string[] = [
  ...['--model', TINY_MODEL, '--data', TINY_DATA, '--gpus', 'none', '--shards', '2', '--threads-per-worker', '1'],
  ...['--train-limit', '600', '--validation-limit', '100', '--batch', '50', '--lr', '0.05', '--set', 'optimizer.momentum=0.9'],
  ...['--save-above', '0', '--report', 'none'],
];

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

export interface RealRun {
  child: ChildProcess;
  /** Resolves when a record that fits has come by; rejects when the process ends without. */
  seen(fits: (record: Readonly<Record<string, unknown>>) => boolean): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<Ended>;
}

interface StartOptions {
  env?: Readonly<Record<string, string>>;
  nodeArgs?: readonly string[];
}

/** `tfjs-parallel train ...args --reporter json --log-every 1`. */
export function startTrain(args: readonly string[], { env = {}, nodeArgs = [] }: StartOptions = {}): RealRun {
  const child = spawn(process.execPath, [...nodeArgs, BUILT_CLI, 'train', ...args, '--reporter', 'json', '--log-every', '1'], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const waiting = new Set<() => void>();
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    text.out += chunk.toString();
    for (const look of waiting) look();
  });
  child.stderr.on('data', (chunk: Buffer) => (text.err += chunk.toString()));
  const ended = new Promise<Ended>((done) => child.on('close', (code, signal) => done({ code, signal, ...text })));
  return {
    child,
    ended,
    kill: (signal) => void child.kill(signal),
    seen: (fits) =>
      new Promise((found, failed) => {
        const look = (): void => {
          if (recordsIn(text.out).some(fits)) {
            waiting.delete(look);
            found();
          }
        };
        waiting.add(look);
        look();
        void ended.then(({ code, err }) => failed(new Error(`ended with ${code} before that record came\n${err}`)));
      }),
  };
}

export const train = (args: readonly string[], options?: StartOptions): Promise<Ended> => startTrain(args, options).ended;

/** Whole lines only. */
export function recordsIn(out: string): Record<string, unknown>[] {
  const lines = out.slice(0, out.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
}

export const atStep =
  (step: number) =>
  (record: Readonly<Record<string, unknown>>): boolean =>
    record.type === 'step' && Number(record.step) >= step;

/** Times, rates, places and who computed: what equal runs may differ in. */
const VARYING = new Set(['seconds', 'images_per_s', 'phases_ms', 'replica_times', 'run_folder', 'config', 'replicas']);

/** Every line of metrics.jsonl, but for times and rates. */
export function metricsOf(run: string): string[] {
  const text = readFileSync(join(run, 'metrics.jsonl'), 'utf8');
  return recordsIn(text).map((record) =>
    JSON.stringify(Object.fromEntries(Object.entries(record).filter(([key]) => !VARYING.has(key)))),
  );
}

/** The final weights' digest; undefined for a run that did not end. */
export function weightsSha256Of(run: string): unknown {
  return recordsIn(readFileSync(join(run, 'metrics.jsonl'), 'utf8')).find(({ type }) => type === 'end')?.weights_sha256;
}
