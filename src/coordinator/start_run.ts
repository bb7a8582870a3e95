/**
 * Owns: what every run does around its loop, on one machine or many: the checks of a resume, the start event, the store; then run.ts loops.
 * Does not: open its folder (opened_run.ts), or know where replicas come from (src/api/train.ts, src/api/coordinate.ts). Next hop: run.ts.
 */
import { performance } from 'node:perf_hooks';
import { mixesExamples } from '../common/augmentation.js';
import { digitsApart } from '../common/digits_apart.js';
import { isErrorLike } from '../common/error_facts.js';
import { ExpectedError, UsageError } from '../common/errors.js';
import type { ModelDescription, NumericsClass, ResidentReplica } from '../common/replica.js';
import type { EndEvent, RunObserver, StartEvent } from '../common/run_events.js';
import type { SettingChange } from '../common/setting_change.js';
import type { Monitor } from '../common/objective.js';
import { requireShards } from '../objective/one_shard.js';
import { monitorOf } from '../objective/values.js';
import { shardSizes } from '../common/shard.js';
import type { RunWishes } from '../common/run_wishes.js';
import type { StopRequest } from '../common/stop_request.js';
import type { TrainConfig } from '../common/train_config.js';
import { trialNotes } from '../common/trial.js';
import type { Plane, RunValues } from './planes/plane.js';
import { weightsFor, type SavedWeights } from './storage/state/saved_model.js';
import type { Fleet } from './planes/exact/fleet/fleet.js';
import type { RunFolder } from './storage/run_folder/run_folder.js';
import { ExactPlane } from './planes/exact/exact_plane.js';
import { beginAt, type Beginning } from './beginning.js';
import { classifyAtEnd, type ToldClasses } from './classify_at_end.js';
import { BestWeights, type EpochWeights } from './best_weights.js';
import type { OpenedRun } from './opened_run.js';
import type { BatchStream } from './batch_stream.js';
import { RunProgress } from './progress.js';
import { accessTo } from './run_access.js';
import type { MakeHooks, RunAccess, RunHooks } from './run_hooks.js';
import { requireReachable } from './require_reachable.js';
import { runTraining } from './run.js';
import { createRunStore, KEEPS_NOTHING, type RunStore } from './storage/run_store.js';
import { rateRise } from '../common/schedule.js';
import { SoundStates } from './storage/state/sound_state.js';
import { progressUnder, requireSameRun, requireSameSettings } from './storage/state/state_match.js';
import type { DataIdentity } from './storage/state/state_schema.js';
import { valuesSha256 } from './storage/weights_hash.js';

/** For logs/run.log, where somebody looks who was not at the terminal. */
function wordsOf(error: unknown): { code: string; message: string } {
  if (error instanceof ExpectedError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: isErrorLike(error) ? (error.stack ?? error.message) : String(error) };
}

/** As the model would be saved after this epoch. */
interface TrainedWeights {
  readonly epoch: number;
  /** A copy, in the order of the slots. */
  readonly values: Float32Array;
  readonly slots: readonly { readonly name: string; readonly offset: number; readonly size: number }[];
}

export interface StartParts {
  readonly config: TrainConfig;
  readonly shards: number;
  readonly model: ModelDescription;
  readonly numerics: NumericsClass;
  readonly data: DataIdentity;
  readonly versions: StartEvent['versions'];
  readonly memoryKept?: boolean;
  /** Without a folder nothing is written. */
  readonly run: OpenedRun | { readonly folder: null; readonly saved: null };
  /** Where a new run begins, where that is not the model's own beginning. */
  readonly begin?: Beginning | null;
  /** What a resume was told and the run keeps. */
  readonly changes: readonly SettingChange[];
  /** What of a compiled model is not used, one sentence each. */
  readonly notes: readonly string[];
  /** To take the first weights from. */
  readonly initFrom: SavedWeights | null;
  readonly numericsCheck: 'strict' | 'relaxed';
  /** With the replicas that are there at the start. */
  readonly fleet: Fleet;
  /** All replicas of the fleet, where the weights may stay with them (planes/exact/resident_weights.ts). */
  readonly resident?: readonly ResidentReplica[];
  /** A replica alone may take several steps in one call (planes/exact/stretch_length.ts). */
  readonly inOneCall?: number;
  /** Of this machine, for this process. */
  readonly cores: number;
  readonly observe: RunObserver;
  readonly stop: StopRequest;
  readonly wishes?: RunWishes;
  /** Hears the weights after an epoch, where that is asked for (`histograms`). */
  readonly onWeights?: (weights: TrainedWeights) => void;
  /** Hears at the end, of a classifier that has trained and has validation data, which class it says each example is. */
  readonly onClasses?: (told: ToldClasses) => Promise<void>;
  /** Called right after the start event. */
  readonly onStart?: () => void;
  /** Callbacks that the loop waits for. */
  readonly hooks?: MakeHooks;
  readonly stream?: BatchStream;
  readonly validationStream?: BatchStream;
}

