/**
 * Owns: sums of shards made into values, as tfjs does: closed for each global batch, averaged by its size; and which value says what is best.
 * Does not: compute sums.
 */
import { UsageError } from '../common/errors.js';
import type { MetricDescription, Monitor, ObjectiveDescription, ShardSums } from '../common/objective.js';
import { suggest } from '../common/suggest.js';
import { VALUES } from './metric_values.js';

/** Batches so far. Of a metric that is a mean: its sum, so that nothing is rounded; of another: its batches' values times their sizes. */
export interface Totals {
  readonly examples: number;
  readonly loss: number;
  /** By metric. */
  readonly metrics: readonly number[];
}

export function noTotals({ metrics }: ObjectiveDescription): Totals {
  return { examples: 0, loss: 0, metrics: metrics.map(() => 0) };
}

/** One global batch more, from its shards in their order. */
export function addBatch(objective: ObjectiveDescription, totals: Totals, shards: readonly ShardSums[]): Totals {
  const batch = sumOf(shards);
  let at = 0;
  const metrics = objective.metrics.map((metric, index) => {
    const sums = batch.sums.slice(at, (at += metric.sums.length));
    return totals.metrics[index] + (metric.value === 'mean' ? sums[0] : valueOf(metric, sums) * batch.examples);
  });
  return { examples: totals.examples + batch.examples, loss: totals.loss + batch.lossSum, metrics };
}

/** Batches of one set and more of it. */
export function addTotals(totals: Totals, more: Totals): Totals {
  const metrics = totals.metrics.map((sum, at) => sum + more.metrics[at]);
  return { examples: totals.examples + more.examples, loss: totals.loss + more.loss, metrics };
}

/** `{ loss, acc }`, with `prefix` before each name. NaN where there was no example. */
export function valuesOf(objective: ObjectiveDescription, totals: Totals, prefix = ''): Record<string, number> {
  const { examples } = totals;
  const values: Record<string, number> = { [`${prefix}loss`]: totals.loss / examples };
  objective.metrics.forEach(({ name, value, per }, index) => {
    values[`${prefix}${name}`] = totals.metrics[index] / (value === 'mean' ? examples * per : examples);
  });
  return values;
}

function valueOf({ value }: MetricDescription, sums: readonly number[]): number {
  return VALUES[value](sums);
}

/** Of a global batch, from its shards in their order. */
export function sumOf(shards: readonly ShardSums[]): ShardSums {
  return {
    examples: shards.reduce((sum, shard) => sum + shard.examples, 0),
    lossSum: shards.reduce((sum, shard) => sum + shard.lossSum, 0),
    sums: (shards[0]?.sums ?? []).map((_, at) => shards.reduce((sum, shard) => sum + shard.sums[at], 0)),
  };
}

/**
 * What "best" means: what was asked for; else the accuracy over the validation set, or where there is none the loss; without validation examples the
 * same of the training set. @throws UsageError MONITOR_UNKNOWN
 */
export function monitorOf(
  objective: ObjectiveDescription,
  { asked, validated }: { asked: string | null; validated: boolean },
): Monitor {
  const prefixes = validated ? ['val_', ''] : [''];
  const known = prefixes.flatMap((prefix): Monitor[] => [
    { name: `${prefix}loss`, direction: 'min' },
    ...objective.metrics.map(({ name, direction }) => ({ name: `${prefix}${name}`, direction })),
  ]);
  const found = (name: string): Monitor | undefined => known.find((monitor) => monitor.name === name);
  if (asked === null) return (validated && found('val_acc')) || known[0];
  const monitor = found(asked);
  if (monitor !== undefined) return monitor;
  const names = known.map(({ name }) => name);
  const meant = suggest(asked, names);
  throw new UsageError({
    code: 'MONITOR_UNKNOWN',
    message: `this run has no value ${asked}${meant === null ? '' : `, did you mean ${meant}?`}`,
    next: `Choose one of ${names.join(', ')}.`,
  });
}

/** Whether the first value is better; NaN never is. */
export function isBetter({ direction }: Pick<Monitor, 'direction'>, value: number, than: number): boolean {
  return direction === 'max' ? value > than : value < than;
}

/** Whether a value is as good as a limit or better; NaN never is. */
export function reaches({ direction }: Pick<Monitor, 'direction'>, value: number, limit: number): boolean {
  return direction === 'max' ? value >= limit : value <= limit;
}
