import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { RunEvent } from '../../../src/common/run_events.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../src/common/train_config.js';
import { renderConfig } from '../../../src/coordinator/run_folder/config_yaml.js';
import { createRunFolder, resumeRunFolder } from '../../../src/coordinator/run_folder/run_folder.js';
import type { RunFolder } from '../../../src/coordinator/run_folder/run_folder.js';
import { createStateWriter } from '../../../src/coordinator/state/state_writer.js';
import { MemoryDisk } from '../../support/memory_disk.js';
import { tinyState } from '../../support/run_state.js';

const scratch = mkdtempSync(join(tmpdir(), 'run-folder-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const open: RunFolder[] = [];
afterEach(async () => {
  for (const run of open.splice(0)) await run.close();
});
const keep = (run: RunFolder) => {
  open.push(run);
  return run;
};

const epochEvent = (epoch: number): RunEvent => ({
  type: 'epoch',
  epoch,
  loss: 0.8,
  acc: 0.95,
  valLoss: 0.7,
  valAcc: 0.97,
  seconds: 1,
  imagesPerS: 2,
  saved: false,
});
const startEvent = { type: 'start', runFolder: 'runs/mnist-001' } as unknown as RunEvent;
const epochsIn = (path: string) =>
  readFileSync(join(path, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; epoch?: number })
    .map(({ type, epoch }) => (epoch === undefined ? type : `${type} ${epoch}`));

async function save(run: RunFolder, step: number): Promise<void> {
  const writer = createStateWriter({
    folder: run.stateFolder,
    fileSystem: run.fileSystem,
    keep: 3,
    beforePublish: () => run.readyToPublish(),
    onWritten: () => undefined,
    onFailed: () => undefined,
    now: () => 0,
  });
  writer.offer({ ...tinyState({ step, coordinatorEpoch: run.coordinatorEpoch }), metrics: run.metricsCursor() });
  await writer.flush();
  if (writer.failure !== null) throw writer.failure;
}

describe('a new run folder', () => {
  it('is numbered after the highest there is, and never one that is there', async () => {
    const parent = join(scratch, 'deep', 'runs');
    const paths = [];
    for (let nth = 0; nth < 3; nth++) paths.push(keep(await createRunFolder({ parent, configName: 'mnist', name: null })).path);
    mkdirSync(join(parent, 'mnist-041'));
    mkdirSync(join(parent, 'mnist-x'));
    mkdirSync(join(parent, 'mnist_quick-099'));
    paths.push(keep(await createRunFolder({ parent, configName: 'mnist', name: null })).path);
    expect(paths.map((path) => path.slice(parent.length + 1))).toEqual(['mnist-001', 'mnist-002', 'mnist-003', 'mnist-042']);
  });

  it('goes to each of several that start at once', async () => {
    const parent = join(scratch, 'crowd');
    const runs = await Promise.all([1, 2, 3, 5].map(() => createRunFolder({ parent, configName: 'mnist', name: null })));
    expect(runs.map((run) => keep(run).path.slice(-3)).sort()).toEqual(['001', '002', '003', '004']);
  });

  it('refuses a name that is taken, and says how to go on', async () => {
    const mine = keep(await createRunFolder({ parent: scratch, configName: 'mnist', name: 'mine' }));
    await mine.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    await expect(createRunFolder({ parent: scratch, configName: 'mnist', name: 'mine' })).rejects.toMatchObject({
      code: 'RUN_EXISTS',
      exitCode: 7,
      next: `continue it with --resume ${join(scratch, 'mine')}, or choose another --name`,
    });
  });

  it('takes the folder of a start that died before it wrote its configuration, and no other', async () => {
    await (await createRunFolder({ parent: scratch, configName: 'mnist', name: 'unbegun' })).close();
    keep(await createRunFolder({ parent: scratch, configName: 'mnist', name: 'unbegun' }));
    for (const [name, file] of [
      ['foreign', 'notes.txt'],
      ['with_state', 'state/x'],
    ]) {
      const run = await createRunFolder({ parent: scratch, configName: 'mnist', name });
      await run.close();
      writeFileSync(join(run.path, file), '');
      await expect(createRunFolder({ parent: scratch, configName: 'mnist', name })).rejects.toMatchObject({ code: 'RUN_EXISTS' });
    }
  });

  it('holds the configuration, each value with where it came from, and the environment', async () => {
    const run = keep(await createRunFolder({ parent: scratch, configName: 'mnist', name: 'configured' }));
    const config = {
      ...DEFAULT_TRAIN_CONFIG,
      batch: 198,
      optimizer: {
        ...DEFAULT_TRAIN_CONFIG.optimizer,
        schedule: { ...DEFAULT_TRAIN_CONFIG.optimizer.schedule, milestones: [60, 90] },
      },
    };
    await run.writeConfig(config, { batch: 'flag --batch', 'optimizer.schedule.milestones': 'config/mnist.yaml:12' });
    await run.writeEnvironment({ node: 'v20.0.0' });
    const text = readFileSync(join(run.path, 'config.yaml'), 'utf8');
    expect(text).toContain('batch: 198 # flag --batch\n');
    expect(text).toContain('    milestones: [60, 90] # config/mnist.yaml:12\n');
    expect(text).toContain('  learning_rate: 0.1 # default\n');
    expect(text).toContain('data_dir: null # default\n');
    expect((parse(text) as { optimizer: { schedule: unknown } }).optimizer.schedule).toMatchObject({
      milestones: [60, 90],
      warmup_epochs: 0,
    });
    expect(JSON.parse(readFileSync(join(run.path, 'env.json'), 'utf8'))).toEqual({ node: 'v20.0.0' });
    expect(readdirSync(run.path).sort()).toEqual([
      'checkpoints',
      'config.yaml',
      'env.json',
      'lock-000001',
      'logs',
      'metrics.jsonl',
      'state',
    ]);
  });

  it('cannot be made where a file is in the way', async () => {
    writeFileSync(join(scratch, 'a_file'), '');
    await expect(
      createRunFolder({ parent: join(scratch, 'a_file', 'runs'), configName: 'mnist', name: null }),
    ).rejects.toMatchObject({ code: 'RUN_FOLDER_GONE', exitCode: 7 });
  });

  it('quotes text that YAML would take for something else', () => {
    const text = renderConfig({ ...DEFAULT_TRAIN_CONFIG, name: '007', dataDir: 'a: b # c', gpus: '0' }, {});
    expect(parse(text)).toMatchObject({ name: '007', data_dir: 'a: b # c', gpus: '0' });
  });
});

describe('a resumed run folder', () => {
  it('goes on after the newest state, with the metrics cut to it: no gap, no duplicate, one start', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'resumed' });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    run.record(startEvent);
    run.record(epochEvent(1));
    await save(run, 300);
    run.record(epochEvent(2));
    await run.close();
    expect(epochsIn(run.path)).toEqual(['start', 'epoch 1', 'epoch 2']);
    const resumed = await resumeRunFolder({ path: run.path });
    expect(resumed.state?.progress.step).toBe(300);
    expect(resumed.run.coordinatorEpoch).toBe(2);
    resumed.run.record(startEvent);
    resumed.run.record(epochEvent(2));
    resumed.run.record(epochEvent(3));
    await resumed.run.close();
    expect(epochsIn(run.path)).toEqual(['start', 'epoch 1', 'epoch 2', 'epoch 3']);
    const log = readFileSync(join(run.path, 'logs', 'run.log'), 'utf8');
    expect(log.match(/"type":"start"/g)).toHaveLength(2);
    expect(log).toContain('"message":"resumed"');
  });

  it('starts from the beginning when the first process died before its first state', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'stillborn' });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    run.record(startEvent);
    await run.close();
    const resumed = await resumeRunFolder({ path: run.path });
    keep(resumed.run);
    expect(resumed.state).toBeNull();
    resumed.run.record(startEvent);
    await resumed.run.readyToPublish();
    expect(epochsIn(run.path)).toEqual(['start']);
  });

  it('names the damaged state it left out, and uses the one before', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'damaged' });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    for (const step of [100, 200]) await save(run, step);
    await run.close();
    const newest = readdirSync(run.stateFolder).sort()[1];
    writeFileSync(join(run.stateFolder, newest), 'x');
    const resumed = await resumeRunFolder({ path: run.path });
    await resumed.run.close();
    expect(resumed.state?.progress.step).toBe(100);
    expect(resumed.rejected).toEqual([{ path: join(run.stateFolder, newest), reason: '1 bytes are too few for a header' }]);
    for (const name of readdirSync(run.stateFolder)) writeFileSync(join(run.stateFolder, name), '');
    await expect(resumeRunFolder({ path: run.path })).rejects.toMatchObject({ code: 'STATE_DAMAGED', exitCode: 7 });
  });

  it('is refused while another process has it', async () => {
    const run = keep(await createRunFolder({ parent: scratch, configName: 'mnist', name: 'busy' }));
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    await expect(resumeRunFolder({ path: run.path })).rejects.toMatchObject({ code: 'RUN_IN_USE' });
  });

  it('is refused where there is no run', async () => {
    await expect(resumeRunFolder({ path: join(scratch, 'nowhere') })).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
      message: `${join(scratch, 'nowhere')} does not exist`,
    });
    mkdirSync(join(scratch, 'not_a_run'));
    await expect(resumeRunFolder({ path: join(scratch, 'not_a_run') })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    writeFileSync(join(scratch, 'plain'), '');
    await expect(resumeRunFolder({ path: join(scratch, 'plain') })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
  });

  it('clears what a process that died while writing left behind', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'untidy' });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    await run.close();
    writeFileSync(join(run.stateFolder, '.tmp-1-aaaaaaaaaaaa'), 'x');
    mkdirSync(join(run.checkpointFolder, '.tmp-1-bbbbbbbbbbbb'));
    writeFileSync(join(run.checkpointFolder, '.tmp-1-bbbbbbbbbbbb', 'weights.bin'), 'x');
    mkdirSync(join(run.checkpointFolder, '.old-epoch-0003-0123456789ab'));
    keep((await resumeRunFolder({ path: run.path })).run);
    expect(readdirSync(run.stateFolder)).toEqual([]);
    expect(readdirSync(run.checkpointFolder)).toEqual(['epoch-0003']);
  });
});

