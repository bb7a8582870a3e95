/**
 * Owns: where each weight lies in the flat parameter array.
 * Does not: hold values.
 *
 * The order is `model.weights` of tfjs: trained weights first, then moving statistics and frozen weights.
 */
import { invariant } from './errors.js';
import type { WeightConstraint } from './weight_constraint.js';

export interface WeightSlot {
  /** tfjs weight name, unique in the model, e.g. `conv2d_1/kernel`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** First element in the flat array. */
  readonly offset: number;
  readonly size: number;
}

/** A batch norm's moving statistic: `running = momentum · running + (1 − momentum) · mean over shards`. */
interface StatisticSlot {
  /** Index into `slots`. */
  readonly slot: number;
  readonly momentum: number;
}

/** What holds after every step. */
interface ConstraintSlot {
  /** Index into `slots`; a trained one. */
  readonly slot: number;
  readonly constraint: WeightConstraint;
}

export interface BucketLayout {
  readonly slots: readonly WeightSlot[];
  /** The first `trainedSlots` slots are trained. */
  readonly trainedSlots: number;
  /** Elements of all trained slots: the length of a gradient. */
  readonly trainedSize: number;
  /** Elements of all slots: the length of the parameters. */
  readonly totalSize: number;
  /** Moving statistics in slot order; a shard's `statistics` array is their concatenation. */
  readonly statistics: readonly StatisticSlot[];
  readonly statisticsSize: number;
  /** Of trained weights, in slot order. */
  readonly constraints: readonly ConstraintSlot[];
}

export interface WeightShape {
  readonly name: string;
  readonly shape: readonly number[];
  /** Set for a batch norm's moving mean or variance. */
  readonly statisticMomentum?: number;
  /** Of a trained weight; those of others say nothing. */
  readonly constraint?: WeightConstraint;
}

/** The slots of a gradient, in its order. */
export function trainedWeights({ slots, trainedSlots }: Pick<BucketLayout, 'slots' | 'trainedSlots'>): readonly WeightSlot[] {
  return slots.slice(0, trainedSlots);
}

/** Lays out weights in the given order. `weights[0 .. trained)` are the trained ones. */
export function createBucketLayout({ weights, trained }: { weights: readonly WeightShape[]; trained: number }): BucketLayout {
  invariant(trained >= 0 && trained <= weights.length, 'trained weights come first');
  const slots: WeightSlot[] = [];
  const statistics: StatisticSlot[] = [];
  const constraints: ConstraintSlot[] = [];
  let offset = 0;
  let trainedSize = 0;
  let statisticsSize = 0;
  weights.forEach(({ name, shape, statisticMomentum, constraint }, index) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    slots.push({ name, shape: [...shape], offset, size });
    offset += size;
    if (index < trained) trainedSize = offset;
    if (index < trained && constraint !== undefined) constraints.push({ slot: index, constraint });
    if (statisticMomentum !== undefined) {
      invariant(index >= trained, 'a moving statistic is never trained');
      statistics.push({ slot: index, momentum: statisticMomentum });
      statisticsSize += size;
    }
  });
  return { slots, trainedSlots: trained, trainedSize, totalSize: offset, statistics, statisticsSize, constraints };
}
