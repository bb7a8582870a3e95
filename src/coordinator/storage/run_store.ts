/**
 * Owns: what of a run goes to the disk and when: states by --state-every, models by the reference rule.
 * Does not: know the formats (state/state_file.ts, state/checkpoint.ts) or how files become whole (files/atomic_file.ts).
 */
import { AuditError, StorageError, ExpectedError } from '../../common/errors.js';
import { parseStateEvery } from '../../common/state_every.js';
import type { Monitor } from '../../common/objective.js';
import type { NumericsClass, ModelDescription } from '../../common/replica.js';
import { reaches } from '../../objective/values.js';
import type { RunObserver } from '../../common/run_events.js';
import type { RunWishes } from '../../common/run_wishes.js';
import type { TrainConfig } from '../../common/train_config.js';
import { createStateClock } from './state_due.js';
import { modelFolderName, saveModel, type KeptModel } from './state/checkpoint.js';
import type { RunFolder } from './run_folder/run_folder.js';
import { namesOf, topologySha256 } from './state/saved_names.js';
import type { RunValues } from '../planes/plane.js';
import type { DataIdentity, Progress, RunState } from './state/state_schema.js';
import type { SoundStates } from './state/sound_state.js';
import { setAsideStates } from './state/state_file.js';
import { createStateWriter } from './state/state_writer.js';

export interface RunStore {
  /** Writes a state at once: what was begun from other weights is resumed from those, even where it dies before its first state is due. */
  begin(progress: Progress): Promise<void>;
  /**
   * After each commit and each epoch: writes a state if one is due or wished for, beside training within an epoch; an epoch's end is waited for, so that a completed
   * epoch is never lost. Rejects only with `onSaveFailure: stop`.
   */
  afterCommit(progress: Progress, at: { epochEnded: boolean }): Promise<void>;
  /** The first step later than this one after whose commit a state is due, as far as steps decide that. */
  nextStateStep(after: number): number;
  /** After each evaluation, with its loss: tells where that is no sign that the run is well. */
  afterEvaluation(loss: number): Promise<void>;
  /** The newest state after which an evaluation was finite and within ten times the best loss. */
  readonly sound: { readonly path: string; readonly epoch: number } | null;
  /**
   * Keeps the best model so far (`checkpoints/best`), and by the report's rule, which it answers for, the epoch's own: when the monitored value is
   * `saveAbove` or better, and the best so far.
   */
  saveIfBest(progress: Progress, epoch: { epoch: number; value: number; isBest: boolean }): Promise<boolean>;
  /** Saves the model of an epoch that early stopping may give back. */
  saveBest(progress: Progress, epoch: number): Promise<void>;
  /**
   * Writes the last state, the model where the run came to its own end, and in any case `checkpoints/last`, the model of the last commit; after an
   * error where that error leaves it trustworthy.
   * @throws StorageError when the last state is not on the disk; never after an error, which is on its way to the user already
   */
  finish(progress: Progress, ending: RunEnding): Promise<void>;
}

/** Of a run that leaves nothing behind. */
export const KEEPS_NOTHING: RunStore = {
  begin: () => Promise.resolve(),
  afterCommit: () => Promise.resolve(),
  nextStateStep: () => Infinity,
  afterEvaluation: () => Promise.resolve(),
  sound: null,
  saveIfBest: () => Promise.resolve(false),
  saveBest: () => Promise.resolve(),
  finish: () => Promise.resolve(),
};

type RunEnding = 'done' | 'stopped' | { error: unknown };

