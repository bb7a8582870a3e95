/**
 * READ ME FIRST. Owns: the run loop: what a step is, when it counts, what happens after an epoch.
 * Does not: compute gradients (replicas do), choose who does (fleet/fleet.ts), add them and apply SGD (update/update.ts),
 * load data, models or TensorFlow (src/train.ts puts the parts together), or print (observers do).
 *
 * One step: draw the examples → cut them into shards → replicas compute gradient sums → add in tree order, divide once by the
 * global batch → SGD → commit. Nothing is applied before all shards are there and finite; a step is committed exactly once.
 */
import { DivergedError } from '../common/errors.js';
import { permutation } from '../common/random.js';
import type { Monitor } from '../common/objective.js';
import type { ModelDescription } from '../common/replica.js';
import type { EndEvent, RunObserver } from '../common/run_events.js';
import type { StopReason, StopRequest } from '../common/stop_request.js';
import type { TrainConfig } from '../common/train_config.js';
import { addBatch, valuesOf } from '../objective/values.js';
import { shardBatch } from './batches.js';
import { evaluate, type RoundComputer } from './evaluate.js';
import type { RunStore } from './run_store.js';
import { learningRateAt } from './schedule.js';
import { StepMeter } from './step_meter.js';
import type { TrainingState } from './state/training_state.js';
import type { Update } from './update/update.js';
import { weightsSha256 } from './weights_hash.js';

