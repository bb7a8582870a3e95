/**
 * Owns: what a metric is: a file of this folder and a row of metrics.ts. It is sums over examples, and how a batch's sums become its value.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { MetricDescription } from '../common/objective.js';
import { covers, type Mask } from './example_sums.js';
import type { ObjectiveParts } from './loss.js';

export interface MetricParts extends ObjectiveParts {
  readonly predicts: 'class' | 'each';
  readonly readsLogits: boolean;
  /** Whether labels are probabilities, of which those above one half say yes; otherwise only 1 does, and only 0 says no. */
  readonly likelihoods: boolean;
  /** Of one example. */
  readonly outputShape: readonly number[];
}

export interface Metric {
  /** Without its name, which is the key it was asked by, or `key`. */
  describe(parts: Omit<MetricParts, 'tf' | 'fused'>): Omit<MetricDescription, 'name'>;
  /** Name in records, where it is not the one it is asked by. */
  readonly key?: string;
  /** Sums over the examples, of the lengths described, flat together. */
  create(parts: MetricParts): (labels: tfjs.Tensor, output: tfjs.Tensor, mask?: Mask) => tfjs.Tensor[];
  /** Whether it counts the positions that a mask leaves (masked_metric.ts); otherwise it counts all. */
  readonly readsMask?: boolean;
  /** Whether it is one value of a whole batch, which only one shard can compute. */
  readonly wholeBatch?: true;
}

/** Yes or no for each of `per` values of an example. */
export function counts(per: number, number = 1): Pick<MetricDescription, 'sums' | 'per'> {
  return { per, sums: Array.from({ length: number }, () => ({ kind: 'count', least: 0, most: per })) };
}

/** Of the positions that count, where the condition has them. */
export function countTrue(tf: typeof tfjs, condition: tfjs.Tensor, mask?: Mask): tfjs.Scalar {
  return tf.sum(tf.cast(underMask(tf, condition, mask), 'int32'));
}

/** False where the position does not count. */
export function underMask(tf: typeof tfjs, condition: tfjs.Tensor, mask?: Mask): tfjs.Tensor {
  if (mask === undefined || !covers(mask, condition)) return condition;
  const { shape } = mask.positions;
  return tf.logicalAnd(condition, tf.reshape(mask.positions, [...shape, ...condition.shape.slice(shape.length).map(() => 1)]));
}
