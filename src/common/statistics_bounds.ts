/**
 * Owns: what a shard's batch-norm statistics can be: no variance is below zero, before or after it moves the running one.
 * Does not: know whether one inside is right (twins and audits tell), or bound a mean.
 *
 * A layer that is called several times in a step answers the one value that moves the running statistic as its calls in turn would (train_step.ts), and that
 * value may honestly be negative: with momentum m it is at least −m / (1 − m) times the running variance, for every call leaves m times what it found.
 */
import type { BucketLayout } from './bucket_layout.js';

/** Of the running variance: rounding of thousands of calls in turn. */
const SLACK = 2 ** -12;

/** Whether a moving statistic of this name is a variance; tfjs names those of a batch norm so, whatever the layer is called. */
const VARIANCE = /(^|\/)moving_variance(_\d+)?$/;

/** The least of each statistic of a shard that is computed from these weights; -Infinity where there is none. Null for a model without variances. */
export function leastStatistics(layout: BucketLayout, parameters: Float32Array): Float64Array | null {
  if (!layout.statistics.some(({ slot }) => VARIANCE.test(layout.slots[slot].name))) return null;
  const least = new Float64Array(layout.statisticsSize).fill(-Infinity);
  let at = 0;
  for (const { slot, momentum } of layout.statistics) {
    const { name, offset, size } = layout.slots[slot];
    if (VARIANCE.test(name))
      for (let i = 0; i < size; i++) {
        const running = Math.max(parameters[offset + i], 0);
        least[at + i] = momentum < 1 ? (-(momentum + SLACK) * running) / (1 - momentum) : -Infinity;
      }
    at += size;
  }
  return least;
}

/** What cannot be, as `a variance of -3 in bn/moving_variance, wanted at least -0.5`; null for statistics that can. NaN is judged elsewhere. */
export function impossibleStatistic(layout: BucketLayout, least: Float64Array, statistics: Float32Array): string | null {
  const wrong = statistics.findIndex((value, at) => value < least[at]);
  if (wrong < 0) return null;
  let at = 0;
  for (const { slot } of layout.statistics) {
    const { name, size } = layout.slots[slot];
    at += size;
    if (wrong >= at) continue;
    const wanted = least[wrong] === 0 ? 0 : Number(least[wrong].toPrecision(4));
    return `a variance of ${statistics[wrong]} in ${name}, wanted at least ${wanted}`;
  }
  return null;
}
