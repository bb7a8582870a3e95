/**
 * Owns: that what is no file, or of another run, in place of what a run wrote, is passed over by name and never waited on; and what is gone or changed is said.
 */
import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readRunConfig } from '../../../../src/cli/config_file.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../../src/common/train_config.js';
import { nodeFileSystem } from '../../../../src/coordinator/storage/files/file_system.js';
import { createRunFolder } from '../../../../src/coordinator/storage/run_folder/new_run_folder.js';
import { resumeRunFolder } from '../../../../src/coordinator/storage/run_folder/resumed_run_folder.js';
import { pruneStates, writeState } from '../../../../src/coordinator/storage/state/state_file.js';
import { scratchRuns, threeEpochs } from '../../../support/run_folders.js';
import { tinyState } from '../../../support/run_state.js';

const { scratch, keep } = scratchRuns();

async function newRun(): Promise<string> {
  const run = await createRunFolder({ parent: join(scratch, 'runs'), configName: 'test', name: null });
  await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
  await run.close();
  return run.path;
}

/** A socket's path has at most 107 characters: it gets its name afterwards. */
const listening = (path: string): Promise<void> =>
  new Promise((resolve) => {
    const short = join(scratch, 's');
    const server = createServer().listen(short, () => {
      renameSync(short, path);
      resolve();
    });
    onTestFinished(() => void server.close());
  });

/** What is no file, as it is called, and how it comes about. */
const KINDS: [string, (path: string) => unknown][] = [
  ['a pipe', (path) => execFileSync('mkfifo', [path])],
  ['a folder', (path) => mkdirSync(path)],
  ['a socket', listening],
  [
    'a link',
    (path) => {
      writeFileSync(join(scratch, 'elsewhere'), 'of somebody else');
      symlinkSync(join(scratch, 'elsewhere'), path);
    },
  ],
];

const stateName = (folder: string, step: number): string =>
  join(folder, `start-0001-step-00000000${step}-${'a'.repeat(64)}.safetensors`);

/** As the run's lock has it. */
function idIn(path: string): string {
  const [name] = readdirSync(path).filter((found) => /^(lock|released)-/.test(found));
  return (JSON.parse(readFileSync(join(path, name), 'utf8')) as { run: string }).run;
}

