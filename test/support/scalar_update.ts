/**
 * Owns: the update in plain JavaScript, one element after the other: what the update's WebAssembly must equal to the bit.
 * Does not: share code with it. What a step is, stands in src/coordinator/planes/exact/update/{step_update,reducer,statistics}.ts and src/optimizers.
 *
 * A sum of two float32 values in float64, rounded to float32, is the float32 sum: float64 has more than twice the digits (Figueroa:
 * "When is double rounding innocuous?", 1995). The same holds for −, ×, ÷ and √, so `float32` after each operation is float32 arithmetic.
 */
import { sumTree, type SumTree } from '../../src/common/tree_sum.js';
import type { OptimizerConfig } from '../../src/common/train_config.js';
import type { NonFinite, StepInput } from '../../src/coordinator/planes/exact/update/step_update.js';

const { sqrt } = Math;

/** Rounded to 24 digits with an exponent that has no end, what lies below this is below 2^-126; the tie rounds up to it. */
const TINY = 2 ** -126 * (1 - 2 ** -25);

/** A float32 as processors have it that flush denormals to zeros of the same sign. */
export function float32(exact: number): number {
  return Math.abs(exact) < TINY ? exact * 0 : Math.fround(exact);
}

type ScalarInput = Omit<StepInput, 'optimizer' | 'clipNorm'> & { readonly config: OptimizerConfig };

/** Writes all of `next` and finds the first bad number, as `applyStep` does. */
export function scalarStep(input: ScalarInput): NonFinite | undefined {
  const { layout, config, current, next } = input;
  const gradient = meanOf(input.gradients, layout.trainedSize, input.globalBatch);
  const mean = gradient.slice();
  const clip = config.clipNorm === null ? 1 : clipFactor(input, gradient, config.clipNorm);
  if (clip !== 1) for (let i = 0; i < gradient.length; i++) gradient[i] = float32(gradient[i] * clip);
  const descend = config.name === 'sgd' ? sgd : adam;
  for (let i = 0; i < gradient.length; i++) descend(input, gradient[i], i);
  next.parameters.set(current.parameters.subarray(layout.trainedSize), layout.trainedSize);
  moveStatistics(input);
  return firstBad(input, mean);
}

/** The mean over `divisor` of all shards that are there. */
export function meanOf(shards: readonly (Float32Array | undefined)[], size: number, divisor: number): Float32Array {
  const tree = sumTree(shards.map((values) => values !== undefined)) as SumTree;
  const sum = (node: SumTree, i: number): number =>
    'shard' in node ? float32((shards[node.shard] as Float32Array)[i]) : float32(sum(node.left, i) + sum(node.right, i));
  return Float32Array.from({ length: size }, (_, i) => float32(sum(tree, i) / divisor));
}

function clipFactor({ layout }: ScalarInput, gradient: Float32Array, clipNorm: number): number {
  const trained = layout.slots.slice(0, layout.trainedSlots);
  const norm = sqrt(
    byHalves(
      trained.map(({ offset, size }) => byHalves([...gradient.subarray(offset, offset + size)].map((value) => value * value))),
    ),
  );
  if (!Number.isFinite(norm)) return NaN;
  return norm > clipNorm ? Math.fround(clipNorm / norm) : 1;
}

/** The upper half of a power of two is added to the lower half, until one is left. */
function byHalves(values: readonly number[]): number {
  if (values.length <= 1) return values[0] ?? 0;
  const half = 2 ** Math.ceil(Math.log2(values.length) - 1);
  return byHalves(values.slice(0, half).map((value, i) => value + (values[i + half] ?? 0)));
}

function decayed(config: OptimizerConfig, g: number, w: number): number {
  return config.weightDecay === 0 ? g : float32(g + float32(float32(config.weightDecay) * w));
}

function sgd({ config, current, next, learningRate }: ScalarInput, gradient: number, i: number): void {
  const rate = float32(learningRate);
  const momentum = float32(config.momentum);
  const w = float32(current.parameters[i]);
  const g = decayed(config, gradient, w);
  if (momentum === 0) {
    next.parameters[i] = float32(w - float32(rate * g));
    return;
  }
  const v = float32(float32(momentum * float32(current.slots[0][i])) + g);
  next.slots[0][i] = v;
  next.parameters[i] = float32(w - float32(rate * (config.nesterov ? float32(g + float32(momentum * v)) : v)));
}

function adam({ config, current, next, learningRate, step }: ScalarInput, gradient: number, i: number): void {
  const { name, beta1, beta2, epsilon, weightDecay } = config;
  const w = float32(current.parameters[i]);
  const g = name === 'adam' ? decayed(config, gradient, w) : gradient;
  const keep = name === 'adam' ? 1 : float32(1 - learningRate * weightDecay);
  const rate = float32(learningRate / (1 - beta1 ** (step + 1)));
  const secondCorrection = float32(sqrt(1 - beta2 ** (step + 1)));
  const m = float32(float32(float32(beta1) * float32(current.slots[0][i])) + float32(float32(1 - beta1) * g));
  const v = float32(float32(float32(beta2) * float32(current.slots[1][i])) + float32(float32(1 - beta2) * float32(g * g)));
  const divisor = float32(float32(float32(sqrt(v)) / secondCorrection) + float32(epsilon));
  next.slots[0][i] = m;
  next.slots[1][i] = v;
  next.parameters[i] = float32(float32(keep * w) - float32(float32(rate * m) / divisor));
}

function moveStatistics({ layout, statistics, current, next }: ScalarInput): void {
  const present = statistics.filter((values) => values !== undefined).length;
  const mean = meanOf(statistics, layout.statisticsSize, present);
  let at = 0;
  for (const { slot, momentum } of layout.statistics) {
    const { offset, size } = layout.slots[slot];
    for (let i = offset; i < offset + size; i++)
      next.parameters[i] = float32(
        float32(float32(momentum) * float32(current.parameters[i])) + float32(float32(1 - momentum) * mean[at++]),
      );
  }
}

function firstBad({ layout, next }: ScalarInput, gradient: Float32Array): NonFinite | undefined {
  const bad = (values: Float32Array) =>
    layout.slots.find(({ offset, size }) => !values.subarray(offset, offset + size).every(Number.isFinite))?.name;
  const found = [
    { stage: 'gradient', name: bad(gradient) } as const,
    { stage: 'parameters', name: bad(next.parameters) } as const,
    ...next.slots.map((slot) => ({ stage: 'optimizer', name: bad(slot) }) as const),
  ].find(({ name }) => name !== undefined);
  return found as NonFinite | undefined;
}
