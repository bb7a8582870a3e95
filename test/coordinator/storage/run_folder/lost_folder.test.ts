/** A run folder whose disk refuses: deleted, read-only, full. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_TRAIN_CONFIG } from '../../../../src/common/train_config.js';
import { createRunFolder } from '../../../../src/coordinator/storage/run_folder/new_run_folder.js';
import { resumeRunFolder } from '../../../../src/coordinator/storage/run_folder/resumed_run_folder.js';
import { MemoryDisk } from '../../../support/memory_disk.js';
import { saveState, scratchRuns } from '../../../support/run_folders.js';

const { scratch } = scratchRuns();

describe('a run folder that is taken away', () => {
  it('deleted: the next state fails with what to do, and closing does not', async () => {
    const run = await createRunFolder({ parent: scratch, configName: 'mnist', name: 'deleted' });
    rmSync(run.path, { recursive: true });
    await expect(saveState(run, 100)).rejects.toMatchObject({
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
      await saveState(run, 100);
      const { bavail, bsize } = statfsSync(mount);
      writeFileSync(join(mount, 'filler'), new Uint8Array(bavail * bsize));
      await expect(saveState(run, 200)).rejects.toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringContaining('the states written before are intact') as string,
      });
      expect(readdirSync(run.stateFolder)).toHaveLength(1);
      rmSync(join(mount, 'filler'));
      await saveState(run, 300);
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