describe('the folder of a run that did not begin', () => {
  const parent = join(scratch, 'unbegun_runs');
  const configured = async (name: string | null = null): Promise<RunFolder> => {
    const run = await createRunFolder({ parent, configName: 'mnist', name });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    await run.writeEnvironment({ node: 'v20.0.0' });
    run.log({ message: 'no TensorFlow' });
    return run;
  };

  it('goes with all that its start made, and its number is the next one again', async () => {
    const run = await configured();
    await run.closeOrDiscard();
    await run.closeOrDiscard();
    expect(readdirSync(parent)).toEqual([]);
    const next = keep(await configured());
    expect(next.path).toBe(run.path);
    await next.closeOrDiscard();
  });

  it('stays once the run has begun, or where anything else came into it, and can be resumed', async () => {
    for (const [name, come] of [
      ['begun', (run: RunFolder) => run.record(startEvent)],
      ['notes', ({ path }: RunFolder) => writeFileSync(join(path, 'notes.txt'), '')],
      ['plot', ({ path }: RunFolder) => writeFileSync(join(path, 'logs', 'plot.png'), '')],
      ['state', (run: RunFolder) => writeFileSync(join(run.stateFolder, 'mine'), '')],
    ] as const) {
      const run = await configured(name);
      come(run);
      const before = readdirSync(run.path, { recursive: true }).length;
      await run.closeOrDiscard();
      expect(readdirSync(run.path, { recursive: true })).toHaveLength(before);
      await (await resumeRunFolder({ path: run.path })).run.closeOrDiscard();
      expect(readdirSync(run.path, { recursive: true }), 'a resumed run').toHaveLength(before);
    }
  });

  it('is left alone where another start holds it by now', async () => {
    const run = await configured('taken_over');
    renameSync(join(run.path, 'lock-000001'), join(run.path, 'lock-000002'));
    await run.closeOrDiscard();
    expect(readdirSync(run.path)).toEqual(expect.arrayContaining(['config.yaml', 'lock-000002', 'logs']));
  });

  it('stays for a rival who claims it while it goes', async () => {
    const disk = new MemoryDisk();
    const run = await createRunFolder({ parent: '/runs', configName: 'mnist', name: 'mine', fileSystem: disk });
    // The rival's file appears right after our lock has gone.
    disk.failWith = (call, path) => {
      if (call === 'removeFolder' && path === '/runs/mine') void disk.open('/runs/mine/.tmp-lock-rival', 'create');
      return null;
    };
    await run.closeOrDiscard();
    expect(await disk.list('/runs/mine')).toEqual(['.tmp-lock-rival']);
    keep(await createRunFolder({ parent: '/runs', configName: 'mnist', name: 'mine', fileSystem: disk }));
  });

  it('lets go of the lock, without another error, where the disk does not let it go', async () => {
    const disk = new MemoryDisk();
    const run = await createRunFolder({ parent: '/runs', configName: 'mnist', name: 'mine', fileSystem: disk });
    await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
    disk.failWith = (call) => (call === 'removeFile' ? 'EACCES' : null);
    await run.closeOrDiscard();
    expect(await disk.list('/runs/mine')).toEqual(expect.arrayContaining(['config.yaml', 'released-000001']));
  });

  it('goes too where its making failed half-way', async () => {
    const disk = new MemoryDisk();
    disk.failWith = (call, path) => (call === 'open' && path.endsWith('run.log') ? 'ENOSPC' : null);
    const make = createRunFolder({ parent: '/runs', configName: 'mnist', name: null, fileSystem: disk });
    await expect(make).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(await disk.list('/runs')).toEqual([]);
  });
});

