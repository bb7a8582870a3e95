/**
 * A run without TensorFlow, for killing: every step adds its number to every weight, writes a metrics line and now and then a state and a model. Resumes
 * where the folder says. Usage: node counting_run.mjs FOLDER STEPS
 */
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { saveModel } from '../../src/coordinator/storage/state/checkpoint.js';
import { createRunFolder } from '../../src/coordinator/storage/run_folder/new_run_folder.js';
import { resumeRunFolder } from '../../src/coordinator/storage/run_folder/resumed_run_folder.js';
import { createStateWriter } from '../../src/coordinator/storage/state/state_writer.js';
import { sampleStep } from './run_events_sample.js';
import { tinyModel, tinyState } from './run_state.js';

const [path, lastStep] = [process.argv[2], Number(process.argv[3])];
const fresh = tinyState({ step: 0 });
const { run, state } = await open();
const weights = state?.parameters ?? new Float32Array(12);
const writer = createStateWriter({
  folder: run.stateFolder,
  fileSystem: run.fileSystem,
  keep: 2,
  beforePublish: () => run.readyToPublish(),
  onWritten: () => undefined,
  onFailed: (error) => {
    throw error;
  },
  now: () => performance.now(),
});
const offer = (step: number) =>
  writer.offer({
    ...fresh,
    parameters: weights,
    coordinatorEpoch: run.coordinatorEpoch,
    progress: { ...fresh.progress, step, stepInEpoch: step },
    metrics: run.metricsCursor(),
  });
for (let step = (state?.progress.step ?? 0) + 1; step <= lastStep; step++) {
  weights.forEach((weight, at) => (weights[at] = weight + step));
  run.record({ ...sampleStep({ epoch: 1, stepInEpoch: step }), step });
  if (step % 20 === 0) {
    const model = {
      topology: tinyModel.topology,
      layout: tinyModel.layout,
      values: weights.slice(),
      notes: {},
      generatedBy: 'a test',
    };
    await saveModel(model, { folder: run.checkpointFolder, epoch: step, fileSystem: run.fileSystem });
  }
  // After the model: a state says that all before it is on the disk.
  if (step % 5 === 0) offer(step);
  await sleep(1);
}
offer(lastStep);
await writer.flush();
await run.close();

async function open() {
  try {
    return await resumeRunFolder({ path });
  } catch (error) {
    if ((error as { code?: string }).code !== 'RUN_NOT_FOUND') throw error;
    const run = await createRunFolder({ parent: dirname(path), configName: 'test', name: basename(path) });
    await run.writeConfig(fresh.config, {});
    return { run, state: null };
  }
}
