/**
 * Owns: exact mode: weights on the host, each step's shards computed by the fleet, added in the fixed tree as they arrive, divided once by the
 * global batch, and applied by a swap. Nothing is applied before all shards are there and finite; a step is committed exactly once. Where
 * replicas keep the weights (resident_weights.ts), they do all of that with the same bits, and what is not finite is computed again here.
 * Does not: know epochs' ends, states or metrics (run.ts), or choose who computes (fleet).
 */
import { LIMITS } from '../../../common/limits.js';
import type { ShardSums } from '../../../common/objective.js';
import type { ModelDescription, ParameterSnapshot, ResidentReplica } from '../../../common/replica.js';
import { sharedFloats } from '../../../common/shared_floats.js';
import { learningRateAt } from '../../../common/schedule.js';
import type { TrainConfig } from '../../../common/train_config.js';
import { sumOf, type Totals } from '../../../objective/values.js';
import { createUpdate, type Update } from './update/update.js';
import type { Advance, Classified, CommittedStep, Evaluation, Plane, RowPlan, RunValues, StepOutcome } from '../plane.js';
import { rowOrder } from '../row_order.js';
import { batchesAfter, shardBatch } from './batches.js';
import { classify, evaluate, type RoundComputer } from './evaluate.js';
import type { Members } from './gathered_step.js';
import { ELSEWHERE, Parameters } from './parameters.js';
import { ResidentWeights, type PlannedStep } from './resident_weights.js';
import { StepMeter } from './step_meter.js';

export interface ExactPlaneParts {
  readonly model: ModelDescription;
  readonly shards: number;
  readonly optimizer: TrainConfig['optimizer'];
  /** Examples of a batch are mixed with each other. */
  readonly mixes?: boolean;
  /** Its replicas come and go; whoever opened them closes them. */
  readonly fleet: RoundComputer & Members;
  /** All replicas of the fleet, where the weights may stay with them (`residentReplicas`). */
  readonly resident?: readonly ResidentReplica[];
  /** Of the machine; where the weights are on the host, the update uses them. */
  readonly cores?: number;
  /** First weights, where they are not the model's. */
  readonly initial?: Float32Array;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

/** Beyond any run's steps. */
const AVERAGE_VERSIONS = 2 ** 40;
const CLASSIFY_VERSIONS = 2 ** 41;

export class ExactPlane implements Plane {
  readonly #parts: ExactPlaneParts;
  readonly #update: Update;
  readonly #parameters: Parameters;
  readonly #resident: ResidentWeights | null;
  /** How long the last step took that a replica completed. */
  #stepMs = Infinity;
  readonly #orders = new Map<string, Int32Array>();
  /** For the average, where it is evaluated. */
  #averaged: Float32Array | null = null;

