/**
 * Owns: starting the built program where something around it is broken: files, folders, variables, limits, programs, Node's own options. Each is said in
 * words with what to do, and none is called a bug of ours (exit 70).
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeFiles } from '../support/consumer_project.js';
import { BUILT_CLI } from '../support/built_cli.js';
import { folderOfTests } from '../support/temporary_folder.js';

const scratch = folderOfTests();

const FILES = {
  'model.mjs': `export const createModel = (tf) => tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });`,
  'data.mjs': `const set = (n) => ({ x: Float32Array.from({ length: 3 * n }, (_, i) => i % 5), y: Int32Array.from({ length: n }, (_, i) => i % 2) });
    export const train = set(8), validation = set(4), inputShape = [3];`,
  a_file: 'text',
  'folder.json/x': '',
  'folder.yaml/x': '',
  'null.json': 'null',
  'five.json': '{"modelTopology":5}',
  'no_weights.json': '{"modelTopology":{},"weightsManifest":[{"paths":["x.bin"],"weights":[]}]}',
  'odd_manifest.json': '{"weightsManifest":7,"modelTopology":{"class_name":"Sequential"}}',
  'syntax.mjs': 'no module (',
  'throws_null.mjs': 'export const createModel = () => { throw null; };',
  'exits.mjs': 'process.exit(0)',
  'throws_undefined.mjs': 'throw undefined',
  'throws_late.mjs': 'setTimeout(() => { throw new Error("late"); }, 1); await new Promise((done) => setTimeout(done, 60_000));',
  'never.mjs': 'await new Promise(() => undefined);',
  'exits_within.mjs': 'export default () => process.exit(0);',
  'builds_and_exits.mjs': 'export const createModel = () => process.exit(0);',
  'bomb.yaml': [
    'a: &a [1,1]',
    ...'bcde'.split('').map((to, i) => `${to}: &${to} [${Array(9).fill(`*${'abcd'[i]}`).join(',')}]`),
    'f: [*e,*e,*e]',
  ].join('\n'),
  'bogus/libtensorflow_cc.so.2': 'no library',
  'python_garbage/python3': '#!/bin/sh\necho "{no json"\n',
  'python_fails/python3': '#!/bin/sh\nexit 7\n',
  'smi_garbage/nvidia-smi': '#!/bin/sh\necho GPU what; echo "  MIG (UUID"\n',
  'run_without_config/x': '',
  'run_damaged/config.yaml': '{{{',
  'run_folder_config/config.yaml/x': '',
};

const train = (args: string): string =>
  `"$NODE" "$MAIN" train --model model.mjs --data data.mjs --batch 4 --epochs 1 --workers 1 --threads-per-worker 1 ${args}`;
const model = (file: string): string =>
  `"$NODE" "$MAIN" train --model ./${file} --data data.mjs --batch 4 --epochs 1 --workers 1`;
const data = (file: string): string =>
  `"$NODE" "$MAIN" train --model model.mjs --data ./${file} --batch 4 --epochs 1 --workers 1`;
const NO_TENSORFLOW = 'env -u TFJS_PARALLEL_TENSORFLOW';

/** What is broken, the command, the exit code, and the error's code; or, where the program goes on, the line that says so. */
const BROKEN: readonly (readonly [what: string, command: string, exit: number, says: string])[] = [
  [
    'the temporary folder does not exist',
    `TMPDIR=/nonexistent/x ${train('')}`,
    0,
    'the temporary folder /nonexistent/x does not exist',
  ],
  ['the temporary folder is a file', `TMPDIR=$PWD/a_file ${train('')}`, 0, 'warning: the temporary folder'],
  [
    'the home is a file',
    `${NO_TENSORFLOW} -u TFJS_PARALLEL_CACHE -u XDG_CACHE_HOME HOME=$PWD/a_file PATH=/nonexistent ${train('')}`,
    3,
    'CACHE_NOT_WRITABLE',
  ],
  ['the cache is a file', `${NO_TENSORFLOW} TFJS_PARALLEL_CACHE=a_file PATH=/nonexistent ${train('')}`, 3, 'CACHE_NOT_WRITABLE'],
  [
    'no folder can be made where the cache should be',
    `${NO_TENSORFLOW} TFJS_PARALLEL_CACHE=/dev/null/none PATH=/nonexistent ${train('')}`,
    3,
    'CACHE_NOT_WRITABLE',
  ],
  [
    'no folder can be made below where the cache should be',
    `${NO_TENSORFLOW} TFJS_PARALLEL_CACHE=/dev/null/none/x/y PATH=/nonexistent ${train('')}`,
    3,
    'CACHE_NOT_WRITABLE',
  ],
  ['nor for data', `XDG_CACHE_HOME=/dev/null/none/x "$NODE" "$MAIN" train --data mnist --workers 1`, 4, 'DATA_CACHE'],
  [
    'nor for the token',
    'XDG_CONFIG_HOME=/dev/null/none "$NODE" "$MAIN" coordinator --data data.mjs --model model.mjs --batch 4 --shards 1 --listen 127.0.0.1:0',
    5,
    'TOKEN_FILE',
  ],
  ['the home is empty', `HOME= ${train('')}`, 0, 'done: 1 epoch'],
  ['there is no Python', `${NO_TENSORFLOW} TFJS_PARALLEL_CACHE=c1 PATH=/nonexistent ${train('')}`, 3, 'PIP_NOT_FOUND'],
  [
    'python3 is something else',
    `${NO_TENSORFLOW} TFJS_PARALLEL_CACHE=c2 PATH=$PWD/python_garbage:/usr/bin:/bin ${train('--max-steps 1')}`,
    3,
    'TENSORFLOW_FETCH_FAILED',
  ],
  ['python3 fails', `${NO_TENSORFLOW} TFJS_PARALLEL_CACHE=c3 PATH=$PWD/python_fails ${train('')}`, 3, 'PIP_NOT_FOUND'],
  [
    'nvidia-smi prints something else',
    `PATH=$PWD/smi_garbage:$PATH "$NODE" "$MAIN" train --model model.mjs --data data.mjs --gpus 0`,
    3,
    'GPU_NOT_FOUND',
  ],
  ['the TensorFlow that is named is not there', `TFJS_PARALLEL_TENSORFLOW=/nonexistent ${train('')}`, 3, 'TENSORFLOW_NOT_FOUND'],
  ['the TensorFlow that is named is no library', `TFJS_PARALLEL_TENSORFLOW=bogus ${train('')}`, 3, 'TENSORFLOW_NOT_LOADABLE'],
  ['the model is a folder', model('folder.json'), 2, 'MODEL_'],
  ['the model is null', model('null.json'), 2, 'MODEL_'],
  ['the model is a number', model('five.json'), 2, 'MODEL_'],
  ['the model lacks its weights', model('no_weights.json'), 4, 'MODEL_'],
  ['the model has an odd manifest', model('odd_manifest.json'), 2, 'MODEL_'],
  ['the model module cannot be parsed', model('syntax.mjs'), 2, 'MODEL_INVALID'],
  ['the model module throws null', model('throws_null.mjs'), 2, 'MODEL_INVALID'],
  ['the model module ends its thread', model('exits.mjs'), 3, 'REPLICA_ENDED: ./exits.mjs: '],
  ['the model module ends its thread later', model('builds_and_exits.mjs'), 3, 'REPLICA_ENDED: ./builds_and_exits.mjs: '],
  ['the data module throws undefined', data('throws_undefined.mjs'), 4, 'DATA_MODULE'],
  ['the data module ends its thread', data('exits.mjs'), 4, 'DATA_MODULE: ./exits.mjs: ended its thread by process.exit(0)'],
  ['the data module ends its thread later', data('exits_within.mjs'), 4, 'DATA_MODULE: ./exits_within.mjs: ended'],
  ['the data module never finishes', data('never.mjs'), 4, 'DATA_MODULE: ./never.mjs: never finishes'],
  ['a callback of the data module throws', data('throws_late.mjs'), 4, 'DATA_MODULE: ./throws_late.mjs: failed: Error: late'],
  [
    'the data module of a coordinator ends its thread',
    '"$NODE" "$MAIN" coordinator --data ./exits.mjs --model model.mjs --batch 4 --shards 1 --listen 127.0.0.1:0 --token-file token',
    4,
    'DATA_MODULE: ./exits.mjs: ended',
  ],
  [
    'the data module of a verification ends its thread',
    '"$NODE" "$MAIN" verify --data ./exits.mjs --model model.mjs --batch 4 --shards 1',
    4,
    'DATA_MODULE: ./exits.mjs: ended',
  ],
  ['the data folder is a file', `"$NODE" "$MAIN" train --data idx --data-dir a_file`, 4, 'DATA_MISSING'],
  ['the run folders go into a file', train('--run-dir a_file'), 7, 'RUN_FOLDER_GONE'],
  ['no run folder can be made', train('--run-dir /dev/null/none'), 7, 'RUN_FOLDER_GONE'],
  ['the name is too long for a folder', train(`--name ${'a'.repeat(300)}`), 7, 'STORAGE_FAILED'],
  ['the configuration is a folder', train('--config folder.yaml'), 2, 'CONFIG_UNREADABLE'],
  ['the configuration grows without end', train('--config bomb.yaml'), 2, 'CONFIG_SYNTAX'],
  ['the run to resume has no configuration', '"$NODE" "$MAIN" train --resume run_without_config', 7, 'RUN_NOT_FOUND'],
  ['the run to resume has a damaged one', '"$NODE" "$MAIN" train --resume run_damaged', 2, 'CONFIG_SYNTAX'],
  ['the run to resume has a folder as one', '"$NODE" "$MAIN" train --resume run_folder_config', 7, 'RUN_CONFIG_DAMAGED'],
  ['the model to evaluate is null', '"$NODE" "$MAIN" evaluate null.json --workers 1', 7, 'MODEL_FILE_INVALID'],
  [
    'far more replicas are asked for than there are cores',
    '"$NODE" "$MAIN" train --model model.mjs --data data.mjs --batch 1000 --workers 1000',
    3,
    'TOO_MANY_CPU_REPLICAS',
  ],
  [
    'the current folder was deleted',
    `mkdir gone && cd gone && rmdir ../gone && "$NODE" "$MAIN" train --data synthetic --workers 1`,
    3,
    'FOLDER_GONE',
  ],
  ['the disk of standard output is full', `${train('')} > /dev/full`, 3, 'SYSTEM_REFUSED'],
  ['too few files may be open', `ulimit -n 40; ${train('')}`, 3, 'SYSTEM_REFUSED'],
  [
    'Node compiles nothing',
    `"$NODE" --jitless "$MAIN" train --model model.mjs --data data.mjs --batch 4 --workers 1`,
    3,
    'NODE_OPTION',
  ],
  ['there are too few addresses for TensorFlow', `ulimit -v 2300000; ${train('')}`, 3, 'ulimit -v unlimited'],
  ['there are too few addresses for WebAssembly', `ulimit -v 9000000; ${train('')}`, 6, 'ulimit -v unlimited'],
  ['Node freezes what is its own', `NODE_OPTIONS=--frozen-intrinsics ${train('')}`, 3, 'NODE_OPTION'],
  ['Node loads no native part', `"$NODE" --no-addons "$MAIN" train --model model.mjs --data data.mjs`, 3, 'NATIVE_PART_MISSING'],
  ['Node evaluates no code', `NODE_OPTIONS=--disallow-code-generation-from-strings ${train('')}`, 3, 'NODE_OPTION'],
  [
    'a certificate is a folder',
    '"$NODE" "$MAIN" coordinator --shards 1 --listen 127.0.0.1:0 --token-file token --tls-cert folder.json --tls-key a_file',
    2,
    'TLS_FILE',
  ],
  [
    'the token is a folder',
    '"$NODE" "$MAIN" coordinator --shards 1 --listen 127.0.0.1:0 --token-file folder.json',
    5,
    'TOKEN_FILE',
  ],
  [
    'the address is not of this machine',
    '"$NODE" "$MAIN" coordinator --data data.mjs --model model.mjs --batch 4 --shards 1 --listen 203.0.113.7:29999 --token-file token',
    5,
    'LISTEN',
  ],
];

describe.skipIf(process.platform !== 'linux')('where', () => {
  beforeAll(() => {
    writeFiles(scratch, FILES);
    for (const program of ['python_garbage/python3', 'python_fails/python3', 'smi_garbage/nvidia-smi'])
      chmodSync(join(scratch, program), 0o755);
    mkdirSync(join(scratch, 'config'));
  });

  it.each(BROKEN)('%s: words, and never exit 70', (_, command, exit, says) => {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', command], {
      cwd: scratch,
      encoding: 'utf8',
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        NODE: process.execPath,
        MAIN: BUILT_CLI,
        XDG_CONFIG_HOME: join(scratch, 'config'),
      },
    });
    expect([status, `${stdout}${stderr}`]).toEqual([exit, expect.stringContaining(says)]);
    if (exit !== 0) expect(stderr).toMatch(/^error [A-Z_]+: .+\nnext: .+/m);
    expect(stderr).not.toContain('this is a bug');
  });
});
