/**
 * READ ME FIRST. Owns: the run loop: when steps are taken and counted, what happens after an epoch.
 * Does not: hold weights or compute (a plane does, planes/plane.ts), say which rows a step takes (epoch_steps.ts), know a metric
 * (objective/values.ts closes sums by their description), load data, models or TensorFlow (src/api/compose.ts puts the parts together), or
 * print (observers do).
 *
 * In exact mode one step is: draw the examples → cut them into shards → replicas compute gradient sums → add in tree order, divide once by
 * the global batch → optimizer → commit (planes/exact/exact_plane.ts, the next hop).
 */
import { DivergedError } from '../common/errors.js';
import type { EndEvent } from '../common/run_events.js';
import { unlessAsked, type StopReason } from '../common/stop_request.js';
import { addBatch, addTotals, noTotals, valuesOf, type Totals } from '../objective/values.js';
import { withWait, type BatchStream } from './batch_stream.js';
import { diverged } from './diverging.js';
import { EpochMeter } from './epoch_meter.js';
import { baseRate, countOf, givenRate, nextBatch, stepsFrom, stepsPerEpoch } from './epoch_steps.js';
import type { CommittedStep, StepOutcome } from './planes/plane.js';
import type { Decision } from './run_hooks.js';
import type { RunParts } from './run_parts.js';
import { isStopped, watchEpoch } from './watch.js';

type Ending = 'max_steps' | 'stopped_early' | StopReason;

/** Runs to the end, a stop, or an error. The last event is `end`. */
export async function runTraining(parts: RunParts): Promise<EndEvent> {
  const { config, progress, store, observe } = parts;
  let ending: Ending | null = isStopped(config.earlyStopping, progress.now.watch ?? {}) ? 'stopped_early' : null;
  try {
    while (ending === null && progress.now.epoch <= config.epochs) ending = await runEpoch(parts);
  } catch (error) {
    await store.finish(progress.now, { error });
    observe(await failedEnd(parts, error instanceof DivergedError ? 'diverged' : 'failed'));
    throw error;
  }
  await store
    .finish(progress.now, ending === null || ending === 'stopped_early' ? 'done' : 'stopped')
    .catch(async (error: unknown) => {
      observe(await failedEnd(parts, 'failed'));
      throw error;
    });
  if (ending === null || ending === 'stopped_early' || ending === 'max_steps') await parts.completed?.();
  const end = await endOf(parts, ending ?? 'done');
  observe(end);
  return end;
}

async function endOf({ progress, digest }: RunParts, reason: EndEvent['reason']): Promise<EndEvent> {
  const { step, epoch, best } = progress.now;
  return { type: 'end', epochs: epoch - 1, steps: step, best, weightsSha256: await digest(), reason };
}

/** Without a hash, where the weights are lost with what failed. */
function failedEnd(parts: RunParts, reason: 'diverged' | 'failed'): Promise<EndEvent> {
  return endOf({ ...parts, digest: () => parts.digest().catch(() => '') }, reason);
}

/** What remains of the epoch in progress: its steps, then its evaluation. Null when it ended, else why it stopped inside it. */
async function runEpoch(parts: RunParts): Promise<Ending | null> {
  const { config, progress, examples, stop, hooks, stream } = parts;
  const meter = new EpochMeter(parts.nowMs);
  let isOver = false;
  let decision: Decision = 'go_on';
  if (mayStep(parts)) {
    await hooks?.epochBegin?.(progress.now.epoch);
    if (stream === undefined) decision = await takeSteps(parts, meter, countOf(examples));
    else ({ decision, isOver } = await takeStreamedSteps(parts, meter, stream));
  }
  if (stream === undefined) isOver = progress.now.nextExample >= countOf(examples);
  if (decision === 'stop' && !isOver) return endInside(parts);
  if (stop.reason !== null) return stop.reason;
  if (isOver) return (await endEpoch(parts, meter)) ?? (decision === 'stop' ? 'stopped_early' : null);
  return config.maxSteps !== null && progress.now.step >= config.maxSteps ? 'max_steps' : 'stopped';
}

/** A callback stopped the run inside the epoch: nothing is evaluated. */
async function endInside({ model, progress, hooks }: RunParts): Promise<Ending> {
  const { epoch, totals } = progress.now;
  await hooks?.epochEnd?.({ epoch, values: valuesOf(model.objective, totals) });
  return 'stopped_early';
}

function mayStep({ config, progress, examples, stop, stream }: RunParts): boolean {
  const { nextExample, step } = progress.now;
  return (
    (stream !== undefined || nextExample < countOf(examples)) && step < (config.maxSteps ?? Infinity) && stop.reason === null
  );
}

/** Until the epoch's examples are used, a stop or the last step. */
async function takeSteps(parts: RunParts, meter: EpochMeter, inEpoch: number): Promise<Decision> {
  const { hooks } = parts;
  let base = baseRate(parts);
  let steps = stepsFrom(parts, base);
  try {
    // The generator computes nothing before it is asked: leaving it names a boundary.
    while (mayStep(parts)) {
      await hooks?.batchBegin?.(nextBatch(parts, inEpoch));
      if (!mayStep(parts)) break;
      if (baseRate(parts) !== base) {
        await steps.return(undefined);
        base = baseRate(parts);
        steps = stepsFrom(parts, base);
      }
      const { value: outcome, done } = await steps.next();
      if (done === true) break;
      if ((await commit(parts, meter, outcome)) === 'stop') return 'stop';
    }
  } finally {
    await steps.return(undefined);
  }
  return 'go_on';
}

