/**
 * Owns: what the built program says, and its exit code, where a run cannot begin: devices, data, configuration, models, a folder that cannot be written.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli } from '../support/built_cli.js';
import { idxBytes } from '../support/idx_bytes.js';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tfjs-parallel-test-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cwd, { recursive: true, force: true });
});

/** Runs `train` with these flags: `exit CODE` and what standard error says, its folder left out. Nothing may be on standard output, and no run begun. */
function refusal(flags: string): string {
  const { code, out, err } = runCli(['train', ...flags.split(' ')], { cwd });
  expect(out).toBe('');
  expect(existsSync(join(cwd, 'runs'))).toBe(false);
  return `exit ${code}\n${err.replaceAll(cwd, '.').trim()}`;
}

describe('devices', () => {
  /** A PATH with nothing but this nvidia-smi; null: none. */
  function onlyNvidiaSmi(script: string | null): void {
    const folder = join(cwd, 'bin');
    mkdirSync(folder);
    if (script !== null) {
      writeFileSync(join(folder, 'nvidia-smi'), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, 'nvidia-smi'), 0o755);
    }
    vi.stubEnv('PATH', script === null ? folder : `${folder}${delimiter}/bin`);
    vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
  }

  it('a GPU that is not there: the list of those that are', () => {
    onlyNvidiaSmi('echo "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"; echo "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-2)"');
    expect(refusal('--data synthetic --gpus 7')).toMatchInlineSnapshot(`
      "exit 3
      error GPU_INDEX: there is no GPU 7; this machine has 0 (NVIDIA H100 80GB HBM3), 1 (NVIDIA H100 80GB HBM3)
      next: name GPUs that exist with --gpus (indices count within CUDA_VISIBLE_DEVICES), or use --gpus all"
    `);
  });

  it('a GPU where there is none', () => {
    onlyNvidiaSmi(null);
    expect(refusal('--data synthetic --gpus 0')).toMatchInlineSnapshot(`
      "exit 3
      error GPU_NOT_FOUND: a GPU was asked for and none was found: nvidia-smi is not installed, so there is no NVIDIA driver
      next: check the driver with nvidia-smi, or train on the CPU with --gpus none --workers 2"
    `);
  });
});

describe('data', () => {
  /** Four IDX files of 3 + 2 images, one replaced. */
  function idxFolder(replaced: Record<string, Buffer>): void {
    const files: Record<string, Buffer> = {
      'train-images-idx3-ubyte': idxBytes([3, 28, 28]),
      'train-labels-idx1-ubyte': idxBytes([3], [0, 1, 2]),
      't10k-images-idx3-ubyte': idxBytes([2, 28, 28]),
      't10k-labels-idx1-ubyte': idxBytes([2], [0, 1]),
    };
    mkdirSync(join(cwd, 'data'));
    for (const [name, bytes] of Object.entries({ ...files, ...replaced })) writeFileSync(join(cwd, 'data', name), bytes);
  }
  const FLAGS = '--data idx --data-dir data --gpus none --batch 2';

  it('a truncated IDX file', () => {
    idxFolder({ 'train-images-idx3-ubyte': idxBytes([3, 28, 28]).subarray(0, 2000) });
    expect(refusal(FLAGS)).toMatchInlineSnapshot(`
      "exit 4
      error DATA_LENGTH: data/train-images-idx3-ubyte: header says 3 images, file holds 2
      next: Replace the file with an intact copy."
    `);
  });

  it('a page of HTML in place of one, gzip or not', () => {
    const page = Buffer.from('<!doctype html><html><title>404</title></html>');
    idxFolder({ 't10k-labels-idx1-ubyte': page });
    const plain = refusal(FLAGS);
    expect(plain).toMatchInlineSnapshot(`
      "exit 4
      error DATA_NOT_IDX: data/t10k-labels-idx1-ubyte: is an HTML page, not an IDX file of labels
      next: Replace the file with an intact copy."
    `);
    writeFileSync(join(cwd, 'data', 't10k-labels-idx1-ubyte'), gzipSync(page));
    expect(refusal(FLAGS)).toMatch(/^exit 4\nerror DATA_/);
  });

  it('another set of the right form in place of MNIST', () => {
    idxFolder({});
    const answer = refusal('--data mnist --data-dir data --gpus none');
    expect(answer).toMatch(
      /^exit 4\nerror DATA_SHAPE: .*: dimensions are \[3, 28, 28\], wanted \[60000, 28, 28\]\n.*--data idx\.$/,
    );
  });

  it('a data module that is not there, before anything else is done', () => {
    expect(refusal('--data ./no.mjs --gpus none')).toMatch(/^exit 4\nerror DATA_MISSING: \.\/no\.mjs/);
  });
});