export interface RunResult {
  readonly end: EndEvent;
  /** As the model is saved: in layout order. */
  readonly weights: Float32Array;
  /** Of the last commit. */
  readonly values: RunValues;
  /** Orders of epochs were drawn with the epoch's number and this. */
  readonly orderOffset: number;
}

/** Runs to the end. Errors: those of a resume that does not fit, and of run.ts. */
export async function startRun(parts: StartParts): Promise<RunResult> {
  const { config, shards, model, fleet, resident, inOneCall, cores, initFrom } = parts;
  const initial = initFrom === null ? model.initial : weightsFor(model, initFrom);
  const plane = new ExactPlane({
    model,
    shards,
    optimizer: normed(config),
    mixes: mixesExamples(config.augment),
    fleet,
    resident,
    ...(inOneCall !== undefined && { inOneCall }),
    cores,
    initial,
    nowMs,
  });
  try {
    return await runOn(plane, parts);
  } finally {
    await plane.close();
  }
}

const nowMs = (): number => performance.now();

async function runOn(plane: Plane, parts: StartParts): Promise<RunResult> {
  const { config, shards, model, numerics, data, versions, fleet, observe, stop } = parts;
  const { folder, saved } = parts.run;
  const { objective } = model;
  const validated = data.validation !== 0;
  const monitor = monitorOf(objective, { asked: config.monitor, validated });
  requireReachable(config, monitor);
  requireShards(objective, shards);
  const watchedBy = ({ patience, monitor: asked }: { patience: number | null; monitor: string | null }): Monitor | null =>
    patience === null ? null : monitorOf(objective, { asked: asked ?? config.monitor, validated });
  const watched = { stopping: watchedBy(config.earlyStopping), plateau: watchedBy(config.reduceOnPlateau) };
  let progress = new RunProgress(objective);
  /** As the run's folder knows it. */
  let kept = parts;
  if (parts.begin) progress = await beginAt(parts.begin, { plane, objective });
  if (saved !== null) {
    requireSameSettings(saved, { config, shards, run: folder.path });
    const { numericsCheck } = parts;
    kept = { ...parts, model: requireSameRun(saved, { model, data, numerics, numericsCheck, run: folder.path }) };
    progress = new RunProgress(objective, progressUnder(objective, saved, folder.path));
    await plane.restore({ ...saved, version: progress.now.step });
    fleet.trust(saved.trusted ?? []);
  }
  await folder?.keepChanges(parts.changes, { step: progress.now.step });
  await parts.stream?.begin?.(progress.now);
  await parts.validationStream?.begin?.(progress.now);
  const platform = `${process.platform} ${process.arch}`;
  await folder?.writeEnvironment({ versions, numerics, replicas: fleet.replicas, platform });
  observe({
    type: 'start',
    config: { ...config, shards },
    replicas: fleet.replicas,
    numerics,
    runFolder: folder?.path ?? '',
    dataset: { name: data.name, train: data.train, validation: data.validation, sha256: data.sha256 },
    model: { name: model.name, trainedParameters: model.layout.trainedSize, totalParameters: model.layout.totalSize },
    objective: { loss: objective.loss.name, metrics: objective.metrics.map(({ name }) => name), monitor },
    plan: {
      shards,
      shardSizes: shardSizes({ globalBatch: Math.min(config.batch, data.train ?? config.batch), shards }),
      stepsPerEpoch: parts.stream === undefined ? stepsOf(data, config) : parts.stream.batchesPerEpoch,
      epochs: config.epochs,
      firstEpoch: progress.now.epoch,
      bytesPerReplicaStep: model.layout.trainedSize * 4,
      batchNormPerShard: shards > 1 && model.layout.statistics.length > 0,
    },
    versions,
    ...(parts.memoryKept === true && { memoryKept: true }),
  });
  parts.onStart?.();
  for (const note of trialNotes(config)) observe({ type: 'warn', ...note });
  for (const message of [...objective.notes, ...parts.notes]) observe({ type: 'warn', code: 'COMPILED_OVERRIDDEN', message });
  tellRise(parts, progress.now.step);
  const best = config.earlyStopping.restoreBest ? new BestWeights() : null;
  if (saved !== null) await best?.resume(folder, kept.model, progress.now.watch ?? {});
  const finalWeights = async (): Promise<Float32Array> => best?.current?.weights ?? plane.model();
  const restored = (): EpochWeights | null => best?.current ?? null;
  const store =
    folder === null ? KEEPS_NOTHING : await openStore({ parts: kept, folder, plane, progress, monitor, restored, nowMs });
  const keepBest = async (epoch: number): Promise<void> => {
    best?.keep({ epoch, weights: await plane.model() });
    if (best !== null) await store.saveBest(progress.now, epoch);
  };
  const tellWeights = async (epoch: number): Promise<void> => {
    parts.onWeights?.({ epoch, values: await plane.model(), slots: kept.model.layout.slots });
  };
  const examples = { train: data.train, validation: data.validation };
  const firstStep = progress.now.step;
  const completed = async (): Promise<void> => {
    const { onClasses, validationStream } = parts;
    const { epoch, step } = progress.now;
    const isTold = onClasses && validated && objective.classes !== undefined && validationStream === undefined;
    if (!isTold || step === firstStep) return;
    const evaluation = { examples: data.validation ?? 0, batch: config.batch, signal: stop.hurry };
    const at = { epoch: epoch - 1, step };
    await classifyAtEnd({ at, plane, fleet, evaluation, weights: await finalWeights(), hear: onClasses, observe });
  };
  const digest = async (): Promise<string> => valuesSha256(await plane.values());
  const lastRate = progress.now.rate ?? null;
  const hooks = parts.hooks?.(accessTo(plane, { model, optimizer: config.optimizer, lastRate }));
  requireRateGiven(lastRate, hooks);
  await hooks?.trainBegin?.();
  const loop = runTraining({
    ...{ config, model, examples, plane, progress, monitor, watched, keepBest, tellWeights },
    ...{ store, digest, observe, stop, hooks, nowMs, completed },
    ...{ stream: parts.stream, validationStream: parts.validationStream, wishes: parts.wishes },
  });
  const end = await loop.catch((error: unknown) => {
    folder?.log({ type: 'error', ...wordsOf(error) });
    throw error;
  });
  const { orderOffset = 0 } = progress.now;
  return { end, weights: await finalWeights(), values: await plane.values(), orderOffset };
}

