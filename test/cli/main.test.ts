import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BUILT_CLI, runCli } from '../support/built_cli.js';
import { temporaryFolder } from '../support/temporary_folder.js';

/** A module that writes the address of every module to standard error as it is loaded. */
const LOADER = asUrl(
  "import{writeSync}from'node:fs';export async function load(url,context,next){writeSync(2,url+'\\n');return next(url,context)}",
);
const LISTING = asUrl(`import{register}from'node:module';register(${JSON.stringify(LOADER)})`);

function asUrl(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

const OFFERED = ['train', 'coordinator', 'worker', 'evaluate', 'verify', 'why', 'init', 'doctor', 'bench'];

test('--help starts with examples, goes to standard output and exits 0', () => {
  const { code, out, err } = runCli(['--help']);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^Examples:\n {2}tfjs-parallel train /);
  const offered = [...out.matchAll(/^ {2}(\w+) \[options\]/gm)].map(([, name]) => name);
  expect(offered).toEqual(OFFERED);
  expect(runCli([])).toEqual({ code, out, err });
});

test.each(OFFERED)('%s --help starts with examples and has no flag twice', (name) => {
  const { code, out, err } = runCli([name, '--help']);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(new RegExp(`^Examples:\n {2}tfjs-parallel ${name} `));
  const flags = [...out.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, flag]) => flag);
  expect(new Set(flags).size).toBe(flags.length);
});

test('train --help has all flags, in groups', () => {
  const { out } = runCli(['train', '--help']);
  const groups = [...out.matchAll(/^(\S[\w ]+):$/gm)].map(([, group]) => group);
  expect(groups).toEqual([
    ...['Examples', 'Model and data', 'Training', 'Devices', 'Saving and resuming', 'Output', 'Configuration', 'Options'],
  ]);
  const wanted =
    '--gpus --workers --threads-per-worker --epochs --max-steps --batch --lr --seed --config --set --data --data-dir --save-above ' +
    '--target --run-dir --name --train-limit --validation-limit --reporter --log-every --shards --model --loss --precision ' +
    '--no-compile --keep --state-every --on-save-failure --resume --init-from --verbose';
  expect(wanted.split(' ').filter((flag) => !out.includes(`${flag} `))).toEqual([]);
});

test('--help loads nothing but commander', () => {
  for (const args of [['--help'], ['train', '--help'], ['train', '--epoch']]) {
    const { err } = runCli(args, { nodeArgs: ['--import', LISTING] });
    const loaded = err.split('\n').filter((line) => line.includes('/build/') || line.includes('/node_modules/'));
    expect(loaded.some((url) => url.endsWith('/build/cli/commands/train.js'))).toBe(true);
    const packages = loaded
      .map((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1])
      .filter((name) => name !== undefined);
    expect([...new Set(packages)]).toEqual(['commander']);
    expect(loaded.filter((url) => /\/build\/(engine|worker|coordinator|data|models)\//.test(url))).toEqual([]);
  }
});

test('--version is the version alone', () => {
  expect(runCli(['--version'])).toEqual({ code: 0, out: '0.1.0\n', err: '' });
});

test.each([
  [['trian'], "error UNKNOWN_COMMAND: unknown command 'trian', did you mean train?\nnext: tfjs-parallel --help\n"],
  [
    ['train', '--epoch', '3'],
    "error UNKNOWN_FLAG: unknown option '--epoch', did you mean --epochs?\nnext: tfjs-parallel train --help\n",
  ],
  [['train', '--epochs'], "error VALUE_MISSING: option '--epochs <n>' argument missing\nnext: tfjs-parallel train --help\n"],
  [['evaluate'], "error ARGUMENT_MISSING: missing required argument 'model'\nnext: tfjs-parallel evaluate --help\n"],
  [
    ['train', 'now'],
    "error TOO_MANY_ARGUMENTS: too many arguments for 'train'. Expected 0 arguments but got 1.\nnext: tfjs-parallel train --help\n",
  ],
  [
    ['train', '--init-from', 'a', '--resume', 'b'],
    "error FLAGS_CONFLICT: option '--init-from <path>' cannot be used with option '--resume <run>'\nnext: tfjs-parallel train --help\n",
  ],
  [
    ['train', '--numerics', 'loose'],
    "error VALUE_INVALID: option '--numerics <check>' argument 'loose' is invalid. Allowed choices are strict, relaxed.\nnext: tfjs-parallel train --help\n",
  ],
  [
    ['train', '--gpus', '1-0'],
    'error GPUS_INVALID: gpus cannot be "1-0": the range 1-0 runs backwards\nnext: give indices (--gpus 0,1), a range (--gpus 0-3), all or none\n',
  ],
  [
    ['train', '--batch', '3', '--shards', '4'],
    'error BATCH_SMALLER_THAN_SHARDS: batch is 3 and shards is 4: 1 of the shards would have no example in any step\n' +
      'next: give --batch 4 or more, or --shards 3 or fewer (default: one per replica)\n',
  ],
])('%j is refused with exit code 2, on standard error alone', (args, message) => {
  expect(runCli(args)).toEqual({ code: 2, out: '', err: message });
});

test('a mistyped key in a file is named with line and column, and shown with a stack only with -v', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'cli-'));
  writeFileSync(join(cwd, 'mine.yaml'), 'epochs: 1\noptimizer:\n  learning_rte: 0.1\n');
  const args = ['train', '--config', 'mine.yaml'];
  const message =
    'error CONFIG_UNKNOWN_KEY: unknown key "learning_rte" at mine.yaml:3:3, did you mean learning_rate?\nnext: correct the key, or remove it\n';
  expect(runCli(args, { cwd })).toEqual({ code: 2, out: '', err: message });
  const { err, code } = runCli([...args, '-v'], { cwd });
  expect(code).toBe(2);
  expect(err.startsWith(message)).toBe(true);
  expect(err).toMatch(/\n {4}at /);
});

test('a run that does not exist cannot be resumed: exit code 7', () => {
  expect(runCli(['train', '--resume', 'no/such/run'])).toEqual({
    ...{ code: 7, out: '' },
    err: 'error RUN_NOT_FOUND: no/such/run does not exist\nnext: give the folder of a run, such as runs/mnist-001; ls shows those there are\n',
  });
});

test('a rejection that nobody handles is a bug of ours: exit code 70, no stack', async () => {
  // In the first turn after somebody listens: long before a training, which starts threads, can end.
  const fault = asUrl(
    "const{on}=process;process.on=function(event,...rest){on.call(this,event,...rest);if(event==='unhandledRejection')setImmediate(()=>Promise.reject(new TypeError('boom')));return this}",
  );
  const training = ['train', '--data', 'synthetic', '--gpus', 'none', '--workers', '1'];
  const { code, out, err } = runCli(training, { nodeArgs: ['--import', fault], cwd: await temporaryFolder() });
  expect([code, out]).toEqual([70, '']);
  expect(err).toBe(
    'error INTERNAL: boom\nnext: this is a bug in tfjs-parallel; please report it with the output of the same command and -v\n',
  );
});

test('a reader that goes away is no error', async () => {
  const child = spawn(process.execPath, [BUILT_CLI, 'train', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect([code, err]).toEqual([0, '']);
});
