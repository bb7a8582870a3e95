/**
 * Owns: a run before its loop: its folder made or taken over, the configuration it goes by, and the end of one that has nothing left to compute.
 * Does not: check that a state fits, or begin anything (start_run.ts).
 */
import { basename } from 'node:path';
import type { EndEvent, RunObserver } from '../common/run_events.js';
import type { TrainConfig } from '../common/train_config.js';
import { createRunFolder } from './storage/run_folder/new_run_folder.js';
import { resumeRunFolder } from './storage/run_folder/resumed_run_folder.js';
import type { RunFolder } from './storage/run_folder/run_folder.js';
import type { RunState } from './storage/state/state_schema.js';
import { valuesSha256 } from './storage/weights_hash.js';
import { isStopped } from './watch.js';

export interface OpenedRun {
  readonly folder: RunFolder;
  /** The state to go on from; null for a new run. */
  readonly saved: RunState | null;
}

/** Makes a new run folder, or takes over the one to resume and tells which of its states were rejected. */
export async function openRun({
  config,
  configName,
  resume,
  observer,
}: {
  config: TrainConfig;
  configName: string;
  resume: string | null;
  observer: RunObserver;
}): Promise<OpenedRun> {
  if (resume === null)
    return { folder: await createRunFolder({ parent: config.runDir, configName, name: config.name }), saved: null };
  const { run, state, rejected, findings } = await resumeRunFolder({ path: resume });
  for (const message of findings) observer({ type: 'warn', code: 'RUN_FOLDER_CHANGED', message: `${resume}: ${message}` });
  for (const { path, reason } of rejected) {
    observer({ type: 'warn', code: 'STATE_REJECTED', message: `${basename(path)} was not used: ${reason}` });
  }
  return { folder: run, saved: state };
}

/**
 * The configuration this start goes by. A max_steps that an earlier call was told, and that the run has reached, is fulfilled: whoever resumes it
 * without a new one wants the rest. Where `auto` chose the graph it stays so, whatever it would choose today.
 */
export function configFrom(
  { config, maxStepsRecorded }: { config: TrainConfig; maxStepsRecorded: boolean },
  { saved }: OpenedRun,
): TrainConfig {
  const reached = config.maxSteps !== null && saved !== null && saved.progress.step >= config.maxSteps;
  const isGraph = config.execution === 'auto' && saved?.numerics.execution === 'compiled';
  return { ...config, ...(isGraph && { execution: 'graph' }), ...(maxStepsRecorded && reached && { maxSteps: null }) };
}

/** Every event goes into the run folder and to the caller. */
export function observeInto(folder: RunFolder, observer: RunObserver): RunObserver {
  return (event) => {
    folder.record(event);
    observer(event);
  };
}

/** The end of a run that has nothing left to compute, as run.ts would find it: no replica is needed to say so. Null where something is left. */
export function endOfFinished(
  { progress, parameters, optimizerSlots, data }: RunState,
  { epochs, maxSteps, earlyStopping }: Pick<TrainConfig, 'epochs' | 'maxSteps' | 'earlyStopping'>,
): EndEvent | null {
  const { epoch, step, nextExample, best } = progress;
  const cut = maxSteps !== null && step >= maxSteps && nextExample < (data.train ?? Infinity);
  const stopped = isStopped(earlyStopping, progress.watch ?? {});
  if (epoch <= epochs && !cut && !stopped) return null;
  const sha256 = valuesSha256({ parameters, optimizerSlots });
  const reason = stopped ? 'stopped_early' : epoch > epochs ? 'done' : 'max_steps';
  return { type: 'end', epochs: epoch - 1, steps: step, best, weightsSha256: sha256, reason };
}
