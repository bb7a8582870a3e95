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
import { nodeFileSystem } from '../../../../src/coordinator/storage/files/file_system.js';
import { readState, writeState } from '../../../../src/coordinator/storage/state/state_file.js';
import { saveState, scratchRuns, threeEpochs } from '../../../support/run_folders.js';

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

const LOG_STRANGE = (lines: number): string => `logs/run.log has lines that no run wrote (${lines}); they are passed over`;
/** Bytes of a generator, without line ends: of a binary file. */
const garbage = (bytes: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: bytes }, (_, at) => 128 + ((at * 2654435761) >>> 25)));

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
      'the lock is gone: by the states that are left this is start 1',
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
    'a link to itself in place of a model',
    (run) => replaced(run, 'checkpoints/best', (path) => symlinkSync('best', path)),
    3,
    ['checkpoints/best is damaged: it is a link that leads round in a circle'],
  ],
  // What a program that runs wild, or a file system that is repaired, leaves: nobody reads 2^42 bytes that tell nothing.
  [
    'weights of 2^42 bytes',
    (run) => truncateSync(join(run, 'checkpoints', 'best', 'weights.bin'), 2 ** 42),
    3,
    ['checkpoints/best is damaged: its weights need 48 bytes, its files hold 4398046511104'],
  ],
  ['a log of 2^42 bytes', (run) => truncateSync(join(run, 'logs', 'run.log'), 2 ** 42), 3, [LOG_STRANGE(1)]],
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
        '{"time":"","type":"end","epochs":3,"steps":3,"best":null,"weightsSha256":"","reason":"done"}\n',
      );
      rmSync(join(run, 'checkpoints', 'last'), { recursive: true });
    },
    3,
    ['checkpoints/last is gone'],
  ],
  [
    'the lock gone',
    (run) => rmSync(join(run, 'released-000001')),
    3,
    ['the lock is gone: by the states that are left this is start 2'],
  ],
  ['garbage in place of the lock', (run) => writeFileSync(join(run, 'released-000001'), garbage(100)), 3, []],
  ['env.json gone', (run) => rmSync(join(run, 'env.json')), 3, ['env.json is gone and is written anew']],
  // It tells of the machine that computes, and is written anew at each start.
  ['garbage in place of env.json', (run) => writeFileSync(join(run, 'env.json'), garbage(100)), 3, []],
  [
    'a sound.json that names a state that is gone',
    (run) => {
      const [older] = states(run);
      writeFileSync(join(run, 'sound.json'), JSON.stringify({ bestLoss: 1, sound: { file: older, epoch: 2 } }));
      rmSync(join(run, 'state', older));
    },
    3,
    [
      /^state\/start-0001-step-000000002-\w+\.safetensors, which sound\.json calls sound, is gone: the next good evaluation finds another$/,
    ],
  ],
  [
    'a folder in place of env.json',
    (run) => {
      replaced(run, 'env.json', mkdirSync);
      file(join(run, 'env.json', 'x'));
    },
    3,
    ['env.json is a folder, and is env.json.before-start-2 now'],
  ],
  [
    'a folder in place of sound.json',
    (run) => mkdirSync(join(run, 'sound.json')),
    3,
    ['sound.json is a folder, and is sound.json.before-start-2 now'],
  ],
  // It says nothing that the next two evaluations do not.
  ['garbage in place of sound.json', (run) => writeFileSync(join(run, 'sound.json'), garbage(100)), 3, []],
  ['garbage in place of the log', (run) => writeFileSync(join(run, 'logs', 'run.log'), garbage(5000)), 3, [LOG_STRANGE(1)]],
  [
    'garbage in place of a log, longer than what is looked at',
    (run) => writeFileSync(join(run, 'logs', 'run.log'), garbage(3 * 2 ** 20)),
    3,
    [LOG_STRANGE(1)],
  ],
  [
    'lines of another program in the log, and one that a kill cut short',
    (run) => appendFileSync(join(run, 'logs', 'run.log'), 'Traceback\n  File\n{"tim'),
    3,
    [LOG_STRANGE(2)],
  ],
  [
    'garbage in place of the metrics, of the same length',
    (run) => writeFileSync(join(run, 'metrics.jsonl'), garbage(readFileSync(join(run, 'metrics.jsonl')).length)),
    3,
    [CHANGED],
  ],
  ['garbage in place of the metrics, longer', (run) => writeFileSync(join(run, 'metrics.jsonl'), garbage(5000)), 3, [CHANGED]],
])('%s', async (_, damage, step, wanted) => {
  const path = await threeEpochs(scratch);
  await damage(path);
  const { run, state, findings } = await resumeRunFolder({ path });
  // As every start does, whatever is there.
  await run.writeEnvironment({});
  await run.close();
  expect(state?.progress.step ?? null).toBe(step);
  expect(findings).toEqual(wanted.map((words) => (typeof words === 'string' ? words : (expect.stringMatching(words) as string))));
  for (const name of ['state', 'checkpoints', 'logs']) expect(existsSync(join(path, name, '.'))).toBe(true);
});

