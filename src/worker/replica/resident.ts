/**
 * Owns: steps of a run whose weights and optimizer slots stay on the replica's device, each from the version held to the next one.
 * Does not: hold versions (held_versions.ts) or know the update (resident_update.ts).
 *
 * One shard is one call: forward, backward and update in one graph function. Of several, gradients are added on the device, siblings of the fixed tree as
 * they come, and the last one's call is followed by the update's. Where several replicas compute them, each lends its own and adds all (gathering.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { isDeepStrictEqual } from 'node:util';
import type {
  DeviceMemory,
  GatheredStep,
  Residence,
  ResidentOutcome,
  ResidentStep,
  StretchedResult,
} from '../../common/resident.js';
import { TreeFold } from '../../common/tree_fold.js';
import { presenceOf } from '../../common/tree_sum.js';
import { normOf } from '../../engine/index.js';
import { executionOf, type Executed } from './execution.js';
import { Gathering, listOf, sumsFrom, type Sums } from './gathering.js';
import { HeldVersions, type HeldParts } from './held_versions.js';
import type { ReplicaSpec } from './replica_spec.js';
import { createResidentUpdate, type ResidentUpdate, type UpdateOutput } from './resident_update.js';
import { residentFunctions, type ResidentFunctions, type ShardSumsOnDevice } from './resident_functions.js';
import { Stretch } from './stretch.js';
import type { StretchFeed } from './stretch_feed.js';
import type { Feed, TrainStep } from './train_step.js';

export interface ResidentParts extends HeldParts {
  readonly residence: Residence;
  /** Numbers that a step tells beside its loss. */
  readonly sums: number;
  readonly spec: Executed['spec'] & Pick<ReplicaSpec, 'isApart'>;
}

interface StepUnderWay {
  readonly version: number;
  readonly fold: TreeFold<Sums>;
  readonly taken: Set<number>;
  /** Whether the losses so far are. */
  finite: boolean;
}

export interface ShardPlace {
  readonly version: number;
  readonly step: number;
  readonly shard: number;
}

export class Resident {
  readonly versions: HeldVersions;
  readonly #parts: ResidentParts;
  readonly #update: ResidentUpdate;
  readonly #train: TrainStep;
  readonly #functions: ResidentFunctions;
  readonly #stretch: Stretch;
  /** Steps of one shard are taken as a stretch of one: XLA compiles a step that is called by itself and one that is called in another function each for itself. */
  readonly stretchesAll: boolean;
  readonly #gathering: Gathering;
  #underWay: StepUnderWay | null = null;

  constructor(parts: ResidentParts, train: TrainStep, onGraph: (graphDef: Uint8Array) => void) {
    const { engine, layout, residence } = parts;
    this.#parts = parts;
    this.#train = train;
    this.versions = new HeldVersions(parts);
    const update = createResidentUpdate(engine.tf, layout, residence, { inOne: parts.spec.isApart });
    this.#update = update;
    const { weights, running } = this.versions;
    this.stretchesAll = executionOf(parts) === 'xla';
    this.#gathering = new Gathering(engine, layout);
    this.#functions = residentFunctions({ ...parts, train, onGraph, update, gathering: this.#gathering, weights, running });
    this.#stretch = new Stretch({
      ...{ engine, layout, update, clips: this.#clips, sums: parts.sums },
      functions: { ...this.#functions, train },
      variables: [weights, running],
    });
  }

  /** One shard of a step, from the version held; what came of the step, where this shard completes it. */
  compute(
    feed: Feed,
    { version, step, shard }: ShardPlace,
    work: ResidentStep,
    read: (sums: ShardSumsOnDevice) => number,
  ): ResidentOutcome | null {
    this.versions.requireHeld(version);
    const { tf } = this.#parts.engine;
    const numbers = this.#update.numbersOf({ ...work, shards: work.shards.length, step });
    try {
      if (work.shards.length === 1) {
        const { next, ...sums } = this.#functions.whole(feed, this.versions.slots, numbers);
        return this.#keep(next, version + 1, Number.isFinite(read(sums)));
      }
      const underWay = this.#underWayFor(version, shard, work.shards);
      const { gradients, statistics, ...sums } = this.#train(...feed);
      underWay.finite = Number.isFinite(read(sums)) && underWay.finite;
      underWay.taken.add(shard);
      const total = this.#added(underWay.fold, shard, { gradients, statistics });
      if (total === undefined) return null;
      this.#underWay = null;
      const next = this.#functions.apply(total, this.versions.slots, numbers);
      tf.dispose([total.gradients, total.statistics]);
      return this.#keep(next, version + 1, underWay.finite);
    } finally {
      tf.dispose(numbers as unknown as tfjs.TensorContainer);
    }
  }