describe('configuration', () => {
  it('a batch smaller than the shards', () => {
    expect(refusal('--data synthetic --gpus none --batch 3 --shards 4')).toMatchInlineSnapshot(`
      "exit 2
      error BATCH_SMALLER_THAN_SHARDS: batch is 3 and shards is 4: 1 of the shards would have no example in any step
      next: give --batch 4 or more, or --shards 3 or fewer (default: one per replica)"
    `);
  });

  it('an unknown key: file, line, column and the key that was meant', () => {
    writeFileSync(join(cwd, 'my.yaml'), 'model: gluon_cnn\ndata: synthetic\noptimizer:\n  learning_rte: 0.1\n');
    expect(refusal('--config my.yaml')).toMatchInlineSnapshot(`
      "exit 2
      error CONFIG_UNKNOWN_KEY: unknown key "learning_rte" at my.yaml:4:3, did you mean learning_rate?
      next: correct the key, or remove it"
    `);
  });

  it('a model that is not there, cannot be made, or does not fit the data', () => {
    const flags = '--data synthetic --gpus none --train-limit 10 --validation-limit 10 --batch 10 --model';
    expect(refusal(`${flags} ./no.mjs`)).toMatch(/^exit 2\nerror MODEL_NOT_FOUND: no file \.\/no\.mjs/);
    writeFileSync(join(cwd, 'broken.mjs'), 'export function createModel() { throw new Error("units?"); }');
    writeFileSync(
      join(cwd, 'wide.mjs'),
      'export const createModel = (tf) => tf.sequential({ layers: [tf.layers.dense({ units: 10, inputShape: [784] })] });',
    );
    const opened = (name: string) => {
      const { code, out, err } = runCli(['train', ...`${flags} ./${name}.mjs`.split(' ')], { cwd });
      expect(readdirSync(join(cwd, 'runs')), 'no run began').toEqual([]);
      return `exit ${code}${out}\n${err.trim()}`;
    };
    expect(opened('broken')).toMatch(
      /^exit 2\nerror MODEL_INVALID: \.\/broken\.mjs is not a usable tf\.LayersModel: createModel\(tf\) failed: Error: units\? \(.*\/broken\.mjs:1:39\)\nnext: .*$/,
    );
    expect(opened('wide')).toMatch(
      /^exit 2\nerror MODEL_INPUT_SHAPE: the model takes examples of \[784\], those of synthetic digits are \[28, 28, 1\]\nnext: .*$/,
    );
  });
});

describe('the run folder', () => {
  const FLAGS = '--data synthetic --gpus none --train-limit 10 --validation-limit 10 --batch 10';

  it('a file in its place', () => {
    writeFileSync(join(cwd, 'taken'), '');
    expect(refusal(`${FLAGS} --run-dir taken`)).toMatchInlineSnapshot(`
      "exit 7
      error RUN_FOLDER_GONE: cannot create a run folder in taken: a part of the path is not a folder (ENOTDIR)
      next: use --run-dir with the path of a folder"
    `);
  });

  it('of a cluster that no worker joined: nothing is left of it', () => {
    const flags = `${FLAGS.replace(' --gpus none', '')} --shards 2 --listen 127.0.0.1:0 --token-file token --join-timeout 1`;
    const { code, out, err } = runCli(['coordinator', ...flags.split(' ')], { cwd });
    expect([code, out]).toEqual([5, '']);
    expect(err).toContain('error JOIN_TIMEOUT: no worker joined within 1 s\n');
    expect(readdirSync(join(cwd, 'runs'))).toEqual([]);
  });

  it('one that cannot be written', ({ skip }) => {
    const folder = readOnlyFolder();
    if (folder === null) return skip('no folder on this machine refuses writing to this user');
    const answer = refusal(`${FLAGS} --run-dir ${folder}/runs`);
    expect(answer).toMatch(
      /^exit 7\nerror RUN_FOLDER_READ_ONLY: cannot create a run folder in .*: (the file system is read-only|permission denied)/,
    );
    expect(answer.split('\n')).toHaveLength(3);
  });

  /** One without write permission; for root, who may write anyway, one on a file system that is mounted read-only. */
  function readOnlyFolder(): string | null {
    if (process.getuid?.() !== 0) {
      const folder = join(cwd, 'closed');
      mkdirSync(folder, { mode: 0o555 });
      return folder;
    }
    if (!existsSync('/proc/mounts')) return null;
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
    const readOnly = mounts.filter(([, , , options]) => options?.split(',')[0] === 'ro').map(([, path]) => path);
    return readOnly.find((path) => refusesWriting(path)) ?? null;
  }

  function refusesWriting(path: string): boolean {
    try {
      if (!statSync(path).isDirectory()) return false;
      symlinkSync('nowhere', join(path, 'tfjs-parallel-test'));
      rmSync(join(path, 'tfjs-parallel-test'));
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EROFS';
    }
  }
});