describe('a pipe, a folder, a socket or a link', () => {
  it('in place of newer states: each is named, and the next good one is taken', async () => {
    const path = await newRun();
    const folder = join(path, 'state');
    await writeState({ ...tinyState({ step: 1 }), metrics: { bytes: 0, lines: 0 } }, { folder, fileSystem: nodeFileSystem });
    const name = (step: number): string => join(folder, `start-0001-step-00000000${step}-${'a'.repeat(64)}.safetensors`);
    execFileSync('mkfifo', [name(9)]);
    mkdirSync(name(8));
    const { state, rejected, run } = await resumeRunFolder({ path });
    keep(run);
    expect(state?.progress.step).toBe(1);
    expect(rejected.map(({ path: at, reason }) => [at, reason.includes('is no file but a')])).toEqual([
      [name(9), true],
      [name(8), true],
    ]);
  });

  it.each(KINDS)('%s in place of the lock does not hold a resume for a moment, and the run keeps its id', async (_, make) => {
    const path = await newRun();
    const { runId } = JSON.parse(`{"runId":${JSON.stringify(idIn(path))}}`) as { runId: string };
    await make(join(path, 'lock-000002'));
    const { run, findings } = await resumeRunFolder({ path, wait: () => Promise.reject(new Error('nothing is waited for')) });
    keep(run);
    expect([run.coordinatorEpoch, run.runId]).toEqual([3, runId]);
    expect(findings).toEqual(['lock-000002 is no file and was passed over']);
  });

  it.each(KINDS)('%s in place of a newer state is passed over by name, and takes no state’s place', async (kind, make) => {
    const path = await newRun();
    const folder = join(path, 'state');
    await writeState({ ...tinyState({ step: 1 }), metrics: { bytes: 0, lines: 0 } }, { folder, fileSystem: nodeFileSystem });
    const foreign = stateName(folder, 9);
    await make(foreign);
    const { state, rejected, run } = await resumeRunFolder({ path });
    keep(run);
    expect(state?.progress.step).toBe(1);
    expect(rejected).toEqual([{ path: foreign, reason: expect.stringContaining(`is no file but ${kind}`) as string }]);
    expect(run.passedOver).toEqual(new Set([basename(foreign)]));
  });

  it.each(KINDS)('%s in place of metrics.jsonl and of the log is moved away by name', async (kind, make) => {
    const path = await newRun();
    rmSync(join(path, 'metrics.jsonl'));
    rmSync(join(path, 'logs', 'run.log'));
    await make(join(path, 'metrics.jsonl'));
    await make(join(path, 'logs', 'run.log'));
    const { run, findings } = await resumeRunFolder({ path });
    keep(run);
    expect(findings.map((found) => found.replace(/(a link) to .*?,/, '$1,'))).toEqual([
      `metrics.jsonl is no file but ${kind}, and is metrics.jsonl.before-start-2 now`,
      `logs/run.log is no file but ${kind}, and is logs/run.log.before-start-2 now`,
    ]);
    expect(lstatSync(join(path, 'metrics.jsonl')).isFile()).toBe(true);
    // What a link leads to is as it was.
    if (kind === 'a link') expect(readFileSync(join(scratch, 'elsewhere'), 'utf8')).toBe('of somebody else');
  });

  it.each(KINDS)('%s in place of config.yaml is told by name', async (kind, make) => {
    const path = await newRun();
    rmSync(join(path, 'config.yaml'));
    await make(join(path, 'config.yaml'));
    expect(() => readRunConfig(join(path, 'config.yaml'))).toThrow(`is no file but ${kind}`);
  });
});

describe('a state of another run', () => {
  it('with a higher step and a later start is named, the run’s own is taken, and stays when newer ones come', async () => {
    const [path, other] = [await newRun(), await newRun()];
    const ids = [idIn(path), idIn(other)];
    const own = join(path, 'state');
    await writeState(
      { ...tinyState({ step: 1 }), runId: ids[0], metrics: { bytes: 0, lines: 0 } },
      { folder: own, fileSystem: nodeFileSystem },
    );
    const foreign = await writeState(
      { ...tinyState({ step: 900, coordinatorEpoch: 7 }), runId: ids[1] },
      { folder: own, fileSystem: nodeFileSystem },
    );
    const { state, rejected, run } = await resumeRunFolder({ path });
    keep(run);
    expect(state?.progress.step).toBe(1);
    expect(rejected).toEqual([{ path: foreign.path, reason: 'it is of another run' }]);
    // It is no newer state in whose favor the run's own would go.
    const gone = await pruneStates({ folder: own, fileSystem: nodeFileSystem }, 1, { passedOver: run.passedOver });
    expect(gone).toEqual([]);
    await run.close();
    // Nor is it taken where the run's own id is known by its states alone.
    for (const name of readdirSync(path)) if (/^(lock|released)-/.test(name)) rmSync(join(path, name));
    rmSync(foreign.path);
    const again = await resumeRunFolder({ path });
    keep(again.run);
    expect([again.state?.progress.step, again.run.runId]).toEqual([1, ids[0]]);
  });
});

