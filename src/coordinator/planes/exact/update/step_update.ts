/**
 * Owns: what one step does to the weights: add shards → divide by the global batch → clip → optimizer → constraints → average of constrained weights →
 * moving statistics; and finding what is not finite.
 * Does not: commit (exact_plane.ts does): it reads `current` and writes `next`, so a bad step is dropped by forgetting `next`.
 *
 * All of it is exact float32 arithmetic in a fixed order: the same shards give the same bits wherever they were computed.
 */
import { trainedWeights, type BucketLayout, type WeightSlot } from '../../../../common/bucket_layout.js';
import { invariant } from '../../../../common/errors.js';
import { scaleSlice } from './basic_kernels.js';
import { constrain } from './constrain.js';
import { OPERANDS, type Optimizer } from './optimizer.js';
import { ShardSum, SUM } from './reducer.js';
import { contents, load, SLICE_ELEMENTS, store } from './slice_kernels.js';
import type { RateSpan } from './layer_rates.js';
import { normOfSquares, squaredNorms } from './squared_norm.js';
import { applyStatistics } from './statistics.js';
import type { Buffers } from '../parameters.js';

export interface StepInput {
  readonly layout: BucketLayout;
  readonly optimizer: Optimizer;
  /** Largest global norm of the mean gradient; null for no clipping. */
  readonly clipNorm: number | null;
  /** Gradient sums by shard index, undefined where the shard is empty. */
  readonly gradients: readonly (Float32Array | undefined)[];
  readonly statistics: readonly (Float32Array | undefined)[];
  /** Examples in the global batch. */
  readonly globalBatch: number;
  readonly learningRate: number;
  /** Cover the trained parameters. */
  readonly rates: readonly RateSpan[];
  /** Commits before this step: 0 for the first. */
  readonly step: number;
  readonly current: Buffers;
  readonly next: Buffers;
  /** Monotonic milliseconds; absent where nobody asks for times. */
  readonly nowMs?: () => number;
}

const noClock = (): number => 0;

export interface StepOutput {
  readonly nonFinite?: NonFinite;
  readonly gradientNorm?: number;
  readonly reduceMs: number;
}

/** Where the first bad number is, by layout: in the mean gradient, in the next weights, or in an optimizer slot. */
export interface NonFinite {
  readonly stage: 'gradient' | 'parameters' | 'optimizer';
  /** Weight name. */
  readonly name: string;
}

/** Writes all of `next`; yields between slices. Where a number is bad, it is found and named, and `next` is worthless. */
export function* applyStep(input: StepInput): Generator<void, StepOutput> {
  const { layout, clipNorm, gradients } = input;
  const trained = { start: 0, end: layout.trainedSize };
  const norm = clipNorm === null ? undefined : yield* gradientNorm(input);
  const clip = clipFactor(clipNorm, norm?.gradientNorm);
  const span = yield* updateSpan({ ...input, ...trained, sum: new ShardSum(gradients), clip });
  const reduceMs = (norm?.reduceMs ?? 0) + span.reduceMs;
  return yield* finishStep(input, { ...norm, ...span, reduceMs });
}

/** Trained elements from `start` to `end` of a step. */
export interface SpanInput extends Pick<StepInput, 'optimizer' | 'globalBatch' | 'learningRate' | 'rates' | 'step' | 'nowMs'> {
  readonly start: number;
  readonly end: number;
  readonly sum: ShardSum;
  /** Of the mean gradient. */
  readonly clip: number;
  readonly current: Buffers;
  readonly next: Buffers;
}

export interface SpanOutput {
  readonly finite: boolean;
  readonly reduceMs: number;
}

/** Divides, clips and updates; yields between slices. Spans may be computed in any order, and beside each other in threads of their own. */
export function* updateSpan(input: SpanInput): Generator<void, SpanOutput> {
  const { sum, clip, nowMs = noClock } = input;
  let finite = Number.isFinite(clip);
  let reduceMs = 0;
  for (const { start, end, factor } of input.rates) {
    const last = Math.min(end, input.end);
    const learningRate = input.learningRate * factor;
    for (let first = Math.max(start, input.start); first < last; first += SLICE_ELEMENTS) {
      const length = Math.min(SLICE_ELEMENTS, last - first);
      const beganMs = nowMs();
      sum.divide({ start: first, length, divisor: input.globalBatch });
      reduceMs += nowMs() - beganMs;
      if (clip !== 1) scaleSlice(SUM, clip, length);
      finite = updateSlice({ ...input, learningRate }, first, length) && finite;
      yield;
    }
  }
  return { finite, reduceMs };
}