/** One batch after the other, each a boundary of its own. */
async function takeStreamedSteps(
  parts: RunParts,
  meter: EpochMeter,
  stream: BatchStream,
): Promise<{ decision: Decision; isOver: boolean }> {
  while (mayStep(parts)) {
    const askedMs = parts.nowMs();
    const examples = await unlessAsked(stream.next(), parts.stop);
    const waitedMs = parts.nowMs() - askedMs;
    if (examples === 'asked') return { decision: 'go_on', isOver: false };
    if (examples === null) return { decision: 'go_on', isOver: true };
    const { epoch, stepInEpoch } = parts.progress.now;
    await parts.hooks?.batchBegin?.({ epoch, batch: stepInEpoch + 1, examples });
    if (!mayStep(parts)) break;
    const steps = stepsFrom(parts, baseRate(parts), examples);
    const { value: outcome, done } = await steps.next();
    await steps.return(undefined);
    if (done === true) break;
    if ((await commit(parts, meter, withWait(outcome, waitedMs))) === 'stop') return { decision: 'stop', isOver: false };
  }
  return { decision: 'go_on', isOver: parts.stop.reason === null && (await stream.isAtEnd?.()) === true };
}

/** The step is in the plane's weights: it is counted, told and, where one is due, saved. */
async function commit(parts: RunParts, meter: EpochMeter, outcome: StepOutcome): Promise<Decision> {
  const { progress, store, hooks } = parts;
  if (outcome.kind === 'non_finite') throw diverged(parts, outcome.what);
  const { epoch, stepInEpoch } = progress.now;
  progress.commit(outcome.sums, { stream: parts.stream?.mark, rate: givenRate(parts) });
  tellStep(parts, meter, outcome);
  await store.afterCommit(progress.now, { epochEnded: false });
  if (hooks?.batchEnd === undefined) return 'go_on';
  const { objective } = parts.model;
  const values = valuesOf(objective, addBatch(objective, noTotals(objective), [outcome.sums]));
  return hooks.batchEnd({ epoch, batch: stepInEpoch + 1, examples: outcome.sums.examples, values });
}

function tellStep(parts: RunParts, meter: EpochMeter, step: CommittedStep): void {
  const { model, progress, observe } = parts;
  const { epoch, stepInEpoch, totals } = progress.now;
  const { sums, ms, phasesMs, replicaTimes, learningRate, gradientNorm } = step;
  observe({
    type: 'step',
    epoch,
    step: progress.now.step,
    stepInEpoch,
    stepsPerEpoch: stepsPerEpoch(parts),
    loss: sums.lossSum / sums.examples,
    epochValues: valuesOf(model.objective, totals),
    learningRate,
    ...(gradientNorm !== undefined && { gradientNorm }),
    imagesPerS: meter.step({ examples: sums.examples, ms }),
    phasesMs,
    replicaTimes,
  });
}

async function endEpoch(parts: RunParts, meter: EpochMeter): Promise<Ending | null> {
  const { config, progress, store, examples, monitor, stop, observe } = parts;
  const { objective } = parts.model;
  const { epoch, totals } = progress.now;
  const validation = await evaluated(parts);
  if (validation === null) return stop.reason ?? 'stopped';
  const values = { ...valuesOf(objective, totals), ...(examples.validation !== 0 && valuesOf(objective, validation, 'val_')) };
  const value = values[monitor.name];
  await store.afterEvaluation(values.val_loss ?? values.loss);
  const { watch, improved, notices } = watchEpoch(config, parts.watched, progress.now.watch ?? {}, { epoch, values });
  const isBest = progress.endEpoch(monitor, value, watch, parts.stream?.mark);
  if (improved) await parts.keepBest?.(epoch);
  const saved = await store.saveIfBest(progress.now, { epoch, value, isBest });
  observe({
    type: 'epoch',
    epoch,
    values,
    ...meter.total(totals.examples),
    saved,
  });
  if (config.histograms !== null && epoch % config.histograms === 0) await parts.tellWeights?.(epoch);
  for (const notice of notices) observe({ type: 'warn', ...notice });
  const decision = await parts.hooks?.epochEnd?.({ epoch, values });
  await store.afterCommit(progress.now, { epochEnded: true });
  const wished = parts.wishes?.endsAfterEpoch === true && epoch < config.epochs;
  return decision === 'stop' || wished || isStopped(config.earlyStopping, watch) ? 'stopped_early' : null;
}

/** Over the whole validation set; null where it was given up. */
async function evaluated({ config, model, plane, examples, stop, validationStream }: RunParts): Promise<Totals | null> {
  const signal = stop.hurry;
  if (validationStream === undefined) return plane.evaluate({ examples: examples.validation ?? 0, batch: config.batch, signal });
  let totals = noTotals(model.objective);
  const next = (): Promise<number | null | 'asked'> => unlessAsked(validationStream.next(), { asked: signal });
  for (let count = await next(); count !== null; count = await next()) {
    if (count === 'asked') return null;
    const batch = await plane.evaluate({ examples: count, batch: count, signal });
    if (batch === null) return null;
    totals = addTotals(totals, batch);
  }
  return totals;
}
