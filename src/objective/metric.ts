/**
 * Owns: what a metric is: a file of this folder and a row of metrics.ts. It is sums over examples, and how a batch's sums become its value.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { MetricDescription } from '../common/objective.js';
import type { ObjectiveParts } from './loss.js';

export interface MetricParts extends ObjectiveParts {
  readonly predicts: 'class' | 'each';
  readonly readsLogits: boolean;
  /** Of one example. */
  readonly outputShape: readonly number[];
}

export interface Metric {
  /** Without its name, which is the key it was asked by, or `key`. */
  describe(parts: Omit<MetricParts, 'tf' | 'fused'>): Omit<MetricDescription, 'name'>;
  /** Name in records, where it is not the one it is asked by. */
  readonly key?: string;
  /** Sums over the examples, of the lengths described, flat together. */
  create(parts: MetricParts): (labels: tfjs.Tensor, output: tfjs.Tensor) => tfjs.Tensor[];
}

/** Yes or no for each of `per` values of an example. */
export function counts(per: number, number = 1): Pick<MetricDescription, 'sums' | 'per'> {
  return { per, sums: Array.from({ length: number }, () => ({ kind: 'count', least: 0, most: per })) };
}

export function countTrue(tf: typeof tfjs, condition: tfjs.Tensor): tfjs.Scalar {
  return tf.sum(tf.cast(condition, 'int32'));
}
