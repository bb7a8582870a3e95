/**
 * Owns: what users call losses and metrics: the tables' keys, their aliases, and either in snake_case or camelCase. Needs no tensors, so a wrong name
 * is refused before anything is opened.
 */
import { UsageError } from '../common/errors.js';
import { toCamelCase, toSnakeCase } from '../common/snake_case.js';
import { suggest } from '../common/suggest.js';
import type { Loss } from './loss.js';
import { metricOfLoss } from './loss_metric.js';
import { LOSS_ALIASES, LOSSES } from './losses.js';
import type { Metric } from './metric.js';
import { METRIC_ALIASES, METRICS } from './metrics.js';
import { partOf, partsOf } from './per_output.js';

/** Name of a row; null where there is none. */
function keyOf(
  asked: string,
  table: Readonly<Record<string, unknown>>,
  aliases: Readonly<Record<string, string>>,
): string | null {
  for (const name of [asked, toCamelCase(asked), toSnakeCase(asked), asked.toLowerCase()]) {
    if (Object.hasOwn(table, name)) return name;
    if (Object.hasOwn(aliases, name)) return aliases[name];
  }
  return null;
}

/** @throws UsageError LOSS_UNKNOWN */
export function findLoss(asked: string): { name: string; loss: Loss } {
  const name = keyOf(asked, LOSSES, LOSS_ALIASES);
  if (name !== null) return { name, loss: LOSSES[name] };
  const names = [...Object.keys(LOSSES), ...Object.keys(LOSS_ALIASES)];
  throw unknown('LOSS_UNKNOWN', `no loss is called ${asked}`, asked, names, Object.keys(LOSSES));
}

/** `key` is its name in records; `crossentropy` is, as in tfjs, the one that belongs to the loss. @throws UsageError METRIC_UNKNOWN */
export function findMetric(
  asked: string,
  { predicts, indices }: { predicts: 'class' | 'each'; indices: boolean } = { predicts: 'class', indices: false },
): { key: string; metric: Metric } {
  if (asked === 'crossentropy' || asked === 'ce') {
    const name =
      predicts === 'each' ? 'binaryCrossentropy' : indices ? 'sparseCategoricalCrossentropy' : 'categoricalCrossentropy';
    return { key: 'ce', metric: metricOfLoss(LOSSES[name]) };
  }
  const name = keyOf(asked, METRICS, METRIC_ALIASES);
  if (name !== null) return { key: METRICS[name].key ?? name, metric: METRICS[name] };
  const loss = keyOf(asked, LOSSES, LOSS_ALIASES);
  if (loss !== null) return { key: asked, metric: metricOfLoss(LOSSES[loss]) };
  const names = [METRICS, METRIC_ALIASES, LOSSES, LOSS_ALIASES].flatMap((table) => Object.keys(table));
  throw unknown('METRIC_UNKNOWN', `no metric is called ${asked}`, asked, names, [...Object.keys(METRICS), 'any loss']);
}

/** @throws UsageError LOSS_UNKNOWN or METRIC_UNKNOWN */
export function requireKnown({ loss, metrics }: { loss: string | null; metrics: readonly string[] | null }): void {
  if (loss !== null) partsOf(loss).forEach((part) => findLoss(partOf(part).name));
  metrics?.forEach((metric) => findMetric(partOf(metric).name));
}

function unknown(code: string, message: string, asked: string, names: readonly string[], shown: readonly string[]): UsageError {
  const meant = suggest(asked, names);
  return new UsageError({
    code,
    message: `${message}${meant === null ? '' : `, did you mean ${meant}?`}`,
    next: `Choose one of ${shown.join(', ')}.`,
  });
}