export interface RunParts {
  readonly config: TrainConfig;
  readonly shards: number;
  readonly model: ModelDescription;
  /** Examples in each split, limits applied. */
  readonly examples: { readonly train: number; readonly validation: number };
  readonly fleet: RoundComputer;
  readonly update: Update;
  readonly monitor: Monitor;
  readonly state: TrainingState;
  readonly store: RunStore;
  readonly observe: RunObserver;
  readonly stop: StopRequest;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

type Ending = 'max_steps' | StopReason;

/** Runs to the end, a stop, or an error. The last event is `end`. */
export async function runTraining(parts: RunParts): Promise<EndEvent> {
  const { config, state, store, observe } = parts;
  let ending: Ending | null = null;
  try {
    while (ending === null && state.progress.epoch <= config.epochs) ending = await runEpoch(parts);
  } catch (error) {
    await store.finish(state, { error });
    observe(endOf(state, error instanceof DivergedError ? 'diverged' : 'failed'));
    throw error;
  }
  await store.finish(state, ending === null ? 'done' : 'stopped').catch((error: unknown) => {
    observe(endOf(state, 'failed'));
    throw error;
  });
  const end = endOf(state, ending ?? 'done');
  observe(end);
  return end;
}

function endOf({ progress, current }: TrainingState, reason: EndEvent['reason']): EndEvent {
  const { step, epoch, best } = progress;
  const sha256 = weightsSha256(current.parameters, current.slots);
  return { type: 'end', epochs: epoch - 1, steps: step, best, weightsSha256: sha256, reason };
}

/** What remains of the epoch in progress: its steps, then its evaluation. Null when it ended, else why it stopped inside it. */
async function runEpoch(parts: RunParts): Promise<Ending | null> {
  const { config, state, store, examples, stop } = parts;
  const order = permutation({ seed: config.seed, epoch: state.progress.epoch, count: examples.train });
  const meter = new StepMeter(parts.nowMs);
  while (state.progress.nextExample < examples.train) {
    if (stop.reason !== null) return stop.reason;
    if (config.maxSteps !== null && state.progress.step >= config.maxSteps) return 'max_steps';
    if (!(await runStep(parts, order, meter))) return stop.reason ?? 'stopped';
    await store.afterCommit(state, { epochEnded: false });
  }
  if (stop.reason !== null) return stop.reason;
  return endEpoch(parts, meter);
}

/** One step. False when it was given up because the user is in a hurry; then nothing of it was applied. */
async function runStep(parts: RunParts, order: Int32Array, meter: StepMeter): Promise<boolean> {
  const { config, shards, fleet, update, state, stop } = parts;
  const { step, nextExample } = state.progress;
  const stepsPerEpoch = Math.ceil(order.length / config.batch);
  meter.begin();
  const rows = order.subarray(nextExample, Math.min(nextExample + config.batch, order.length));
  const units = shardBatch({ kind: 'train', rows, shards, step, parameters: state.snapshot() });
  meter.mark('data');

  const results = await unlessHurried(fleet.computeRound(units), stop).catch((error: unknown) => {
    throw error instanceof DivergedError ? divergedInShard(parts, error) : error;
  });
  if (results === null) return false;
  meter.computed(results);

  const { schedule, learningRate: base } = config.optimizer;
  const learningRate = learningRateAt({ schedule, base, step, stepsPerEpoch, epochs: config.epochs });
  const { current, next } = state;
  const { nonFinite, reduceMs, gradientNorm } = await update({
    results,
    shards,
    globalBatch: rows.length,
    learningRate,
    step,
    current,
    next,
  });
  for (const { gradient } of results) gradient?.release();
  if (nonFinite !== undefined) throw diverged(parts, nonFinite);
  meter.updated(reduceMs);

  const { objective } = parts.model;
  state.commit(addBatch(objective, state.progress.totals, results), rows.length);
  meter.mark('publish');

  const { epoch, stepInEpoch, totals } = state.progress;
  parts.observe({
    type: 'step',
    epoch,
    step: step + 1,
    stepInEpoch,
    stepsPerEpoch,
    loss: results.reduce((sum, result) => sum + result.lossSum, 0) / rows.length,
    epochValues: valuesOf(objective, totals),
    learningRate,
    ...(gradientNorm !== undefined && { gradientNorm }),
    ...meter.end(rows.length),
  });
  return true;
}

async function endEpoch(parts: RunParts, meter: StepMeter): Promise<Ending | null> {
  const { config, shards, fleet, state, store, examples, monitor, stop, observe } = parts;
  const { objective } = parts.model;
  const { epoch, totals } = state.progress;
  const evaluation = evaluate({
    fleet,
    objective,
    examples: examples.validation,
    batch: config.batch,
    shards,
    parameters: state.snapshot(),
  });
  const validation = await unlessHurried(evaluation, stop);
  if (validation === null) return stop.reason ?? 'stopped';
  const values = { ...valuesOf(objective, totals), ...(examples.validation > 0 && valuesOf(objective, validation, 'val_')) };
  const value = values[monitor.name];
  await store.afterEvaluation(values.val_loss ?? values.loss);
  const isBest = state.endEpoch(monitor, value);
  const saved = await store.saveIfBest(state, { epoch, value, isBest });
  observe({
    type: 'epoch',
    epoch,
    values,
    ...meter.total(totals.examples),
    saved,
  });
  await store.afterCommit(state, { epochEnded: true });
  return null;
}

/** The promise's value, or null as soon as the user is in a hurry. */
async function unlessHurried<T>(work: Promise<T>, { hurry }: StopRequest): Promise<T | null> {
  if (hurry.aborted) {
    work.catch(() => undefined);
    return null;
  }
  let giveUp = (): void => undefined;
  const hurried = new Promise<null>((resolve) => {
    giveUp = () => resolve(null);
    hurry.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([work, hurried]);
  } finally {
    hurry.removeEventListener('abort', giveUp);
    work.catch(() => undefined);
  }
}

/** All shards were finite, and adding them or applying the update was not. */
function diverged(parts: RunParts, what: string): DivergedError {
  const { epoch, stepInEpoch, step } = parts.state.progress;
  const message = `epoch ${epoch}, step ${stepInEpoch + 1} (step ${step + 1} of the run) gave NaN or Inf in ${what}; the step was not applied`;
  return new DivergedError({ code: 'NON_FINITE', message, next: afterDiverging(parts) });
}

/** A shard was not finite, twice: the fleet says which, where and on whom, and does not know epochs. */
function divergedInShard(parts: RunParts, { code, message, cause }: DivergedError): DivergedError {
  return new DivergedError({
    code,
    message: `epoch ${parts.state.progress.epoch}: ${message}`,
    next: afterDiverging(parts),
    cause,
  });
}

/** The last state is finite; that of the last good evaluation is known to be well, too. */
function afterDiverging({ store: { sound } }: RunParts): string {
  const from =
    sound === null
      ? 'from these weights with --init-from RUN: the last state is finite'
      : `with --init-from ${sound.path}: of epoch ${sound.epoch}, the newest state after which an evaluation was good (later ones are finite, no more is known)`;
  return `start a new run with a lower learning rate (--lr) or clipped gradients (--set optimizer.clip_norm=1), ${from}`;
}
