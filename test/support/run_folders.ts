/**
 * Owns: what the tests of run folders share: a scratch folder per file, closing what a test leaves open, a few lines and states to write.
 */
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { RunEvent } from '../../src/common/run_events.js';
import type { RunFolder } from '../../src/coordinator/storage/run_folder/run_folder.js';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import { nodeFileSystem } from '../../src/coordinator/storage/files/file_system.js';
import { createRunFolder } from '../../src/coordinator/storage/run_folder/new_run_folder.js';
import { saveModel } from '../../src/coordinator/storage/state/checkpoint.js';
import { createStateWriter } from '../../src/coordinator/storage/state/state_writer.js';
import { tinyModelToSave, tinyState } from './run_state.js';
import { folderOfTests } from './temporary_folder.js';

/** Called once in a test file: its scratch folder, removed after it, and `keep`, which has a run closed after its test. */
export function scratchRuns(): { scratch: string; keep: (run: RunFolder) => RunFolder } {
  const scratch = folderOfTests();
  const open: RunFolder[] = [];
  afterEach(async () => {
    for (const run of open.splice(0)) await run.close();
  });
  const keep = (run: RunFolder) => {
    open.push(run);
    return run;
  };
  return { scratch, keep };
}

export const startEvent = { type: 'start', runFolder: 'runs/mnist-001' } as unknown as RunEvent;

/** Writes the state of a step and waits until it is on the disk, there at the path it returns; throws what kept it from there. */
export async function saveState(run: RunFolder, step: number): Promise<string> {
  let at = '';
  const writer = createStateWriter({
    folder: run.stateFolder,
    fileSystem: run.fileSystem,
    keep: 3,
    beforePublish: () => run.readyToPublish(),
    onWritten: ({ path }) => (at = path),
    onFailed: () => undefined,
    now: () => 0,
  });
  writer.offer({ ...tinyState({ step, coordinatorEpoch: run.coordinatorEpoch }), metrics: run.metricsCursor() });
  await writer.flush();
  if (writer.failure !== null) throw writer.failure;
  return at;
}

/** A run of three epochs, the second and third of which have a state and a saved model. */
export async function threeEpochs(scratch: string): Promise<string> {
  const run = await createRunFolder({ parent: join(scratch, 'runs'), configName: 'long', name: null });
  await run.writeConfig(DEFAULT_TRAIN_CONFIG, {});
  await run.writeEnvironment({});
  run.record(startEvent);
  for (let step = 1; step <= 3; step++) {
    run.record({
      type: 'epoch',
      epoch: step,
      values: { loss: 1 / step },
      seconds: 1,
      imagesPerS: 1,
      saved: step > 1,
    } as unknown as RunEvent);
    if (step === 1) continue;
    await saveModel(tinyModelToSave(0), { folder: run.checkpointFolder, epoch: step, fileSystem: nodeFileSystem });
    const written = await saveState(run, step);
    run.record({ type: 'state', epoch: step, step, path: written, bytes: 1, snapshotMs: 0, ms: 0 });
  }
  for (const name of ['best', 'last'])
    await saveModel(tinyModelToSave(0), { folder: run.checkpointFolder, epoch: 1, name, fileSystem: nodeFileSystem });
  await run.close();
  return run.path;
}
