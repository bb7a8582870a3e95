/**
 * Owns: the weights of a run that stay on its replicas, all of them on each: a step moves them on there, and they come to the host's memory when somebody
 * wants them. Decides where that may be. Does not: know the device (common/replica.ts is the seam), or give shards out (the fleet does).
 *
 * A replica alone has all shards and ends a step with the last of them. Of several each computes its shards and lends the gradients; then each adds all of
 * them and moves its own weights on, so that whoever is left has everything.
 */
import type { BucketLayout } from '../../../common/bucket_layout.js';
import { EnvironmentError, invariant } from '../../../common/errors.js';
import { LIMITS } from '../../../common/limits.js';
import { within } from '../../../system/within.js';
import type { ModelDescription, NumericsClass, ResidentReplica, ShardAssignment, ShardResult } from '../../../common/replica.js';
import type { ResidentOutcome, ShardBeside, StepOnDevice, StretchedRows, StretchedStep } from '../../../common/resident.js';
import type { OptimizerConfig } from '../../../common/train_config.js';
import { endTogether, fromEach, stillHere, type Members } from './gathered_step.js';
import type { Parameters } from './parameters.js';
import { weightRates } from './update/layer_rates.js';

/**
 * The replicas that keep the weights, none where the host does. One alone does; several do on GPUs, each of which has a copy of all: on processors one
 * copy in memory that all share is faster. On devices whose arithmetic gives the host's bits; compiled, as the update is; without constraints, which the
 * host alone holds weights to, and audits, which compare what is on the host.
 */
export function residentReplicas<Kind extends ResidentReplica>({
  replicas,
  model: { layout },
  numerics: { execution, device },
  givesHostBits,
  audit = 0,
}: {
  /** All that the run will ever have. */
  readonly replicas: readonly Kind[];
  readonly model: Pick<ModelDescription, 'layout'>;
  readonly numerics: Pick<NumericsClass, 'execution' | 'device'>;
  /** Of all of them. */
  readonly givesHostBits: boolean;
  readonly audit?: number;
}): readonly Kind[] {
  const mayReside = givesHostBits && execution !== 'eager' && layout.constraints.length === 0;
  const gain = replicas.length === 1 || (device === 'GPU' && audit === 0);
  return mayReside && gain ? replicas : [];
}

export interface ResidentWeightsParts {
  /** At least one. */
  readonly replicas: readonly ResidentReplica[];
  readonly fleet: Members;
  readonly layout: BucketLayout;
  readonly optimizer: OptimizerConfig;
  readonly parameters: Parameters;
  readonly nowMs: () => number;
}

/** A step's shards, and what its update takes. */
export interface PlannedStep {
  readonly units: readonly ShardAssignment[];
  /** Of the weights that it starts from. */
  readonly version: number;
  readonly globalBatch: number;
  readonly learningRate: number;
  /** Steps after it that a replica alone takes in the same call: a stretch. With as many rows each. */
  readonly then: readonly PlannedStep[];
}

/** Of all runs of this process: what a replica computed early for one is no other's. */
let lastKey = 0;

export class ResidentWeights {
  readonly #parts: ResidentWeightsParts;
  #begun: Promise<void> | null = null;
  #homeMs: number;
  #lost: EnvironmentError | null = null;
  /** What replicas are told to come next, and the keys of its shards. */
  #planned: { readonly step: PlannedStep; readonly keys: readonly number[] } | null = null;
  /** The epoch in which another step came than the planned one: its rates are made step by step, and no more of it is planned. */
  #unplannedEpoch: number | null = null;

  constructor(parts: ResidentWeightsParts) {
    this.#parts = parts;
    this.#homeMs = parts.nowMs();
  }

