/**
 * Owns: weights and optimizer slots that stay on the replica's device: the weights in the model's variables, a version further in handles beside them
 * until somebody asks for it. A commit is a swap of handles, and a step that came to nothing is dropped by forgetting its handles.
 * Does not: know the update (resident_update.ts) or decide which version counts (the plane does).
 *
 * One shard is one call: forward, backward and update in one graph function. Of several, gradients are added on the device, siblings of the fixed tree as
 * they come, and the last one's call is followed by the update's. Where several replicas compute them, each lends its own and adds all (gathering.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { isDeepStrictEqual } from 'node:util';
import { trainedWeights, type BucketLayout } from '../../common/bucket_layout.js';
import { invariant } from '../../common/errors.js';
import type {
  DeviceMemory,
  GatheredStep,
  HostValues,
  Residence,
  ResidentOutcome,
  ResidentStep,
  StretchedResult,
} from '../../common/resident.js';
import { TreeFold } from '../../common/tree_fold.js';
import { presenceOf } from '../../common/tree_sum.js';
import { download, normOf, upload, type Engine } from '../../engine/index.js';
import { executionOf, type Executed } from './execution.js';
import { Gathering, listOf, sumsFrom, type Sums } from './gathering.js';
import type { ReplicaSpec } from './replica_spec.js';
import { createResidentUpdate, type ResidentUpdate, type UpdateOutput } from './resident_update.js';
import { residentFunctions, type ResidentFunctions, type ShardSumsOnDevice } from './resident_functions.js';
import { Stretch } from './stretch.js';
import type { StretchFeed } from './stretch_feed.js';
import { trainedVariables, type Feed, type TrainStep } from './train_step.js';

export interface ResidentParts {
  readonly engine: Engine;
  readonly model: tfjs.LayersModel;
  readonly layout: BucketLayout;
  readonly residence: Residence;
  /** Numbers that a step tells beside its loss. */
  readonly sums: number;
  readonly spec: Executed['spec'] & Pick<ReplicaSpec, 'isApart'>;
}

interface Pending extends Pick<UpdateOutput, 'weights' | 'slots' | 'running'> {
  readonly version: number;
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
  readonly #parts: ResidentParts;
  readonly #update: ResidentUpdate;
  readonly #variables: tfjs.Variable[];
  readonly #running: tfjs.Variable[];
  readonly #train: TrainStep;
  readonly #functions: ResidentFunctions;
  readonly #stretch: Stretch;
  /** Steps of one shard are taken as a stretch of one: XLA compiles a step that is called by itself and one that is called in another function each for itself. */
  readonly stretchesAll: boolean;
  readonly #gathering: Gathering;
  /** By slot, then by trained weight, of `#version`. */
  #slots: tfjs.Tensor[][] = [];
  /** Of the slots; the variables may hold another one for a while. */
  #version = -1;
  #pending: Pending | null = null;
  /** The version before the one held, while nobody has said that this one counts: it was begun from early, and others may not have reached it. */
  #before: Pending | null = null;
  #underWay: StepUnderWay | null = null;