it('a run whose lock is gone counts on: what it writes is newer than what it went on from', async () => {
  const path = await threeEpochs(scratch);
  for (const start of [2, 3]) {
    const { run } = await resumeRunFolder({ path });
    await saveState(run, 1 + start);
    await run.close();
  }
  rmSync(join(path, 'released-000003'));
  const fourth = await resumeRunFolder({ path });
  expect([fourth.run.coordinatorEpoch, fourth.state?.progress.step]).toEqual([4, 4]);
  const written = await saveState(fourth.run, 5);
  await fourth.run.close();
  const fifth = await resumeRunFolder({ path });
  await fifth.run.close();
  expect([fifth.path, fifth.run.runId]).toEqual([written, fourth.run.runId]);
});

it('a run of a version that kept no best and no last model: neither is missed, at a second resume either', async () => {
  const path = await threeEpochs(scratch);
  const [older, newest] = states(path).map((name) => join(path, 'state', name));
  const { metrics, ...state } = await readState(newest, nodeFileSystem);
  for (const name of ['best', 'last']) rmSync(join(path, 'checkpoints', name), { recursive: true });
  for (const name of [older, newest]) rmSync(name);
  const progress = { ...state.progress, best: { epoch: 2, monitor: 'val_acc', value: 0.5 } };
  const before = { ...state, progress, metrics: { bytes: metrics.bytes, lines: metrics.lines } };
  await writeState(before, { folder: join(path, 'state'), fileSystem: nodeFileSystem });
  const ended = '{"time":"","type":"end","epochs":3,"steps":3,"best":null,"weightsSha256":"","reason":"done"}\n';
  writeFileSync(join(path, 'logs', 'run.log'), ended);

  const second = await resumeRunFolder({ path });
  expect(second.findings).toEqual([]);
  const { unkeptBest } = second.run;
  expect(unkeptBest).toBe(2);
  const ours = { ...before, coordinatorEpoch: 2, metrics: second.run.metricsCursor(), unkeptBest: 2 };
  await writeState(ours, { folder: second.run.stateFolder, fileSystem: nodeFileSystem });
  await second.run.close();
  const third = await resumeRunFolder({ path });
  expect(third.findings).toEqual([]);

  // A better epoch has a model, and so has the end.
  const better = { ...progress, best: { ...progress.best, epoch: 3 } };
  const more = { ...ours, coordinatorEpoch: 3, progress: better, metrics: third.run.metricsCursor() };
  await writeState(more, { folder: third.run.stateFolder, fileSystem: nodeFileSystem });
  await third.run.close();
  appendFileSync(join(path, 'logs', 'run.log'), ended);
  const fourth = await resumeRunFolder({ path });
  await fourth.run.close();
  expect(fourth.findings).toEqual(['checkpoints/best is gone', 'checkpoints/last is gone']);
});
