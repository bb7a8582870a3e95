/**
 * Owns: the inside of a thread that takes a part of each step's update. Piscina's entry.
 * Does not: divide the work (update_threads.ts), or know the arithmetic (step_update.ts, squared_norm.ts).
 */
import { performance } from 'node:perf_hooks';
import { workerData } from 'piscina';
import type { BucketLayout } from '../../../../common/bucket_layout.js';
import type { OptimizerConfig } from '../../../../common/train_config.js';
import { rateSpans } from './layer_rates.js';
import { createOptimizer } from './optimizer.js';
import { ShardSum } from './reducer.js';
import { squaredNorms } from './squared_norm.js';
import { updateSpan, type SpanInput, type SpanOutput } from './step_update.js';

/** Of all steps of a run. */
export interface UpdateSetting {
  readonly layout: BucketLayout;
  readonly optimizer: OptimizerConfig;
}

interface Summands {
  readonly gradients: readonly Float32Array[];
  readonly globalBatch: number;
}

export type UpdateTask =
  /** The squares of trained weights `from` to `to`, by their index. */
  | (Summands & { readonly kind: 'norms'; readonly from: number; readonly to: number })
  | (Summands & { readonly kind: 'span' } & Omit<SpanInput, 'sum' | 'optimizer' | 'rates' | 'nowMs' | keyof Summands>);

export interface Norms {
  readonly squares: readonly number[];
  readonly reduceMs: number;
}

const { layout, optimizer: config } = workerData as UpdateSetting;
const optimizer = createOptimizer(config, { constrained: layout.constraints.length > 0 });
const rates = rateSpans(layout, config.layerRates);
const nowMs = (): number => performance.now();

export default function handle(task: UpdateTask): Norms | SpanOutput {
  const sum = new ShardSum(task.gradients);
  if (task.kind === 'span') return toEnd(updateSpan({ ...task, sum, optimizer, rates, nowMs }));
  const beganMs = nowMs();
  const squares = toEnd(squaredNorms({ sum, divisor: task.globalBatch }, layout.slots.slice(task.from, task.to)));
  return { squares, reduceMs: nowMs() - beganMs };
}

/** Nobody else waits for a turn of this thread. */
function toEnd<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}
