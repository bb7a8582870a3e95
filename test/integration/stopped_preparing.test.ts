/**
 * Owns: stop signals to the built program while a module of the user's keeps its thread busy for ever: they end the process, and nothing is left behind.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { BUILT_CLI } from '../support/built_cli.js';
import { writeFiles } from '../support/consumer_project.js';
import { TINY_MODEL } from '../support/real_run.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();

/** Says `busy` once the module has the processor; no turn of an event loop ever comes again in its thread. */
const BUSY = "writeSync(2, 'busy\\n'); for (;;);";
const IMPORT = "import { writeSync } from 'node:fs';";

beforeAll(() =>
  writeFiles(scratch, {
    'busy.mjs': `${IMPORT} ${BUSY}`,
    'busy_model.mjs': `${IMPORT} export function createModel() { ${BUSY} }`,
  }),
);

/** Sends the signal when the module is busy. */
async function stopped(args: readonly string[], signal: NodeJS.Signals) {
  const child = spawn(process.execPath, [BUILT_CLI, ...args], { cwd: scratch, env: { ...process.env, NODE_OPTIONS: '' } });
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (!err.includes('busy') && `${err}${chunk.toString()}`.includes('busy')) child.kill(signal);
    err += chunk.toString();
  });
  const code = await new Promise<number | null>((done) => child.on('close', done));
  return { code, err };
}

const WITH_DATA = ['--data', './busy.mjs', '--model', TINY_MODEL, '--workers', '1'];

describe('while the data module never comes back', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 75],
    ['SIGUSR1', 75],
    ['SIGHUP', 75],
  ] as const)('%s ends train', async (signal, exit) => {
    const { code, err } = await stopped(['train', ...WITH_DATA], signal);
    expect(code).toBe(exit);
    expect(err).toContain('ending before the first step');
    expect(existsSync(join(scratch, 'runs'))).toBe(false);
  });

  it('SIGTERM ends a coordinator', async () => {
    const args = ['coordinator', '--data', './busy.mjs', '--model', TINY_MODEL, '--shards', '1', '--listen', '127.0.0.1:0'];
    expect((await stopped(args, 'SIGTERM')).code).toBe(75);
  });

  it('SIGTERM ends a verification, which has nothing to save', async () => {
    expect((await stopped(['verify', ...WITH_DATA], 'SIGTERM')).code).toBe(75);
  });
});

describe('while the model module never comes back', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 75],
  ] as const)('%s ends train and takes its new run folder away', async (signal, exit) => {
    const args = ['train', '--model', './busy_model.mjs', '--data', 'synthetic', '--workers', '2', '--name', 'taken-away'];
    expect((await stopped(args, signal)).code).toBe(exit);
    expect(existsSync(join(scratch, 'runs', 'taken-away'))).toBe(false);
  });
});

describe('while a worker prepares', () => {
  it('SIGTERM ends it, and the run’s coordinator waits on for others', async () => {
    const token = join(scratch, 'token');
    const model = ['--model', './busy_model.mjs'];
    const settings = ['--data', 'synthetic', '--train-limit', '40', '--validation-limit', '10', '--batch', '10', '--shards', '1'];
    const child = spawn(
      process.execPath,
      [BUILT_CLI, 'coordinator', ...settings, ...model, '--listen', '127.0.0.1:0', '--token-file', token, '--name', 'waits-on'],
      { cwd: scratch, env: { ...process.env, NODE_OPTIONS: '' } },
    );
    const ended = new Promise<number | null>((done) => child.on('close', done));
    let said = '';
    const port = await new Promise<string>((done) => {
      const hear = (chunk: Buffer): void => {
        said += chunk.toString();
        const found = /127\.0\.0\.1:(\d+)/.exec(said);
        if (found !== null) done(found[1]);
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
    });
    const devices = ['--gpus', 'none', '--workers', '1', '--threads-per-worker', '1'];
    const { code, err } = await stopped(
      ['worker', '--host', `127.0.0.1:${port}`, '--token-file', token, ...devices, ...model],
      'SIGTERM',
    );
    expect(err).toContain('busy');
    expect(code).toBe(75);
    expect(child.exitCode).toBe(null);
    child.kill('SIGTERM');
    expect(await ended).toBe(75);
  });
});
