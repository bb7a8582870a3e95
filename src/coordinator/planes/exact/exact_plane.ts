/**
 * Owns: exact mode: weights on the host, each step's shards computed by the fleet, added in the fixed tree as they arrive, divided once by the
 * global batch, and applied by a swap. Nothing is applied before all shards are there and finite; a step is committed exactly once. Where
 * replicas keep the weights (resident_weights.ts), they do all of that with the same bits, and what is not finite is computed again here.
 * Does not: know epochs' ends, states or metrics (run.ts), or choose who computes (fleet).
 */
import { LIMITS } from '../../../common/limits.js';
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
import { committed, ResidentSteps, type Round } from './resident_steps.js';
import { ResidentWeights, type PlannedStep } from './resident_weights.js';
import { StepMeter } from './step_meter.js';
import { stretchedBytes, StretchLength } from './stretch_length.js';
import { unlessAborted } from './unless_aborted.js';

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
  /** One that is alone may take so many steps in one call (stretch_length.ts); by default one. */
  readonly inOneCall?: number;
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
  readonly #steps: ResidentSteps | null;
  readonly #stretch: StretchLength | null;
  readonly #stretchedBytes: number;
  /** How long the last step took that a replica completed. */
  #stepMs = Infinity;
  readonly #orders = new Map<string, Int32Array>();
  /** For the average, where it is evaluated. */
  #averaged: Float32Array | null = null;

  constructor(parts: ExactPlaneParts) {
    const { model, shards, optimizer, fleet, resident = [], inOneCall = 1, cores, initial = model.initial, nowMs } = parts;
    this.#parts = parts;
    this.#update = createUpdate({ layout: model.layout, optimizer, nowMs, ...(resident.length === 0 && { cores }) });
    this.#parameters = new Parameters({ layout: model.layout, initial }, this.#update.slots);
    const shared = { layout: model.layout, optimizer, parameters: this.#parameters, fleet, nowMs };
    this.#resident = resident.length === 0 ? null : new ResidentWeights({ ...shared, replicas: resident });
    this.#steps = this.#resident && new ResidentSteps(this.#resident, fleet);
    const { totalSize, trainedSize } = model.layout;
    this.#stretchedBytes = stretchedBytes({ shards, values: totalSize + this.#update.slots.length * trainedSize });
    const mayStretch = inOneCall > 1 && this.#resident?.isAlone === true && this.#stretchedBytes <= LIMITS.stretchBytes;
    this.#stretch = mayStretch ? new StretchLength(inOneCall) : null;
  }

  async *advance(work: Advance): AsyncGenerator<StepOutcome, void> {
    await this.#settle();
    const { examples, batch } = work.rows;
    const meter = new StepMeter(this.#parts.nowMs);
    const planFrom = this.#planner(work);
    let at = work.from;
    let early: PlannedStep | null = null;
    while (at.step < work.upTo && at.example < examples) {
      meter.begin();
      const snapshot = this.#parameters.snapshot();
      // A callback may have given other weights since.
      const planned: PlannedStep = early?.version === snapshot.version ? early : planFrom(at, snapshot);
      const from = at;
      const after = (steps: number): Advance['from'] => {
        return { step: from.step + steps, example: Math.min(from.example + steps * batch, examples) };
      };
      const steps = 1 + planned.then.length;
      at = after(steps);
      const goesOn = this.#stepMs < LIMITS.earlyStepMs && at.step < work.upTo && at.example < examples;
      const mayBeEarly = steps === 1 || this.#stretchedBytes <= LIMITS.stretchEarlyBytes;
      early = goesOn && mayBeEarly ? planFrom(at, { version: snapshot.version + steps, values: ELSEWHERE }) : null;
      const round = { planned, early, signal: work.signal, meter };
      let taken = 0;
      for await (const outcome of this.#steps === null ? this.#here(round) : this.#there(this.#steps, round)) {
        if (outcome === null) return;
        taken += 1;
        yield outcome;
        if (outcome.kind === 'non_finite') return;
      }
      if (taken === steps) continue;
      // The rest of a stretch was taken back, or is to be computed singly.
      at = after(taken);
      early = null;
    }
  }

  /** The steps that are taken next, from a place and parameters. */
  #planner(work: Advance): (from: Advance['from'], parameters: ParameterSnapshot) => PlannedStep {
    const { examples, batch, nextEpoch } = work.rows;
    const order = this.#orderOf(work.rows);
    const nextOrder = nextEpoch === undefined ? undefined : (): Int32Array => this.#orderOf({ ...work.rows, epoch: nextEpoch });
    const planAt = ({ step, example }: Advance['from'], parameters: ParameterSnapshot, ahead: StepRows['ahead']): PlannedStep => {
      const rows = order.subarray(example, Math.min(example + batch, examples));
      return this.#plan({ work, step, rows, ahead, parameters });
    };
    return (from, parameters) => {
      const left = Math.min(work.pauseAt?.(from.step) ?? Infinity, work.upTo) - from.step;
      const whole = Math.min(left, Math.floor((examples - from.example) / batch));
      const steps = this.#stretch?.atMost(whole) ?? 1;
      const then = Array.from({ length: steps - 1 }, (_, at): PlannedStep => {
        const place = { step: from.step + at + 1, example: from.example + (at + 1) * batch };
        return planAt(place, { version: parameters.version + at + 1, values: ELSEWHERE }, []);
      });
      return { ...planAt(from, parameters, batchesAfter(order, from.example, batch, nextOrder)), then };
    };
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

  /** Where one replica keeps the weights, how many steps it takes in one call at most; null while that is not known. */
  get stepsInOneCall(): number | null {
    return this.#stretch === null ? 1 : this.#stretch.steps;
  }

  async evaluate({ examples, batch, signal }: Evaluation): Promise<Totals | null> {
    const { model, shards, fleet, optimizer } = this.#parts;
    const ofAverage = optimizer.emaFor.includes('evaluation');
    await this.#settle();
    if (ofAverage) await this.#resident?.home();
    const parameters = ofAverage ? this.#averageSnapshot() : this.#parameters.snapshot();
    return unlessAborted(evaluate({ fleet, objective: model.objective, examples, batch, shards, parameters }), signal);
  }

  async classify({ examples, batch, signal, weights }: Evaluation & { weights: Float32Array }): Promise<Classified | null> {
    const { model, shards, fleet } = this.#parts;
    await this.#settle();
    const values = sharedFloats(weights.length);
    values.set(weights);
    const parameters = { version: CLASSIFY_VERSIONS + this.#parameters.version, values };
    return unlessAborted(classify({ fleet, objective: model.objective, examples, batch, shards, parameters }), signal);
  }

  async values(): Promise<RunValues> {
    await this.#settle();
    await this.#resident?.home();
    return this.#parameters.values();
  }

  async model(): Promise<Float32Array> {
    await this.#settle();
    await this.#resident?.home();
    const { model, optimizer } = this.#parts;
    const { parameters } = this.#parameters.current;
    const isAverage = optimizer.emaFor.includes('model');
    return isAverage ? this.#parameters.averaged(new Float32Array(model.layout.totalSize)) : parameters.slice();
  }

  restore(values: RunValues): Promise<void> {
    this.#steps?.forget();
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

  /** Null where it was given up; then nothing of it was applied. */
  async *#there(steps: ResidentSteps, round: Round): AsyncGenerator<StepOutcome | null, void> {
    const all = [round.planned, ...round.planned.then];
    let taken = 0;
    for await (const outcome of steps.take(round)) {
      if (outcome?.kind === 'non_finite') {
        // Here it is found what is not finite; a sum that was beyond float32 alone is no reason to stop.
        await this.#settle();
        await this.#resident?.home();
        const parameters = this.#parameters.snapshot();
        const planned = all[taken];
        const units = planned.units.map((unit) => ({ ...unit, parameters }));
        return yield this.#stepHere({ ...round, planned: { ...planned, units } });
      }
      taken += 1;
      if (outcome !== null && taken === all.length) this.#took(outcome, all.length);
      yield outcome;
    }
  }

  /** How many make a stretch depends on their computing: where a step was begun early the run has waited for less than that. */
  #took({ ms, replicaTimes }: CommittedStep, together: number): void {
    this.#stepMs = ms;
    this.#stretch?.took(Math.max(...replicaTimes.map(({ computeMs }) => computeMs)), together);
  }

  async *#here(round: Round): AsyncGenerator<StepOutcome | null, void> {
    yield await this.#stepHere(round);
  }

  /** The replica that keeps the weights may have gone on in a stretch. */
  async #settle(): Promise<void> {
    if (await this.#steps?.takeBack()) this.#stretch?.cut();
  }

  #plan({ work: { rows: plan, rates }, step, rows, ahead, parameters }: StepRows): PlannedStep {
    const { shards, model, mixes = false } = this.#parts;
    const wholeBatch = mixes || model.objective.masked === true;
    const { epoch } = plan;
    const units = shardBatch({ kind: 'train', rows, shards, step, epoch, parameters, wholeBatch, ahead });
    const learningRate = learningRateAt({ ...rates, step });
    return { units, version: parameters.version, globalBatch: rows.length, learningRate, then: [] };
  }

  /** Where all shards are finite and what comes of their sum is not, one of them may be a lie: two machines compute each once more. */
  async #stepHere(round: Round): Promise<StepOutcome | null> {
    const outcome = await this.#addedHere(round);
    const isDoubted = outcome?.kind === 'non_finite' && this.#parts.fleet.canDoubt === true;
    return isDoubted ? this.#addedHere(round, { doubted: true }) : outcome;
  }

  async #addedHere(
    { planned: { units, globalBatch, learningRate }, signal, meter }: Round,
    how: { doubted?: boolean } = {},
  ): Promise<StepOutcome | null> {
    const { shards, fleet } = this.#parts;
    const { step } = units[0].id;
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
      return committed({ sums: sumOf(results), learningRate, gradientNorm, ...meter.end() });
    } finally {
      sum.release();
    }
  }
}

interface StepRows {
  readonly work: Advance;
  readonly step: number;
  readonly rows: Int32Array;
  /** Of the next steps of the epoch. */
  readonly ahead: readonly Int32Array[];
  readonly parameters: ParameterSnapshot;
}