describe('a run folder that is taken away', () => {
  it('deleted: the next state fails with what to do, and closing does not', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'deleted' });
    rmSync(run.path, { recursive: true });
    await expect(save(run, 100)).rejects.toMatchObject({
      code: 'RUN_FOLDER_GONE',
      exitCode: 7,
      next: expect.stringContaining('do not move or delete a run folder') as string,
    });
    await run.close();
  });

  it('read-only from the start: nothing is begun, and the message names --run-dir', async () => {
    const fileSystem = new MemoryDisk();
    fileSystem.failWith = (call) => (call === 'createFolder' ? 'EROFS' : null);
    await expect(createRunFolder({ parent: '/runs', configName: 'mnist', name: null, fileSystem })).rejects.toMatchObject({
      code: 'RUN_FOLDER_READ_ONLY',
      message: 'cannot create a run folder in /runs: the file system is read-only (EROFS)',
      next: 'use --run-dir with a folder that can be written',
    });
  });

  it('on a real disk that fills up: the state before stays, and the next one is written when there is space', async (context) => {
    const mount = join(scratch, 'small_disk');
    mkdirSync(mount);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount], { stdio: 'ignore' });
    } catch {
      context.skip('mounting a tmpfs of 256 KiB needs root and CAP_SYS_ADMIN');
    }
    try {
      const run = await createRunFolder({ parent: mount, configName: 'mnist', name: null });
      await save(run, 100);
      const { bavail, bsize } = statfsSync(mount);
      writeFileSync(join(mount, 'filler'), new Uint8Array(bavail * bsize));
      await expect(save(run, 200)).rejects.toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringContaining('the states written before are intact') as string,
      });
      expect(readdirSync(run.stateFolder)).toHaveLength(1);
      rmSync(join(mount, 'filler'));
      await save(run, 300);
      expect(readdirSync(run.stateFolder)).toHaveLength(2);
      await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
      await run.close();
      execFileSync('mount', ['-o', 'remount,ro', mount]);
      await expect(resumeRunFolder({ path: run.path })).rejects.toMatchObject({
        code: 'RUN_FOLDER_READ_ONLY',
        message: expect.stringContaining(`cannot resume ${run.path}`) as string,
      });
      await expect(createRunFolder({ parent: mount, configName: 'mnist', name: null })).rejects.toMatchObject({
        code: 'RUN_FOLDER_READ_ONLY',
      });
    } finally {
      execFileSync('umount', ['-l', mount]);
    }
  });
});
