/**
 * A `python3` for tests of fetching: its pip serves small wheels from a folder and does as it is told by a few environment variables; anything
 * else is passed to the real Python.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Distribution, Wheel } from '../../src/engine/tensorflow/wheels.js';

/** Of this machine; undefined if there is none, and tests that unpack must be skipped. */
export const REAL_PYTHON =
  spawnSync('python3', ['-c', 'import zipfile, sys; print(sys.executable)'], { encoding: 'utf8' }).stdout?.trim() || undefined;

export interface FakePython {
  /** Pass as the Python to use, or put its folder on the PATH. */
  python: string;
  /** The requirements that pip was asked for, in order, one entry per call. */
  asked(): string[];
}

/** Switches: FAKE_PIP=missing; FAKE_PIP_FAILS_AT, FAKE_PIP_HANGS_AT=requirement; FAKE_PIP_DELAY_MS. */
export function makeFakePython(folder: string): FakePython {
  const python = join(folder, 'bin', 'python3');
  const log = join(folder, 'asked.txt');
  mkdirSync(dirname(python), { recursive: true });
  writeFileSync(
    python,
    `#!${process.execPath}
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const args = process.argv.slice(2);
if (!(args[0] === '-m' && args[1] === 'pip') && !args[1].includes("run_module('pip'")) process.exit(spawnSync(${JSON.stringify(REAL_PYTHON ?? 'python3')}, args, { stdio: 'inherit' }).status ?? 1);
if (process.env.FAKE_PIP === 'missing') {
  console.error('/usr/bin/python3: No module named pip');
  process.exit(1);
}
if (args[2] === '--version') process.exit(0);
process.stdin.resume().on('end', () => process.exit(1)).unref?.();
const after = (flag) => args[args.indexOf(flag) + 1];
const [requirement, hash] = fs.readFileSync(after('-r'), 'utf8').trim().split(' --hash=');
fs.appendFileSync(${JSON.stringify(log)}, requirement + '\\n');
if (!args.includes('--require-hashes') || !hash.startsWith('sha256:')) process.exit(3);
fs.writeFileSync(path.join(process.env.TMPDIR, 'part'), 'half a wheel');
setTimeout(() => {
  if (process.env.FAKE_PIP_FAILS_AT === requirement) {
    console.error('ERROR: Could not find a version that satisfies the requirement ' + requirement);
    process.exit(1);
  }
  fs.copyFileSync(path.join(${JSON.stringify(folder)}, requirement + '.whl'), path.join(after('--dest'), requirement + '.whl'));
}, process.env.FAKE_PIP_HANGS_AT === requirement ? 15_000 : Number(process.env.FAKE_PIP_DELAY_MS ?? 0));
`,
  );
  chmodSync(python, 0o755);
  return {
    python,
    asked: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  };
}

/** Makes a wheel that the fake pip in `folder` serves. */
export function makeWheel(folder: string, requirement: string, files: Record<string, string>): Wheel {
  if (REAL_PYTHON === undefined) throw new Error('making wheels needs Python');
  const wheel = join(folder, `${requirement}.whl`);
  const script =
    'import json, sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w") as z:\n  for name, text in json.loads(sys.argv[2]).items(): z.writestr(name, text)';
  execFileSync(REAL_PYTHON, ['-c', script, wheel, JSON.stringify(files)]);
  const bytes = readFileSync(wheel);
  return { requirement, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** A TensorFlow of two wheels, 1 kB when unpacked. */
export function makeDistribution(folder: string): Distribution {
  return {
    kind: 'cuda',
    name: 'tensorflow-test',
    pipPlatforms: ['manylinux_2_27_x86_64'],
    installedBytes: 1000,
    wheels: [
      makeWheel(folder, 'tensorflow==1', {
        'tensorflow/libtensorflow_cc.so.2': 'library',
        'tensorflow/libtensorflow_framework.so.2': 'framework',
        'tensorflow/python/thousands_of_files.py': 'not needed',
        'tensorflow/THIRD_PARTY_NOTICES.txt': 'notices',
      }),
      makeWheel(folder, 'nvidia-cudnn-cu12==9', {
        'nvidia/cudnn/lib/libcudnn.so.9': 'cudnn',
        'nvidia/cudnn/include/cudnn.h': 'not needed',
        'nvidia_cudnn_cu12-9.dist-info/licenses/License.txt': 'license',
      }),
    ],
  };
}