export interface StoreParts {
  readonly config: TrainConfig;
  readonly shards: number;
  readonly model: ModelDescription;
  readonly monitor: Monitor;
  readonly numerics: NumericsClass;
  readonly data: DataIdentity;
  readonly folder: RunFolder;
  /** Of the last commit; asked for when a state or a model is due. */
  readonly values: () => Promise<RunValues>;
  readonly modelWeights: () => Promise<Float32Array>;
  /** The epoch whose model is given back at the end; null where that is the last commit's. */
  readonly restored?: () => { readonly epoch: number; readonly weights: Float32Array } | null;
  readonly observe: RunObserver;
  readonly wishes?: RunWishes;
  readonly nowMs: () => number;
  /** `tfjs-parallel 0.1.0`. */
  readonly generatedBy: string;
  /** Where a resumed run stands. */
  readonly firstStep: number;
  readonly sound: SoundStates;
  /** Who was found right by audits, until when; nothing where all shards are audited or none is. */
  readonly trusted?: () => NonNullable<RunState['trusted']>;
}

export function createRunStore(parts: StoreParts): RunStore {
  const { config, model, monitor, folder, observe, nowMs, sound } = parts;
  const due = createStateClock(parseStateEvery(config.stateEvery), { step: parts.firstStep, nowMs: nowMs() });
  const topology = { sha256: topologySha256(model), names: namesOf(model) };
  let lastSavedEpoch = 0;
  /** Where the state offered last stands: the same place again needs no second file. */
  let lastOffered: Pick<Progress, 'epoch' | 'step'> | null = null;

  const warn = ({ code, message, next }: StorageError): void => observe({ type: 'warn', code, message: `${message}; ${next}` });
  const states = createStateWriter({
    folder: folder.stateFolder,
    fileSystem: folder.fileSystem,
    keep: config.keep,
    keepBesides: () => sound.kept,
    passedOver: folder.passedOver,
    beforePublish: () => folder.readyToPublish(),
    onWritten: (written) => {
      sound.written(written);
      observe({ type: 'state', ...written });
    },
    onFailed: warn,
    now: nowMs,
  });

  const save = async (
    progress: Progress,
    epoch: number,
    {
      value,
      name,
      weights = parts.modelWeights,
      notes: more = {},
    }: { value: number | null; name?: KeptModel; weights?: typeof parts.modelWeights; notes?: Record<string, number> },
  ): Promise<boolean> => {
    const notes = { epoch, step: progress.step, ...(value !== null && { [monitor.name]: value }), ...more };
    const values = await weights();
    try {
      await saveModel(
        { topology: model.topology, layout: model.layout, values, notes, generatedBy: parts.generatedBy },
        { folder: folder.checkpointFolder, epoch, ...(name && { name }), fileSystem: folder.fileSystem },
      );
      if (name === undefined) lastSavedEpoch = epoch;
      return true;
    } catch (error) {
      if (config.onSaveFailure === 'stop' || !(error instanceof StorageError)) throw error;
      warn(error);
      return false;
    }
  };

  /** Of the last commit, in whatever epoch that is; `epoch` counts those that ended. */
  const saveLast = (progress: Progress): Promise<boolean> => save(progress, progress.epoch - 1, { value: null, name: 'last' });

  /** In the place of the last epoch's, if that was saved too. */
  const saveRestored = async (
    progress: Progress,
    { epoch, weights }: { epoch: number; weights: Float32Array },
  ): Promise<void> => {
    const last = progress.epoch - 1;
    const given = { value: null, weights: () => Promise.resolve(weights), notes: { weights_of_epoch: epoch } };
    if (!(await save(progress, last, given))) return;
    const message = `the model at the end, ${modelFolderName(last)}, is that of epoch ${epoch}, the best; the state goes on from epoch ${last}`;
    observe({ type: 'warn', code: 'BEST_RESTORED', message });
  };

  const offer = async (progress: Progress): Promise<void> => {
    const values = await parts.values();
    lastOffered = { epoch: progress.epoch, step: progress.step };
    states.offer(stateOf(parts, topology, progress, values));
  };
  const setAside = async (afterStep: number): Promise<void> => {
    const { setAside, lastStep } = await setAsideStates({ folder: folder.stateFolder, fileSystem: folder.fileSystem }, afterStep);
    const from = lastStep === null ? 'none older is left: a resume begins anew' : `a resume goes on from step ${lastStep}`;
    const message = `${setAside} states after step ${afterStep} may hold what was computed wrongly and are set aside (.suspect); ${from}`;
    observe({ type: 'warn', code: 'STATES_SET_ASIDE', message });
  };
  const isOnDisk = (progress: Progress): boolean =>
    states.failure === null && lastOffered?.epoch === progress.epoch && lastOffered.step === progress.step;

  return {
    async begin(progress) {
      await offer(progress);
      await states.flush();
      if (states.failure !== null && config.onSaveFailure === 'stop') throw states.failure;
    },
    async afterCommit(progress, { epochEnded }) {
      if (states.failure !== null && config.onSaveFailure === 'stop') throw states.failure;
      const isAsked = parts.wishes?.takeSave() === true;
      if (!due.isDue({ step: progress.step, epochEnded, nowMs: nowMs() }) && !isAsked) return;
      await offer(progress);
      if (epochEnded) await states.flush();
    },
    nextStateStep: (after) => due.nextStep(after),
    async afterEvaluation(loss) {
      if (await sound.evaluated(loss)) return;
      const kept = sound.sound;
      const stands = kept === null ? '' : `; ${kept.path} (epoch ${kept.epoch}) is kept, the newest state before this`;
      const message = `the loss is ${loss}, which is no number or more than ten times the best${stands}`;
      observe({ type: 'warn', code: 'LOSS_EXPLODED', message });
    },
    get sound() {
      return sound.sound;
    },
    async saveIfBest(progress, { epoch, value, isBest }) {
      if (!isBest) return false;
      await save(progress, epoch, { value, name: 'best' });
      if (config.saveAbove === null || !reaches(monitor, value, config.saveAbove)) return false;
      return save(progress, epoch, { value });
    },
    async saveBest(progress, epoch) {
      await save(progress, epoch, { value: null });
    },
    async finish(progress, ending) {
      if (typeof ending === 'object') {
        const { error } = ending;
        if (error instanceof AuditError && error.soundUpTo !== null) {
          await states.flush().catch(() => undefined);
          return setAside(error.soundUpTo);
        }
        // After a bug of ours the values may be wrong; after a full disk there is nothing new to try.
        // The values may be lost with what failed; then the last state stands.
        const isSound = error instanceof ExpectedError && states.failure === null;
        if (isSound && !isOnDisk(progress)) await offer(progress).catch(() => undefined);
        await states.flush().catch(() => undefined);
        if (isSound && states.failure === null) await saveLast(progress).catch(() => undefined);
        return;
      }
      const { epoch, best } = progress;
      const last = epoch - 1;
      // As the report's rule wrote it, where it did in an earlier start: then it is left alone.
      const value = best?.epoch === last ? best.value : null;
      const restored = parts.restored?.() ?? null;
      if (ending === 'done' && restored !== null && restored.epoch !== last) await saveRestored(progress, restored);
      else if (ending === 'done' && last > 0 && lastSavedEpoch !== last) await save(progress, last, { value });
      await states.flush();
      if (!isOnDisk(progress)) await offer(progress);
      await states.flush();
      await saveLast(progress);
      if (states.failure !== null) throw states.failure;
    },
  };
}

function stateOf(
  { config, shards, model, numerics, data, folder, trusted }: StoreParts,
  topology: { readonly sha256: string; readonly names: RunState['model']['names'] },
  progress: Progress,
  { parameters, optimizerSlots }: RunValues,
): RunState {
  return {
    parameters,
    optimizerSlots,
    progress,
    seed: config.seed,
    shards,
    coordinatorEpoch: folder.coordinatorEpoch,
    runId: folder.runId,
    ...(folder.unkeptBest !== null && { unkeptBest: folder.unkeptBest }),
    config,
    model: { name: model.name, topologySha256: topology.sha256, names: topology.names, layout: model.layout },
    objective: model.objective,
    data,
    numerics,
    metrics: folder.metricsCursor(),
    ...(trusted && { trusted: trusted() }),
  };
}