  constructor(parts: ResidentParts, train: TrainStep, onGraph: (graphDef: Uint8Array) => void) {
    const { engine, model, layout, residence } = parts;
    const { tf } = engine;
    this.#parts = parts;
    this.#train = train;
    const update = createResidentUpdate(tf, layout, residence, { inOne: parts.spec.isApart });
    this.#update = update;
    this.#variables = trainedVariables(model);
    this.#running = layout.statistics.map(({ slot }) => variableOf(model.weights[slot]));
    const [weights, running] = [this.#variables, this.#running];
    this.stretchesAll = executionOf(parts) === 'xla';
    this.#gathering = new Gathering(engine, layout);
    this.#functions = residentFunctions({ ...parts, train, onGraph, update, gathering: this.#gathering, weights, running });
    this.#stretch = new Stretch({
      ...{ engine, layout, update, clips: this.#clips, sums: parts.sums },
      functions: { ...this.#functions, train },
      variables: [weights, running],
    });
  }

  /**
   * Makes `version` the one that the model's variables and the slots hold, where it is the next one; true where it did. Any other is dropped. `early`: before
   * anybody has said that it counts, so that the version held until now is kept for `dropAfter`.
   */
  settle(version: number, { early = false } = {}): boolean {
    const pending = this.#pending;
    if (!early || pending !== null) this.#forgetBefore();
    if (pending === null) return false;
    this.#pending = null;
    const { tf } = this.#parts.engine;
    const isNext = pending.version === version;
    if (isNext && early) {
      this.#before = {
        version: this.#version,
        weights: this.#variables.map((each) => each.clone()),
        running: this.#running.map((each) => each.clone()),
        slots: this.#slots,
      };
      this.#slots = [];
    }
    if (isNext) {
      [...pending.weights, ...pending.running].forEach((value, at) => [...this.#variables, ...this.#running][at].assign(value));
      tf.dispose(this.#slots);
      this.#slots = pending.slots;
      this.#version = version;
    } else tf.dispose(pending.slots);
    tf.dispose([pending.weights, pending.running]);
    return isNext;
  }

  /** Makes `version` the one held again, where the next one was taken early, or drops what was computed from it; true where it took it back. */
  dropAfter(version: number): boolean {
    const before = this.#before;
    if (before?.version !== version) {
      this.settle(version);
      return false;
    }
    this.#before = null;
    if (this.#pending !== null) this.#forget(this.#pending);
    this.#pending = before;
    return this.settle(version);
  }

  #forgetBefore(): void {
    if (this.#before !== null) this.#forget(this.#before);
    this.#before = null;
  }

  #forget({ weights, running, slots }: Pick<Pending, 'weights' | 'running' | 'slots'>): void {
    this.#parts.engine.tf.dispose([weights, running, slots]);
  }

  /** Whether a step can begin from this version as things stand: it is the next one, or held and nothing was computed from it yet. */
  leadsTo(version: number): boolean {
    return (this.#pending ?? { version: this.#version }).version === version;
  }

  /** Takes the slots of a version whose weights the variables hold already. */
  takeSlots(version: number, slots: readonly Float32Array[]): void {
    const { engine, layout } = this.#parts;
    engine.tf.dispose(this.#slots);
    const trained = trainedWeights(layout);
    this.#slots = slots.map((values) =>
      trained.map(({ offset, size, shape }) => upload(engine, values.subarray(offset, offset + size), [...shape])),
    );
    this.#version = version;
  }

  /** One shard of a step, from the version held; what came of the step, where this shard completes it. */
  compute(
    feed: Feed,
    { version, step, shard }: ShardPlace,
    work: ResidentStep,
    read: (sums: ShardSumsOnDevice) => number,
  ): ResidentOutcome | null {
    invariant(version === this.#version && this.#pending === null, 'a step begins from the version that is held');
    const { tf } = this.#parts.engine;
    const numbers = this.#update.numbersOf({ ...work, shards: work.shards.length, step });
    try {
      if (work.shards.length === 1) {
        const { next, ...sums } = this.#functions.whole(feed, this.#slots, numbers);
        return this.#keep(next, version + 1, Number.isFinite(read(sums)));
      }
      const underWay = this.#underWayFor(version, shard, work.shards);
      const { gradients, statistics, ...sums } = this.#train(...feed);
      underWay.finite = Number.isFinite(read(sums)) && underWay.finite;
      underWay.taken.add(shard);
      const total = this.#added(underWay.fold, shard, { gradients, statistics });
      if (total === undefined) return null;
      this.#underWay = null;
      const next = this.#functions.apply(total, this.#slots, numbers);
      tf.dispose([total.gradients, total.statistics]);
      return this.#keep(next, version + 1, underWay.finite);
    } finally {
      tf.dispose(numbers as unknown as tfjs.TensorContainer);
    }
  }

  /** Steps of one size in one call, from the rows of each of their shards: what came of each, up to one that is not finite, of which nothing is kept, nor of those before it. */
  computeStretch(feeds: readonly StretchFeed[], { version, step }: ShardPlace, work: ResidentStep): StretchedResult[] {
    invariant(version === this.#version && this.#pending === null, 'a stretch begins from the version that is held');
    const { tf } = this.#parts.engine;
    const steps = [{ step, learningRate: work.learningRate }, ...work.then];
    const numbers = this.#update.stretchNumbersOf(steps, { globalBatch: work.globalBatch, shards: feeds.length });
    try {
      const { results, next } = this.#stretch.run(feeds, { slots: this.#slots, numbers, steps: steps.length });
      if (results.length === steps.length && results.every(({ resident }) => resident.finite))
        this.#pending = { ...next, version: version + steps.length };
      else this.#forget(next);
      return results;
    } finally {
      tf.dispose(numbers as unknown as tfjs.TensorContainer);
    }
  }

  /** One shard of a step that several replicas compute, from the version held: where its gradient lies, until one of two versions later. */
  lend(feed: Feed, { version, shard }: ShardPlace, read: (sums: ShardSumsOnDevice) => number): DeviceMemory {
    invariant(version === this.#version && this.#pending === null, 'a shard is computed from the version that is held');
    const { packed, ...sums } = this.#functions.packed(...feed);
    read(sums);
    return this.#gathering.lend(packed, { version, shard });
  }

  /** What comes of a step whose shards were lent, and whose losses are finite. */
  gather(work: GatheredStep): ResidentOutcome {
    const { version, shards, step } = work;
    invariant(version === this.#version && this.#pending === null, 'a step ends from the version that is held');
    const { tf } = this.#parts.engine;
    const numbers = this.#update.numbersOf({ ...work, shards: shards.length, step });
    const total = this.#gathering.total(work);
    try {
      return this.#keep(this.#functions.applyPacked(total, this.#slots, numbers), version + 1, true);
    } finally {
      tf.dispose([total, numbers] as unknown as tfjs.TensorContainer);
    }
  }

  /** All weights, and the slots, of the version that the variables and the slots hold. */
  write(into: HostValues): void {
    const { engine, model, layout } = this.#parts;
    into.version[0] = -1;
    model.weights.forEach((weight, index) => {
      const { offset, size } = layout.slots[index];
      download(engine, weight.read(), into.parameters.subarray(offset, offset + size));
    });
    this.#slots.forEach((slot, at) =>
      slot.forEach((value, index) => {
        const { offset, size } = layout.slots[index];
        download(engine, value, into.slots[at].subarray(offset, offset + size));
      }),
    );
    into.version[0] = this.#version;
  }

  /** Whether it does the same for a run that is told so, with what it has recorded. */
  serves(residence: Residence, train: TrainStep): boolean {
    return this.#train === train && isDeepStrictEqual(this.#parts.residence, residence);
  }

  /** Holds no version of any run. */
  forget(): void {
    this.#forgetBefore();
    if (this.#pending !== null) this.#forget(this.#pending);
    this.#pending = null;
    this.#forgetUnderWay();
    this.#underWay = null;
    this.#parts.engine.tf.dispose(this.#slots);
    this.#slots = [];
    this.#version = -1;
    this.#gathering.dispose();
  }

  /** Another one takes its place; the model's variables stay. */
  dispose(): void {
    this.forget();
    this.#stretch.dispose();
    for (const compiled of Object.values(this.#functions)) compiled.dispose();
  }

  /** Of the slots. */
  get version(): number {
    return this.#version;
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
    if (finite) this.#pending = { ...next, version };
    else this.#forget(next);
    tf.dispose([probe, norm]);
    return outcome;
  }
}

function variableOf(weight: tfjs.LayerVariable): tfjs.Variable {
  return (weight as unknown as { val: tfjs.Variable }).val;
}
