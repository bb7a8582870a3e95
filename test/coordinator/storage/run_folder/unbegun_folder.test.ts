/** The folder of a run that ended before it began: it goes, unless anything else came into it. */
import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_TRAIN_CONFIG } from '../../../../src/common/train_config.js';
import { createRunFolder } from '../../../../src/coordinator/storage/run_folder/new_run_folder.js';
import { resumeRunFolder } from '../../../../src/coordinator/storage/run_folder/resumed_run_folder.js';
import type { RunFolder } from '../../../../src/coordinator/storage/run_folder/run_folder.js';
import { MemoryDisk } from '../../../support/memory_disk.js';
import { scratchRuns, startEvent } from '../../../support/run_folders.js';

const { scratch, keep } = scratchRuns();

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
