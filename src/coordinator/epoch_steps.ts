/**
 * Owns: the steps that are left of an epoch, as the loop asks its plane for them: which rows, at what rate, up to where.
 * Does not: count them (run.ts), or cut rows into shards (the plane does).
 */
import { DivergedError, invariant } from '../common/errors.js';
import { divergedInShard } from './diverging.js';
import type { StepOutcome } from './planes/plane.js';
import type { RunParts } from './run_parts.js';
import { rateFactor } from './watch.js';

/** The rest of the epoch's steps from the plane, or the one of a streamed batch; the plane's own errors are told with the epoch. */
export async function* stepsFrom(parts: RunParts, base: number, streamed?: number): AsyncGenerator<StepOutcome, undefined> {
  const { config, plane, examples, stop, store } = parts;
  const { step, epoch, nextExample, orderOffset = 0 } = parts.progress.now;
  const { schedule } = config.optimizer;
  try {
    const order = { seed: config.seed, epoch: epoch + orderOffset };
    yield* plane.advance({
      ...(streamed === undefined
        ? {
            ...{
              from: { step, example: nextExample },
              upTo: config.maxSteps ?? Infinity,
              pauseAt: (after: number) => store.nextStateStep(after),
            },
            rows: {
              ...{ ...order, shuffle: config.shuffle, examples: countOf(examples), batch: config.batch },
              ...(epoch < config.epochs && { nextEpoch: order.epoch + 1 }),
            },
          }
        : {
            ...{ from: { step, example: 0 }, upTo: step + 1 },
            rows: { ...order, shuffle: false, examples: streamed, batch: streamed },
          }),
      // Schedules that go by the steps of an epoch are refused where nobody knows them (requireCounted).
      rates: {
        schedule,
        base,
        stepsPerEpoch: stepsPerEpoch(parts) ?? 1,
        epochs: config.epochs,
        ...(streamed !== undefined && { epoch }),
      },
      signal: stop.hurry,
    });
  } catch (error) {
    throw error instanceof DivergedError ? divergedInShard(parts, error) : error;
  }
}

export function nextBatch({ config, progress }: RunParts, inEpoch: number): { epoch: number; batch: number; examples: number } {
  const { epoch, stepInEpoch, nextExample } = progress.now;
  return { epoch, batch: stepInEpoch + 1, examples: Math.min(config.batch, inEpoch - nextExample) };
}

export function countOf({ train }: RunParts['examples']): number {
  invariant(train !== null, 'only a stream does not know its examples');
  return train;
}

export function stepsPerEpoch({ config, examples, stream }: RunParts): number | null {
  return stream === undefined ? Math.ceil(countOf(examples) / config.batch) : stream.batchesPerEpoch;
}

export function baseRate(parts: RunParts): number {
  const { config, progress } = parts;
  return (givenRate(parts) ?? config.optimizer.learningRate) * rateFactor(progress.now.watch ?? {});
}

/** The base rate where it is not the configuration's. */
export function givenRate({ config, progress, hooks }: RunParts): number | null {
  const { epoch, step } = progress.now;
  const base = hooks?.baseRate?.({ epoch, step }) ?? config.optimizer.learningRate;
  return hooks?.givesRate === true || base !== config.optimizer.learningRate ? base : null;
}