/** @throws UsageError RATE_NOT_RESUMED where a program gave the run's rate, and this one does not */
function requireRateGiven(last: RunAccess['lastRate'], hooks: RunHooks | undefined): void {
  if (last === null || hooks?.givesRate === true || hooks?.fromHere === true) return;
  throw new UsageError({
    code: 'RATE_NOT_RESUMED',
    message: `the learning rate of this run was given by the program that began it, ${last.base} in epoch ${last.epoch}, and is not in its configuration`,
    next: 'Resume it from that program with its learningRate or callbacks; callbacksFromHere: true goes on at the rate of the configuration.',
  });
}

interface StoreRequest {
  readonly parts: StartParts;
  readonly folder: RunFolder;
  readonly plane: Plane;
  readonly progress: RunProgress;
  readonly monitor: Monitor;
  readonly restored: () => EpochWeights | null;
  readonly nowMs: () => number;
}

async function openStore({ parts, folder, plane, progress, monitor, restored, nowMs }: StoreRequest): Promise<RunStore> {
  const { config, shards, model, numerics, data, versions, observe, wishes } = parts;
  const sound = new SoundStates({
    run: folder.path,
    states: folder.stateFolder,
    fileSystem: folder.fileSystem,
    beforePublish: () => folder.readyToPublish(),
  });
  if (parts.run.saved !== null) await sound.restore();
  const store = createRunStore({
    ...{ sound, shards, model, monitor, numerics, data, folder, observe, wishes, nowMs },
    config: { ...config, shards },
    values: () => plane.values(),
    modelWeights: () => plane.model(),
    restored,
    generatedBy: `tfjs-parallel ${versions.tfjsParallel}`,
    firstStep: progress.now.step,
    ...(config.audit > 0 && config.audit < 1 && { trusted: () => [...parts.fleet.trusted] }),
  });
  if (parts.initFrom !== null || parts.begin) await store.begin(progress.now);
  return store;
}

function stepsOf({ train }: DataIdentity, { batch }: TrainConfig): number | null {
  return train === null ? null : Math.ceil(train / batch);
}

/** A norm that nobody exceeds clips nothing, and is computed. */
function normed({ optimizer, gradientNorm }: TrainConfig): TrainConfig['optimizer'] {
  return gradientNorm && optimizer.clipNorm === null ? { ...optimizer, clipNorm: Infinity } : optimizer;
}

/** A schedule that anneals to the run's end starts from further up when the run is made longer. */
function tellRise({ config, data, run, observe }: StartParts, step: number): void {
  if (run.saved === null || run.saved.config.epochs === config.epochs) return;
  const { schedule, learningRate: base } = config.optimizer;
  const stepsPerEpoch = stepsOf(data, config) ?? 1;
  const epochs = { before: run.saved.config.epochs, now: config.epochs };
  const rise = rateRise({ schedule, base, step, stepsPerEpoch }, epochs);
  if (rise === null) return;
  const [from, to] = digitsApart([rise.from, rise.to], (rate, digits) => String(Number(rate.toPrecision(digits))), 3);
  observe({
    type: 'warn',
    code: 'RATE_RISES',
    message:
      `the run was planned for ${epochs.before} epochs and goes on to ${epochs.now}: by its ${schedule.name} schedule ` +
      `the learning rate rises again, from ${from} at step ${step} to ${to} at step ${step + 1}`,
  });
}