describe('what a run once wrote', () => {
  const longRun = (): Promise<string> => threeEpochs(scratch);
  const findingsOf = async (path: string): Promise<readonly string[]> => {
    const { run, findings } = await resumeRunFolder({ path });
    await run.close();
    return findings;
  };

  it('is looked for at each resume, and nothing is said where all of it is there', async () => {
    expect(await findingsOf(await longRun())).toEqual([]);
  });

  it('and is gone is named: a model, the newest state, all states, a folder', async () => {
    const path = await longRun();
    for (const model of ['epoch-0002', 'best']) rmSync(join(path, 'checkpoints', model), { recursive: true });
    const [newest] = readdirSync(join(path, 'state')).sort().reverse();
    rmSync(join(path, 'state', newest));
    expect(await findingsOf(path)).toEqual([
      `state/${newest}, the newest that logs/run.log knows, is gone`,
      'checkpoints/best is gone',
      'checkpoints/epoch-0002 is gone',
    ]);

    const bare = await longRun();
    const metrics = readFileSync(join(bare, 'metrics.jsonl'), 'utf8');
    rmSync(join(bare, 'state'), { recursive: true });
    const { run, state, findings } = await resumeRunFolder({ path: bare });
    await run.close();
    expect(state).toBe(null);
    expect(findings).toEqual([
      'state/ was gone and is made anew',
      expect.stringMatching(/^state\/start-.*, the newest that logs\/run.log knows, is gone$/),
      'metrics.jsonl tells of steps whose states are all gone, and is metrics.jsonl.before-start-2 now',
    ]);
    expect(readFileSync(join(bare, 'metrics.jsonl.before-start-2'), 'utf8')).toBe(metrics);
  });

  it('and was changed is named: a byte of the metrics, their end, a model’s weights', async () => {
    const path = await longRun();
    const file = join(path, 'metrics.jsonl');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('"loss":0.5', '"loss":0.4'));
    truncateSync(join(path, 'checkpoints', 'epoch-0003', 'weights.bin'), 5);
    expect(await findingsOf(path)).toEqual([
      'metrics.jsonl was changed since its state was written: reports and results.csv tell what it says now',
      'checkpoints/epoch-0003 is damaged: its weights need 48 bytes, its files hold 5',
    ]);
    writeFileSync(file, text.slice(0, -9));
    expect((await findingsOf(path))[0]).toBe(
      'metrics.jsonl is 9 bytes shorter than the state knew it: records of steps or epochs are missing',
    );
    rmSync(file);
    expect((await findingsOf(path))[0]).toMatch(/^metrics.jsonl is \d+ bytes shorter/);
  });

  /** Changes one byte, or all of them. */
  const change = (file: string, to: (bytes: Buffer) => Buffer): void => writeFileSync(file, to(readFileSync(file)));
  const flip = (at: number) => (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)));

  it('and was changed without its size is named: one bit of the weights of any saved model, a name or a number in its model.json', async () => {
    const path = await longRun();
    const at = (model: string, file: string): string => join(path, 'checkpoints', model, file);
    change(at('best', 'weights.bin'), flip(0));
    change(at('last', 'weights.bin'), flip(47));
    change(at('epoch-0002', 'model.json'), (bytes) => Buffer.from(String(bytes).replace('dense/kernel', 'dense/kernal')));
    change(at('epoch-0003', 'model.json'), (bytes) => Buffer.from(String(bytes).replace('"epoch":3', '"epoch":2')));
    expect(await findingsOf(path)).toEqual([
      'checkpoints/best is damaged: its weights are not those that were written',
      'checkpoints/epoch-0002 is damaged: its model.json is not what was written',
      'checkpoints/epoch-0003 is damaged: its model.json is not what was written',
      'checkpoints/last is damaged: its weights are not those that were written',
    ]);
    // A folder, a pipe in place of the weights: named, and never waited on.
    const again = await longRun();
    rmSync(join(again, 'checkpoints', 'last', 'weights.bin'));
    execFileSync('mkfifo', [join(again, 'checkpoints', 'last', 'weights.bin')]);
    expect(await findingsOf(again)).toEqual([
      expect.stringMatching(/^checkpoints\/last is damaged: .*weights\.bin is no file but a pipe/),
    ]);
  });
});