/** What comes after all spans: constraints, moving statistics, and looking for what is not finite. */
export function* finishStep(
  input: StepInput,
  { finite, ...outcome }: SpanOutput & { gradientNorm?: number },
): Generator<void, StepOutput> {
  const { layout, current, next, statistics } = input;
  yield* constrain(layout, next.parameters);
  const averaged = yield* averageConstrained(input);
  const moved = yield* applyStatistics({ layout, statistics, current: current.parameters, next: next.parameters });
  return finite && averaged && moved ? outcome : { ...outcome, nonFinite: yield* findNonFinite(input) };
}

/** Returns whether the average is finite; true where it was taken in the optimizer's pass. */
function* averageConstrained({ layout, optimizer: { average }, current, next }: StepInput): Generator<void, boolean> {
  if (average === null) return true;
  const [before, after] = [current.slots.at(-1), next.slots.at(-1)] as [Float32Array, Float32Array];
  const register = OPERANDS.slot(current.slots.length - 1);
  let finite = true;
  for (let start = 0; start < layout.trainedSize; start += SLICE_ELEMENTS) {
    const end = Math.min(start + SLICE_ELEMENTS, layout.trainedSize);
    load(OPERANDS.weights, next.parameters.subarray(start, end));
    load(register, before.subarray(start, end));
    finite = average(end - start) && finite;
    store(register, after.subarray(start, end));
    yield;
  }
  return finite;
}

/** With the slice's gradient in `SUM`. Returns whether what it wrote is finite. */
function updateSlice({ optimizer, current, next, learningRate, step }: SpanInput, start: number, length: number): boolean {
  const end = start + length;
  load(OPERANDS.weights, current.parameters.subarray(start, end));
  current.slots.forEach((slot, i) => load(OPERANDS.slot(i), slot.subarray(start, end)));
  const finite = optimizer.update({ length, learningRate, step });
  store(OPERANDS.weights, next.parameters.subarray(start, end));
  next.slots.forEach((slot, i) => store(OPERANDS.slot(i), slot.subarray(start, end)));
  return finite;
}

/**
 * Of the mean gradient, in float64. The sum over shards is computed a second time when applied: memory for a whole gradient costs more. The time
 * is the norm's own, without what the process does between its turns.
 */
function* gradientNorm({
  layout,
  gradients,
  globalBatch,
  nowMs = noClock,
}: StepInput): Generator<void, { gradientNorm: number; reduceMs: number }> {
  const weights = trainedWeights(layout);
  const work = squaredNorms({ sum: new ShardSum(gradients), divisor: globalBatch }, weights);
  let reduceMs = 0;
  for (;;) {
    const beganMs = nowMs();
    const next = work.next();
    reduceMs += nowMs() - beganMs;
    if (next.done === true) return { gradientNorm: normOfSquares(next.value), reduceMs };
    yield;
  }
}

/** tf.clip_by_global_norm's: clipNorm / max(norm, clipNorm), in float64, rounded to float32; 1 without a norm. NaN where the gradient is not finite. */
export function clipFactor(clipNorm: number | null, norm: number | undefined): number {
  if (clipNorm === null || norm === undefined) return 1;
  if (!Number.isFinite(norm)) return NaN;
  return norm > clipNorm ? Math.fround(clipNorm / norm) : 1;
}

function* findNonFinite({ layout, gradients, globalBatch, next }: StepInput): Generator<void, NonFinite> {
  const sum = new ShardSum(gradients);
  const trained = trainedWeights(layout);
  const inGradient = yield* firstBad(trained, (start, end) => {
    sum.divide({ start, length: end - start, divisor: globalBatch });
    return contents(SUM, end - start);
  });
  if (inGradient !== undefined) return { stage: 'gradient', name: inGradient };
  const inParameters = yield* firstBad(layout.slots, (start, end) => next.parameters.subarray(start, end));
  if (inParameters !== undefined) return { stage: 'parameters', name: inParameters };
  for (const slot of next.slots) {
    const inSlot = yield* firstBad(trained, (start, end) => slot.subarray(start, end));
    if (inSlot !== undefined) return { stage: 'optimizer', name: inSlot };
  }
  invariant(false, 'what the update found bad is in the gradient, the weights or a slot');
}

function* firstBad(
  slots: readonly WeightSlot[],
  read: (start: number, end: number) => Float32Array,
): Generator<void, string | undefined> {
  for (const { name, offset, size } of slots) {
    for (let start = offset; start < offset + size; start += SLICE_ELEMENTS) {
      if (!read(start, Math.min(start + SLICE_ELEMENTS, offset + size)).every(Number.isFinite)) return name;
      yield;
    }
  }
  return undefined;
}