  constructor(parts: ExactPlaneParts) {
    const { model, optimizer, fleet, resident = [], cores, initial = model.initial, nowMs } = parts;
    this.#parts = parts;
    this.#update = createUpdate({ layout: model.layout, optimizer, nowMs, ...(resident.length === 0 && { cores }) });
    this.#parameters = new Parameters({ layout: model.layout, initial }, this.#update.slots);
    const shared = { layout: model.layout, optimizer, parameters: this.#parameters, fleet, nowMs };
    this.#resident = resident.length === 0 ? null : new ResidentWeights({ ...shared, replicas: resident });
  }

  async *advance(work: Advance): AsyncGenerator<StepOutcome, void> {
    const { examples, batch } = work.rows;
    const order = this.#orderOf(work.rows);
    const { nextEpoch } = work.rows;
    const nextOrder = nextEpoch === undefined ? undefined : (): Int32Array => this.#orderOf({ ...work.rows, epoch: nextEpoch });
    const meter = new StepMeter(this.#parts.nowMs);
    const planAt = ({ step, example }: Advance['from'], parameters: ParameterSnapshot): PlannedStep => {
      const rows = order.subarray(example, Math.min(example + batch, examples));
      return this.#plan({ work, step, rows, ahead: batchesAfter(order, example, batch, nextOrder), parameters });
    };
    let at = work.from;
    let early: PlannedStep | null = null;
    while (at.step < work.upTo && at.example < examples) {
      meter.begin();
      const snapshot = this.#parameters.snapshot();
      // A callback may have given other weights since.
      const planned: PlannedStep = early?.version === snapshot.version ? early : planAt(at, snapshot);
      const { step } = at;
      at = { step: step + 1, example: at.example + planned.globalBatch };
      const goesOn = this.#stepMs < LIMITS.earlyStepMs && at.step < work.upTo && at.example < examples;
      early = goesOn ? planAt(at, { version: snapshot.version + 1, values: ELSEWHERE }) : null;
      const outcome = await this.#step({ planned, early, step, signal: work.signal, meter });
      if (outcome === null) return;
      yield outcome;
      if (outcome.kind === 'non_finite') return;
    }
  }

  /** Of the epoch under way, and of the next one towards its end. */
  #orderOf(plan: RowPlan): Int32Array {
    const { seed, epoch, examples, shuffle } = plan;
    const key = [seed, epoch, examples, shuffle].join();
    const order = this.#orders.get(key) ?? rowOrder(plan);
    this.#orders.delete(key);
    this.#orders.set(key, order);
    const [oldest] = this.#orders.keys();
    if (this.#orders.size > 2) this.#orders.delete(oldest);
    return order;
  }

  async evaluate({ examples, batch, signal }: Evaluation): Promise<Totals | null> {
    const { model, shards, fleet, optimizer } = this.#parts;
    const ofAverage = optimizer.emaFor.includes('evaluation');
    if (ofAverage) await this.#resident?.home();
    const parameters = ofAverage ? this.#averageSnapshot() : this.#parameters.snapshot();
    return unlessAborted(evaluate({ fleet, objective: model.objective, examples, batch, shards, parameters }), signal);
  }

  async classify({ examples, batch, signal, weights }: Evaluation & { weights: Float32Array }): Promise<Classified | null> {
    const { model, shards, fleet } = this.#parts;
    const values = sharedFloats(weights.length);
    values.set(weights);
    const parameters = { version: CLASSIFY_VERSIONS + this.#parameters.version, values };
    return unlessAborted(classify({ fleet, objective: model.objective, examples, batch, shards, parameters }), signal);
  }

  async values(): Promise<RunValues> {
    await this.#resident?.home();
    return this.#parameters.values();
  }

  async model(): Promise<Float32Array> {
    await this.#resident?.home();
    const { model, optimizer } = this.#parts;
    const { parameters } = this.#parameters.current;
    const isAverage = optimizer.emaFor.includes('model');
    return isAverage ? this.#parameters.averaged(new Float32Array(model.layout.totalSize)) : parameters.slice();
  }

  restore(values: RunValues): Promise<void> {
    this.#resident?.forgetPlan();
    this.#parameters.restore(values);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return this.#update.close();
  }

  /** Replicas tell weights apart by their version: the average of a step has one of its own. */
  #averageSnapshot(): ParameterSnapshot {
    const { totalSize } = this.#parts.model.layout;
    this.#averaged ??= sharedFloats(totalSize);
    return { version: AVERAGE_VERSIONS + this.#parameters.version, values: this.#parameters.averaged(this.#averaged) };
  }

  /** Null when it was given up; then nothing of it was applied. */
  async #step(round: Round): Promise<StepOutcome | null> {
    if (this.#resident === null) return this.#stepHere(round);
    const outcome = await this.#stepThere(this.#resident, round);
    if (outcome === null || outcome.kind === 'committed') return outcome;
    // Here it is found what is not finite; a sum that was beyond float32 alone is no reason to stop.
    await this.#resident.home();
    const parameters = this.#parameters.snapshot();
    const { planned } = round;
    return this.#stepHere({ ...round, planned: { ...planned, units: planned.units.map((unit) => ({ ...unit, parameters })) } });
  }

  #plan({ work: { rows: plan, rates }, step, rows, ahead, parameters }: StepRows): PlannedStep {
    const { shards, model, mixes = false } = this.#parts;
    const wholeBatch = mixes || model.objective.masked === true;
    const { epoch } = plan;
    const units = shardBatch({ kind: 'train', rows, shards, step, epoch, parameters, wholeBatch, ahead });
    return { units, version: parameters.version, globalBatch: rows.length, learningRate: learningRateAt({ ...rates, step }) };
  }

  async #stepThere(resident: ResidentWeights, { planned, early, signal, meter }: Round): Promise<StepOutcome | null> {
    const there = await resident.residing(planned, early);
    meter.mark('data');
    // A replica alone that goes on by itself may have left these values behind as the signal comes: then the step is complete, and counts.
    const graceMs = early === null || !resident.isAlone ? 0 : LIMITS.residentAnswerMs;
    const results = await unlessAborted(this.#parts.fleet.computeRound(there), signal, graceMs);
    if (results === null) return null;
    meter.computed(results);
    const outcome = await resident.ended(planned, results);
    if (!outcome.finite) return { kind: 'non_finite', what: 'the step' };
    meter.mark('apply');
    await resident.committed();
    meter.mark('publish');
    const { gradientNorm } = outcome;
    const step = committed({ sums: sumOf(results), learningRate: planned.learningRate, gradientNorm, meter });
    this.#stepMs = step.ms;
    return step;
  }

  /** Where all shards are finite and what comes of their sum is not, one of them may be a lie: two machines compute each once more. */
  async #stepHere(round: Round): Promise<StepOutcome | null> {
    const outcome = await this.#addedHere(round);
    const isDoubted = outcome?.kind === 'non_finite' && this.#parts.fleet.canDoubt === true;
    return isDoubted ? this.#addedHere(round, { doubted: true }) : outcome;
  }

  async #addedHere(
    { planned: { units, globalBatch, learningRate }, step, signal, meter }: Round,
    how: { doubted?: boolean } = {},
  ): Promise<StepOutcome | null> {
    const { shards, fleet } = this.#parts;
    const sum = this.#update.sumOver(units.map(({ id }) => id.shard));
    meter.mark('data');
    try {
      const results = await unlessAborted(
        fleet.computeRound(units, (result) => sum.take(result), how),
        signal,
      );
      if (results === null) return null;
      meter.computed(results);
      const gradients = await sum.summands();
      meter.mark('reduce');
      const { current, next } = this.#parameters;
      const { nonFinite, reduceMs, gradientNorm } = await this.#update({
        ...{ gradients, results, shards, globalBatch },
        ...{ learningRate, step, current, next },
      });
      if (nonFinite !== undefined) return { kind: 'non_finite', what: nonFinite };
      meter.updated(reduceMs);
      this.#parameters.commit();
      meter.mark('publish');
      return committed({ sums: sumOf(results), learningRate, gradientNorm, meter });
    } finally {
      sum.release();
    }
  }
}

interface Round {
  readonly planned: PlannedStep;
  /** The one after it, where replicas that keep the weights may begin it before they are asked. */
  readonly early: PlannedStep | null;
  readonly step: number;
  readonly signal: AbortSignal;
  readonly meter: StepMeter;
}

interface StepRows {
  readonly work: Advance;
  readonly step: number;
  readonly rows: Int32Array;
  /** Of the next steps of the epoch. */
  readonly ahead: readonly Int32Array[];
  readonly parameters: ParameterSnapshot;
}

function committed({
  sums,
  learningRate,
  gradientNorm,
  meter,
}: {
  sums: ShardSums;
  learningRate: number;
  gradientNorm: number | undefined;
  meter: StepMeter;
}): CommittedStep {
  return { kind: 'committed', sums, learningRate, ...(gradientNorm !== undefined && { gradientNorm }), ...meter.end() };
}

/** The promise's value, or null so long after the signal says so. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, graceMs = 0): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  let giveUp = (): void => undefined;
  const aborted = new Promise<null>((resolve) => {
    giveUp = () => {
      if (graceMs === 0) return resolve(null);
      timer = setTimeout(resolve, graceMs, null);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
  });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
    work.catch(() => undefined);
  }
}
