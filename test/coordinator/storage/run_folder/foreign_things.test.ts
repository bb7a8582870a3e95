/**
 * Owns: that what is no file, in place of a state or a lock, is passed over by name and never waited on.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_TRAIN_CONFIG } from '../../../../src/common/train_config.js';
import { nodeFileSystem } from '../../../../src/coordinator/storage/files/file_system.js';
import { createRunFolder, resumeRunFolder } from '../../../../src/coordinator/storage/run_folder/run_folder.js';
import { writeState } from '../../../../src/coordinator/storage/state/state_file.js';
import { scratchRuns } from '../../../support/run_folders.js';
import { tinyState } from '../../../support/run_state.js';

const { scratch, keep } = scratchRuns();

async function newRun(): Promise<string> {
  const run = await createRunFolder({ parent: join(scratch, 'runs'), configName: 'test', name: null });
  await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
  await run.close();
  return run.path;
}

describe('a pipe or a folder', () => {
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
    expect(rejected.map(({ path: at, reason }) => [at, reason.includes('no regular file')])).toEqual([
      [name(9), true],
      [name(8), true],
    ]);
  });

  it('in place of the lock does not hold a resume', async () => {
    const path = await newRun();
    execFileSync('mkfifo', [join(path, 'lock-000002')]);
    const { run } = await resumeRunFolder({ path, wait: () => Promise.resolve() });
    keep(run);
    expect(run.coordinatorEpoch).toBe(3);
  });
});