  /**
   * The same shards as steps of the replica's own, each with the one that comes after it. `following`: the step that this one will most likely be
   * followed by, of the version that it leads to, and which is then given as `step` itself; null where the replica shall not begin anything before it is
   * asked.
   */
  async residing(step: PlannedStep, following: PlannedStep | null): Promise<ShardAssignment[]> {
    await (this.#begun ??= this.#begin());
    const epoch = step.units[0].epoch ?? null;
    const planned = this.#planned?.step === step ? this.#planned : null;
    if (planned !== this.#planned) this.#unplannedEpoch = epoch;
    const keys = planned?.keys ?? newKeys(step);
    const isPlanned = following !== null && this.#unplannedEpoch !== epoch;
    this.#planned = isPlanned ? { step: following, keys: newKeys(following) } : null;
    const units = this.#unitsOf(step, keys);
    const keepsBefore = step.then.length > 0;
    if (following === null || !this.isAlone) return units;
    const after = [
      ...units.slice(1),
      ...(this.#planned === null ? [] : this.#unitsOf(following, this.#planned.keys, { keepsBefore }).slice(0, 1)),
    ];
    return units.map((unit, at) => ({ ...unit, ...(at < after.length && { next: after[at] }) }));
  }

  /** The next step is another run's, or begins from other values. */
  forgetPlan(): void {
    this.#planned = null;
  }

  /** One after the other, of which several may have the values: so one that hangs is not waited for before the others were asked. */
  #asked(): { replica: ResidentReplica; waitMs: number }[] {
    const each = (replicas: readonly ResidentReplica[], waitMs: number): { replica: ResidentReplica; waitMs: number }[] =>
      replicas.map((replica) => ({ replica, waitMs }));
    if (this.isAlone) return each(this.#parts.replicas, LIMITS.residentAnswerMs);
    const here = stillHere(this.#parts);
    return [...each(here, LIMITS.residentSoonMs), ...each(here, LIMITS.residentAnswerMs)];
  }

  #unitsOf(step: PlannedStep, keys: readonly number[], { keepsBefore = false } = {}): ShardAssignment[] {
    const then = step.then.map(stretched);
    const [first, ...others] = step.units;
    // A stretch is one call, whatever its steps are made of.
    const [units, beside] = then.length > 0 ? [[first], others.map(besideOf)] : [step.units, []];
    const resident = { ...this.#workOf(step), lends: !this.isAlone, then, beside, keepsBefore };
    return units.map((unit, at) => ({ ...unit, resident: { ...resident, key: keys[at] } }));
  }

  #workOf({ units, globalBatch, learningRate }: PlannedStep): StepOnDevice {
    const { current: from, next: rescue } = this.#parts.parameters;
    return { shards: units.map(({ id }) => id.shard), globalBatch, learningRate, from, rescue };
  }

  async #begin(): Promise<void> {
    const { replicas, layout, optimizer } = this.#parts;
    const residence = { optimizer, rates: weightRates(layout, optimizer.layerRates) };
    if (this.isAlone) return replicas[0].reside(residence);
    await fromEach(this.#parts, (replica) => replica.reside(residence));
  }

  /** It has all shards of every step, and ends each with the last of them. */
  get isAlone(): boolean {
    return this.#parts.replicas.length === 1;
  }

  /** What came of a step whose shards are all there. */
  async ended(step: PlannedStep, results: readonly ShardResult[]): Promise<ResidentOutcome> {
    if (!this.isAlone) {
      const work = { ...this.#workOf(step), version: step.version, step: step.units[0].id.step };
      const following = this.#planned === null ? [] : this.#unitsOf(this.#planned.step, this.#planned.keys);
      return endTogether(this.#parts, work, results, following);
    }
    const outcome = results.find(({ resident }) => resident !== undefined)?.resident;
    invariant(outcome !== undefined, 'a replica that has all shards completes the step');
    return outcome;
  }

  /** After a commit, whose values the replicas have. */
  committed(): void {
    this.#parts.parameters.commitElsewhere();
  }

  /**
   * Brings values home where that was long ago, so that a run whose steps are long, or whose replica fails, has them. A replica that has begun the next step
   * answers after it: so this comes when the last one has been told.
   */
  async homeNowAndThen(): Promise<void> {
    if (this.#parts.nowMs() - this.#homeMs >= LIMITS.residentHomeMs) await this.home();
  }

  /** Where the replica has gone on in a stretch, it holds the version that this one began from again. */
  async dropAfter(version: number): Promise<void> {
    this.forgetPlan();
    const [replica] = this.#parts.replicas;
    const { late, error } = await within(replica.dropAfter(version), LIMITS.residentAnswerMs);
    if (late || error !== null) throw this.#lostFor(error);
  }

  /** Resolves when the host holds the values of the last commit. @throws EnvironmentError VALUES_LOST where nobody has them any more */
  async home(): Promise<void> {
    const { parameters, nowMs } = this.#parts;
    // What a replica that failed has left.
    if (!parameters.isCurrent) parameters.takeWritten();
    if (parameters.isCurrent) return;
    if (this.#lost !== null) throw this.#lost;
    let cause: unknown = null;
    for (const { replica, waitMs } of this.#asked()) {
      const { late, error } = await within(replica.writeValues(parameters.version, parameters.next), waitMs);
      parameters.takeWritten();
      this.#homeMs = nowMs();
      if (parameters.isCurrent) return;
      // It may write there when it comes to.
      if (late) parameters.replaceNext();
      cause = error;
    }
    throw this.#lostFor(cause);
  }

  #lostFor(cause: unknown): EnvironmentError {
    const { replicas, parameters } = this.#parts;
    const [{ name }] = replicas;
    this.#lost = new EnvironmentError({
      code: 'VALUES_LOST',
      message: `the weights of step ${parameters.version} are lost with ${this.isAlone ? `${name}, the only replica` : 'all replicas'}`,
      next: 'Resume the run: the last state is whole, and the steps after it give the same bits again.',
      cause,
    });
    return this.#lost;
  }
}

function stretched({ units, learningRate }: PlannedStep): StretchedStep {
  return { step: units[0].id.step, shards: units.map(rowsOf), learningRate };
}

function besideOf({ id: { shard }, firstExample, regularizationWeight, ...unit }: ShardAssignment): ShardBeside {
  return { shard, firstExample, regularizationWeight, ...rowsOf(unit) };
}

function rowsOf({ rows, batchRows }: Pick<ShardAssignment, 'rows' | 'batchRows'>): StretchedRows {
  return { rows, ...(batchRows && { batchRows }) };
}

function newKeys({ units }: PlannedStep): number[] {
  return units.map(() => (lastKey += 1));
}
