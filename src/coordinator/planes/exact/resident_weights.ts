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
 * The replica that keeps the weights, or null where the host does. Alone in its run, because others would have to be told of every step; a processor,
 * because on no other device the update has been shown to give the host's bits; compiled, as the update is; no constraints, which the host alone holds
 * weights to.
 */
export function residentReplica<Kind extends ResidentReplica>({
  replicas,
  model: { layout },
  numerics: { device, execution },
}: {
  /** All that the run will ever have. */
  replicas: readonly Kind[];
  model: Pick<ModelDescription, 'layout'>;
  numerics: Pick<NumericsClass, 'device' | 'execution'>;
}): Kind | null {
  const mayReside = device === 'CPU' && execution === 'compiled' && layout.constraints.length === 0;
  return replicas.length === 1 && mayReside ? replicas[0] : null;
}

export interface ResidentWeightsParts {
  readonly replica: ResidentReplica;
  readonly layout: BucketLayout;
  readonly optimizer: OptimizerConfig;
  readonly parameters: Parameters;
  readonly nowMs: () => number;
}

export class ResidentWeights {
  readonly #parts: ResidentWeightsParts;
  #begun: Promise<void> | null = null;
  #homeMs: number;
  #lost: EnvironmentError | null = null;

  constructor(parts: ResidentWeightsParts) {
    this.#parts = parts;
    this.#homeMs = parts.nowMs();
  }

  /** The same shards as steps of the replica's own. */
  async residing(
    units: readonly ShardAssignment[],
    { globalBatch, learningRate }: { globalBatch: number; learningRate: number },
  ): Promise<ShardAssignment[]> {
    const { replica, layout, optimizer, parameters } = this.#parts;
    this.#begun ??= replica.reside({ optimizer, rates: weightRates(layout, optimizer.layerRates) });
    await this.#begun;
    const shards = units.map(({ id }) => id.shard);
    const resident = { shards, globalBatch, learningRate, from: parameters.current, rescue: parameters.next };
    return units.map((unit) => ({ ...unit, resident }));
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
