/** Owns: whether what a shard computed is finite: one number that tells of many where they are, and, where one is not, whose it is. */
import type * as tfjs from '@tensorflow/tfjs';
import { allFinite } from '../../common/all_finite.js';
import { trainedWeights, type BucketLayout } from '../../common/bucket_layout.js';
import type { Engine } from '../../engine/index.js';

export type FiniteProbe = (values: readonly tfjs.Tensor[]) => tfjs.Tensor;

/** The sum of all: finite only if each of them is. Not finite also where they are and their sum is beyond float32. */
export function finiteProbe(tf: typeof tfjs, values: readonly tfjs.Tensor[]): tfjs.Tensor {
  return values.map((value) => tf.sum(value)).reduce((sum, value) => tf.add(sum, value));
}

export function createFiniteProbe({ tf, compile }: Engine, how: { readonly compile: boolean }): FiniteProbe {
  const probe: FiniteProbe = (values) => tf.tidy(() => finiteProbe(tf, values));
  return how.compile ? compile(probe, { name: 'finite_probe' }) : probe;
}

interface Computed {
  readonly lossSum: number;
  readonly gradient: Float32Array;
  readonly statistics: Float32Array;
}

/** Name of the first tensor with a NaN or Inf: `loss`, a weight (its gradient) or a moving statistic. */
export function firstNonFinite({ lossSum, gradient, statistics }: Computed, layout: BucketLayout): string | undefined {
  if (!Number.isFinite(lossSum)) return 'loss';
  if (!allFinite(gradient)) {
    return trainedWeights(layout).find(({ offset, size }) => !allFinite(gradient.subarray(offset, offset + size)))?.name;
  }
  if (allFinite(statistics)) return undefined;
  let at = 0;
  for (const { slot } of layout.statistics) {
    const { name, size } = layout.slots[slot];
    if (!allFinite(statistics.subarray(at, at + size))) return name;
    at += size;
  }
  return undefined;
}
