/**
 * Owns: exact mode: weights on the host, each step's shards computed by the fleet, added in the fixed tree as they arrive, divided once by the
 * global batch, and applied by a swap. Nothing is applied before all shards are there and finite; a step is committed exactly once.
 * Does not: know epochs' ends, states or metrics (run.ts), or choose who computes (fleet).
 */
import type { ShardSums } from '../../../common/objective.js';
import type { ModelDescription, ParameterSnapshot } from '../../../common/replica.js';
import { learningRateAt } from '../../../common/schedule.js';
import type { TrainConfig } from '../../../common/train_config.js';
import { sumOf, type Totals } from '../../../objective/values.js';
import { createUpdate, type Update } from './update/update.js';
import type { Advance, Evaluation, Plane, RunValues, StepOutcome } from '../plane.js';
import { rowOrder } from '../row_order.js';
import { shardBatch } from './batches.js';
import { evaluate, type RoundComputer } from './evaluate.js';
import { Parameters } from './parameters.js';
import { StepMeter } from './step_meter.js';

export interface ExactPlaneParts {
  readonly model: ModelDescription;
  readonly shards: number;
  readonly optimizer: TrainConfig['optimizer'];
  /** Its replicas come and go; whoever opened them closes them. */
  readonly fleet: RoundComputer;
  /** First weights, where they are not the model's. */
  readonly initial?: Float32Array;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

/** Beyond any run's steps. */
const AVERAGE_VERSIONS = 2 ** 40;

export class ExactPlane implements Plane {
  readonly #parts: ExactPlaneParts;
  readonly #update: Update;
  readonly #parameters: Parameters;
  /** For the average, where it is evaluated. */
  #averaged: Float32Array | null = null;

  constructor(parts: ExactPlaneParts) {
    const { model, optimizer, initial = model.initial, nowMs } = parts;
    this.#parts = parts;
    this.#update = createUpdate({ layout: model.layout, optimizer, nowMs });
    this.#parameters = new Parameters({ layout: model.layout, initial }, this.#update.slots);
  }

  async *advance(work: Advance): AsyncGenerator<StepOutcome, void> {
    const { examples, batch } = work.rows;
    const order = rowOrder(work.rows);
    const meter = new StepMeter(this.#parts.nowMs);
    let { step, example } = work.from;
    while (step < work.upTo && example < examples) {
      const rows = order.subarray(example, Math.min(example + batch, examples));
      const outcome = await this.#step({ work, step, rows, meter });
      if (outcome === null) return;
      yield outcome;
      if (outcome.kind === 'non_finite') return;
      step += 1;
      example += rows.length;
    }
  }

  async evaluate({ examples, batch, signal }: Evaluation): Promise<Totals | null> {
    const { model, shards, fleet, optimizer } = this.#parts;
    const parameters = optimizer.emaFor.includes('evaluation') ? this.#averageSnapshot() : this.#parameters.snapshot();
    return unlessAborted(evaluate({ fleet, objective: model.objective, examples, batch, shards, parameters }), signal);
  }

  values(): Promise<RunValues> {
    return Promise.resolve(this.#parameters.values());
  }

  model(): Promise<Float32Array> {
    const { model, optimizer } = this.#parts;
    const { parameters } = this.#parameters.current;
    const isAverage = optimizer.emaFor.includes('model');
    return Promise.resolve(isAverage ? this.#parameters.averaged(new Float32Array(model.layout.totalSize)) : parameters.slice());
  }

  restore(values: RunValues): Promise<void> {
    this.#parameters.restore(values);
    return Promise.resolve();
  }

  /** Replicas tell weights apart by their version: the average of a step has one of its own. */
  #averageSnapshot(): ParameterSnapshot {
    const { totalSize } = this.#parts.model.layout;
    this.#averaged ??= new Float32Array(new SharedArrayBuffer(totalSize * 4));
    return { version: AVERAGE_VERSIONS + this.#parameters.version, values: this.#parameters.averaged(this.#averaged) };
  }

  /** Null when it was given up; then nothing of it was applied. */
  async #step({
    work: { rates, signal },
    step,
    rows,
    meter,
  }: {
    work: Advance;
    step: number;
    rows: Int32Array;
    meter: StepMeter;
  }): Promise<StepOutcome | null> {
    const { shards, fleet } = this.#parts;
    meter.begin();
    const units = shardBatch({ kind: 'train', rows, shards, step, parameters: this.#parameters.snapshot() });
    const sum = this.#update.sumOver(units.map(({ shard }) => shard));
    meter.mark('data');
    try {
      const results = await unlessAborted(
        fleet.computeRound(units, (result) => sum.take(result)),
        signal,
      );
      if (results === null) return null;
      meter.computed(results);
      const gradient = await sum.total();
      meter.mark('reduce');
      const learningRate = learningRateAt({ ...rates, step });
      const { current, next } = this.#parameters;
      const { nonFinite, reduceMs, gradientNorm } = await this.#update({
        ...{ gradient, results, shards, globalBatch: rows.length },
        ...{ learningRate, step, current, next },
      });
      if (nonFinite !== undefined) return { kind: 'non_finite', what: nonFinite };
      meter.updated(reduceMs);
      this.#parameters.commit();
      meter.mark('publish');
      const sums: ShardSums = sumOf(results);
      return { kind: 'committed', sums, learningRate, ...(gradientNorm !== undefined && { gradientNorm }), ...meter.end() };
    } finally {
      sum.release();
    }
  }
}

/** The promise's value, or null as soon as the signal says so. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  if (signal.aborted) {
    work.catch(() => undefined);
    return null;
  }
  let giveUp = (): void => undefined;
  const aborted = new Promise<null>((resolve) => {
    giveUp = () => resolve(null);
    signal.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', giveUp);
    work.catch(() => undefined);
  }
}