  /** Steps of one size in one call, from the rows of each of their shards: what came of each, up to one that is not finite, of which nothing is kept, nor of those before it. */
  computeStretch(feeds: readonly StretchFeed[], { version, step }: ShardPlace, work: ResidentStep): StretchedResult[] {
    this.versions.requireHeld(version);
    const { tf } = this.#parts.engine;
    const steps = [{ step, learningRate: work.learningRate }, ...work.then];
    const numbers = this.#update.stretchNumbersOf(steps, { globalBatch: work.globalBatch, shards: feeds.length });
    try {
      const { results, next } = this.#stretch.run(feeds, { slots: this.versions.slots, numbers, steps: steps.length });
      if (results.length === steps.length && results.every(({ resident }) => resident.finite))
        this.versions.take(next, version + steps.length);
      else this.versions.drop(next);
      return results;
    } finally {
      tf.dispose(numbers as unknown as tfjs.TensorContainer);
    }
  }

  /** One shard of a step that several replicas compute, from the version held: where its gradient lies, until one of two versions later. */
  lend(feed: Feed, { version, shard }: ShardPlace, read: (sums: ShardSumsOnDevice) => number): DeviceMemory {
    this.versions.requireHeld(version);
    const { packed, ...sums } = this.#functions.packed(...feed);
    read(sums);
    return this.#gathering.lend(packed, { version, shard });
  }

  /** What comes of a step whose shards were lent, and whose losses are finite. */
  gather(work: GatheredStep): ResidentOutcome {
    const { version, shards, step } = work;
    this.versions.requireHeld(version);
    const { tf } = this.#parts.engine;
    const numbers = this.#update.numbersOf({ ...work, shards: shards.length, step });
    const total = this.#gathering.total(work);
    try {
      return this.#keep(this.#functions.applyPacked(total, this.versions.slots, numbers), version + 1, true);
    } finally {
      tf.dispose([total, numbers] as unknown as tfjs.TensorContainer);
    }
  }

  /** Whether it does the same for a run that is told so, with what it has recorded. */
  serves(residence: Residence, train: TrainStep): boolean {
    return this.#train === train && isDeepStrictEqual(this.#parts.residence, residence);
  }

  /** Holds no version of any run. */
  forget(): void {
    this.versions.forget();
    this.#forgetUnderWay();
    this.#underWay = null;
    this.#gathering.dispose();
  }

  /** Another one takes its place; the model's variables stay. */
  dispose(): void {
    this.forget();
    this.#stretch.dispose();
    for (const compiled of Object.values(this.#functions)) compiled.dispose();
  }

  /** Anew where it is of another version, or the shard is in it: what was computed early was forgotten. */
  #underWayFor(version: number, shard: number, shards: readonly number[]): StepUnderWay {
    if (this.#underWay?.version !== version || this.#underWay.taken.has(shard)) {
      this.#forgetUnderWay();
      this.#underWay = { version, fold: new TreeFold(presenceOf(shards)), taken: new Set(), finite: true };
    }
    return this.#underWay;
  }

  #forgetUnderWay(): void {
    const { tf } = this.#parts.engine;
    this.#underWay?.fold.held.forEach(({ gradients, statistics }) => tf.dispose([gradients, statistics]));
  }

  /** The sum over all shards with the last of them. */
  #added(fold: TreeFold<Sums>, shard: number, value: Sums): Sums | undefined {
    const { tf } = this.#parts.engine;
    fold.add(shard, value, (...siblings) => {
      const [left, right] = siblings.map(listOf);
      const added = this.#functions.add(left, right);
      tf.dispose([left, right]);
      return sumsFrom(added, value.gradients.length);
    });
    return fold.total;
  }

  get #clips(): boolean {
    return this.#parts.residence.optimizer.clipNorm !== null;
  }

  #keep({ probe, norm, ...next }: UpdateOutput, version: number, lossIsFinite: boolean): ResidentOutcome {
    const { tf } = this.#parts.engine;
    const finite = lossIsFinite && Number.isFinite(probe.dataSync()[0]);
    const outcome = { finite, ...(this.#clips && { gradientNorm: normOf(norm.dataSync<'int32'>()) }) };
    if (finite) this.versions.take(next, version);
    else this.versions.drop(next);
    tf.dispose([probe, norm]);
    return outcome;
  }
}
