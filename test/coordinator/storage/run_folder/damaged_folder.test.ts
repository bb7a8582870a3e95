/**
 * Owns: folders of runs that somebody damaged in the middle, one by one: what a resume says of each, and what it goes on from.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resumeRunFolder } from '../../../../src/coordinator/storage/run_folder/resumed_run_folder.js';
import { scratchRuns, threeEpochs } from '../../../support/run_folders.js';

const { scratch } = scratchRuns();

/** Of the run's two states, of steps 2 and 3, the older first. */
const states = (run: string): string[] => readdirSync(join(run, 'state')).sort();
const replaced = (run: string, name: string, by: (path: string) => unknown): unknown => {
  rmSync(join(run, name), { recursive: true });
  return by(join(run, name));
};
const file = (path: string): void => writeFileSync(path, 'of somebody else');
const NO_FOLDER = (name: string): string => `${name} is no folder, and is ${name}.before-start-2 now`;
const MODELS_GONE = ['best', 'epoch-0002', 'epoch-0003'].map((name) => `checkpoints/${name} is gone`);
const LOG_GONE = 'logs/run.log is gone or empty: what happened to earlier starts is not known';
const SHORTER = 'metrics.jsonl is 325 bytes shorter than the state knew it: records of steps or epochs are missing';
const CHANGED = 'metrics.jsonl was changed since its state was written: reports and results.csv tell what it says now';
const OLDER = /^state\/start-0001-step-000000002-\w+\.safetensors, which is older than the one that is taken, is damaged: /;
const LOST = /^state\/start-0001-step-00000000\d-\w+\.safetensors, the newest that logs\/run.log knows, is gone$/;

/** What it does to the run, the step that is gone on from (null: from the beginning), what is said. */
it.each<[string, (run: string) => unknown, number | null, (string | RegExp)[]]>([
  [
    'checkpoints/ gone',
    (run) => rmSync(join(run, 'checkpoints'), { recursive: true }),
    3,
    ['checkpoints/ was gone and is made anew', ...MODELS_GONE],
  ],
  ['logs/ gone', (run) => rmSync(join(run, 'logs'), { recursive: true }), 3, ['logs/ was gone and is made anew', LOG_GONE]],
  ['the log gone', (run) => rmSync(join(run, 'logs', 'run.log')), 3, [LOG_GONE]],
  ['the log emptied', (run) => truncateSync(join(run, 'logs', 'run.log')), 3, [LOG_GONE]],
  [
    'all but config.yaml gone',
    (run) => readdirSync(run).forEach((name) => name !== 'config.yaml' && rmSync(join(run, name), { recursive: true })),
    null,
    [
      'state/ was gone and is made anew',
      'checkpoints/ was gone and is made anew',
      'logs/ was gone and is made anew',
      'metrics.jsonl is gone',
    ],
  ],
  ['metrics emptied', (run) => truncateSync(join(run, 'metrics.jsonl')), 3, [SHORTER]],
  ['metrics gone', (run) => rmSync(join(run, 'metrics.jsonl')), 3, [SHORTER]],
  [
    'zeros in the middle of the metrics',
    (run) => writeFileSync(join(run, 'metrics.jsonl'), readFileSync(join(run, 'metrics.jsonl')).fill(0, 20, 60)),
    3,
    [CHANGED],
  ],
  [
    'two lines of the metrics in each other’s place',
    (run) => {
      const [first, second, ...rest] = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n');
      writeFileSync(join(run, 'metrics.jsonl'), [second, first, ...rest].join('\n'));
    },
    3,
    [CHANGED],
  ],
  ['the older state emptied', (run) => truncateSync(join(run, 'state', states(run)[0])), 3, [OLDER]],
  [
    'a bit of the older state',
    (run) => {
      const path = join(run, 'state', states(run)[0]);
      const bytes = readFileSync(path);
      bytes[bytes.length - 1] ^= 1;
      writeFileSync(path, bytes);
    },
    3,
    [OLDER],
  ],
  [
    'the newest state under another name',
    (run) => renameSync(join(run, 'state', states(run)[1]), join(run, 'state', 'copy.bak')),
    2,
    [LOST],
  ],
  [
    'both states gone',
    (run) => states(run).forEach((name) => rmSync(join(run, 'state', name))),
    null,
    [LOST, 'metrics.jsonl tells of steps whose states are all gone, and is metrics.jsonl.before-start-2 now'],
  ],
  [
    'a model.json gone',
    (run) => rmSync(join(run, 'checkpoints', 'epoch-0003', 'model.json')),
    3,
    ['checkpoints/epoch-0003 is damaged: its model.json is gone'],
  ],
  [
    'a model.json emptied',
    (run) => truncateSync(join(run, 'checkpoints', 'last', 'model.json')),
    3,
    [/^checkpoints\/last is damaged: not JSON/],
  ],
  [
    'weights longer',
    (run) => appendFileSync(join(run, 'checkpoints', 'best', 'weights.bin'), 'x'),
    3,
    ['checkpoints/best is damaged: its weights need 48 bytes, its files hold 49'],
  ],
  [
    'weights gone',
    (run) => rmSync(join(run, 'checkpoints', 'last', 'weights.bin')),
    3,
    ['checkpoints/last is damaged: its weights.bin is gone'],
  ],
  [
    'an empty folder in place of a model',
    (run) => replaced(run, 'checkpoints/best', mkdirSync),
    3,
    ['checkpoints/best is damaged: its model.json is gone'],
  ],
  [
    'a file in place of a model',
    (run) => replaced(run, 'checkpoints/best', file),
    3,
    ['checkpoints/best is damaged: it is no folder'],
  ],
  ['a file in place of checkpoints/', (run) => replaced(run, 'checkpoints', file), 3, [NO_FOLDER('checkpoints'), ...MODELS_GONE]],
  ['a file in place of logs/', (run) => replaced(run, 'logs', file), 3, [NO_FOLDER('logs'), LOG_GONE]],
  [
    'a file in place of state/',
    (run) => replaced(run, 'state', file),
    null,
    [NO_FOLDER('state'), LOST, 'metrics.jsonl tells of steps whose states are all gone, and is metrics.jsonl.before-start-2 now'],
  ],
  [
    'a pipe in place of state/',
    (run) => replaced(run, 'state', (path) => execFileSync('mkfifo', [path])),
    null,
    [NO_FOLDER('state'), LOST, 'metrics.jsonl tells of steps whose states are all gone, and is metrics.jsonl.before-start-2 now'],
  ],
  [
    'a link that leads nowhere in place of checkpoints/',
    (run) => replaced(run, 'checkpoints', (path) => symlinkSync('nowhere', path)),
    3,
    [NO_FOLDER('checkpoints'), ...MODELS_GONE],
  ],
  [
    'the last model of a run that ended gone',
    (run) => {
      appendFileSync(
        join(run, 'logs', 'run.log'),
        '{"type":"end","epochs":3,"steps":3,"best":null,"weightsSha256":"","reason":"done"}\n',
      );
      rmSync(join(run, 'checkpoints', 'last'), { recursive: true });
    },
    3,
    ['checkpoints/last is gone'],
  ],
])('%s', async (_, damage, step, wanted) => {
  const path = await threeEpochs(scratch);
  await damage(path);
  const { run, state, findings } = await resumeRunFolder({ path });
  await run.close();
  expect(state?.progress.step ?? null).toBe(step);
  expect(findings).toEqual(wanted.map((words) => (typeof words === 'string' ? words : (expect.stringMatching(words) as string))));
  for (const name of ['state', 'checkpoints', 'logs']) expect(existsSync(join(path, name, '.'))).toBe(true);
});
