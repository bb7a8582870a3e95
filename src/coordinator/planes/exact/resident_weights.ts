/**
 * Owns: the weights of a run that stay on the one replica it has: a step moves them on there, and they come to the host's memory when somebody wants
 * them. Decides where that may be. Does not: know the device (common/replica.ts is the seam), or give shards out (the fleet does).
 */
import type { BucketLayout } from '../../../common/bucket_layout.js';
import { EnvironmentError } from '../../../common/errors.js';
import { LIMITS } from '../../../common/limits.js';
import { within } from '../../../system/within.js';
import type { ModelDescription, NumericsClass, ResidentReplica, ShardAssignment } from '../../../common/replica.js';
import type { OptimizerConfig } from '../../../common/train_config.js';
import type { Parameters } from './parameters.js';
import { weightRates } from './update/layer_rates.js';

/**
 * The replica that keeps the weights, or null where the host does. Alone in its run, because others would have to be told of every step; on a
 * device whose arithmetic gives the host's bits; compiled, as the update is; no constraints, which the host alone holds weights to.
 */
export function residentReplica<Kind extends ResidentReplica>({
  replicas,
  model: { layout },
  numerics: { execution },
  givesHostBits,
}: {
  /** All that the run will ever have. */
  replicas: readonly Kind[];
  model: Pick<ModelDescription, 'layout'>;
  numerics: Pick<NumericsClass, 'execution'>;
  givesHostBits: boolean;
}): Kind | null {
  const mayReside = givesHostBits && execution !== 'eager' && layout.constraints.length === 0;
  return replicas.length === 1 && mayReside ? replicas[0] : null;
}

export interface ResidentWeightsParts {
  readonly replica: ResidentReplica;
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
}

/** Of all runs of this process: what a replica computed early for one is no other's. */
let lastKey = 0;

export class ResidentWeights {
  readonly #parts: ResidentWeightsParts;
  #begun: Promise<void> | null = null;
  #homeMs: number;
  #lost: EnvironmentError | null = null;
  /** What the replica was told to come next, and the keys of its shards. */
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
    const { replica, layout, optimizer } = this.#parts;
    this.#begun ??= replica.reside({ optimizer, rates: weightRates(layout, optimizer.layerRates) });
    await this.#begun;
    const epoch = step.units[0].epoch ?? null;
    const planned = this.#planned?.step === step ? this.#planned : null;
    if (planned !== this.#planned) this.#unplannedEpoch = epoch;
    const keys = planned?.keys ?? newKeys(step);
    const isPlanned = following !== null && this.#unplannedEpoch !== epoch;
    this.#planned = isPlanned ? { step: following, keys: newKeys(following) } : null;
    const units = this.#unitsOf(step, keys);
    if (following === null) return units;
    const after = [
      ...units.slice(1),
      ...(this.#planned === null ? [] : this.#unitsOf(following, this.#planned.keys).slice(0, 1)),
    ];
    return units.map((unit, at) => ({ ...unit, ...(at < after.length && { next: after[at] }) }));
  }

  /** The next step is another run's, or begins from other values. */
  forgetPlan(): void {
    this.#planned = null;
  }

  #unitsOf({ units, globalBatch, learningRate }: PlannedStep, keys: readonly number[]): ShardAssignment[] {
    const { current: from, next: rescue } = this.#parts.parameters;
    const shards = units.map(({ id }) => id.shard);
    return units.map((unit, at) => ({ ...unit, resident: { key: keys[at], shards, globalBatch, learningRate, from, rescue } }));
  }

  /** After a commit: brings values home now and then, so that a run whose steps are long, or whose replica fails, has them. */
  async committed(): Promise<void> {
    this.#parts.parameters.commitElsewhere();
    if (this.#parts.nowMs() - this.#homeMs >= LIMITS.residentHomeMs) await this.home();
  }

  /** Resolves when the host holds the values of the last commit. @throws EnvironmentError VALUES_LOST where nobody has them any more */
  async home(): Promise<void> {
    const { replica, parameters, nowMs } = this.#parts;
    // What a replica that failed has left.
    if (!parameters.isCurrent) parameters.takeWritten();
    if (parameters.isCurrent) return;
    if (this.#lost !== null) throw this.#lost;
    const { error: cause } = await within(replica.writeValues(parameters.version, parameters.next), LIMITS.residentAnswerMs);
    parameters.takeWritten();
    this.#homeMs = nowMs();
    if (parameters.isCurrent) return;
    this.#lost = new EnvironmentError({
      code: 'VALUES_LOST',
      message: `the weights of step ${parameters.version} are lost with ${replica.name}, the only replica`,
      next: 'Resume the run: the last state is whole, and the steps after it give the same bits again.',
      cause,
    });
    throw this.#lost;
  }
}

function newKeys({ units }: PlannedStep): number[] {
  return units.map(() => (lastKey += 1));
}
