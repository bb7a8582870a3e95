/**
 * Owns: several steps of a replica that is alone in one call of TensorFlow: the functions of a step as often as there are steps, each from what the one before
 * leads to, and all that they tell in one array. What a call costs besides computing is then paid once, which of small models is nearly all of a step.
 * Does not: know what those functions compute (resident_functions.ts), or how many steps there are (coordinator/planes/exact/stretch_length.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { BucketLayout } from '../../common/bucket_layout.js';
import { invariant } from '../../common/errors.js';
import type { StretchedResult } from '../../common/resident.js';
import { TreeFold } from '../../common/tree_fold.js';
import { normOf, partOf, withRow, type CompiledLoop, type Engine } from '../../engine/index.js';
import { listOf, shapesOfSums, sumsFrom, type Sums } from './gathering.js';
import type { ResidentFunctions, ShardSumsOnDevice } from './resident_functions.js';
import type { ResidentUpdate, StepNumbers, StretchNumbers, UpdateOutput } from './resident_update.js';
import { feedOf, tensorsOfSteps, type Part, type StretchFeed } from './stretch_feed.js';
import type { TrainStep } from './train_step.js';

type Values = Pick<UpdateOutput, 'weights' | 'slots' | 'running'>;

export interface StretchParts {
  readonly engine: Engine;
  readonly layout: BucketLayout;
  /** Of a step of one shard; a shard of several, their sum, and what comes of that. */
  readonly functions: Pick<ResidentFunctions, 'whole' | 'add' | 'apply'> & { readonly train: TrainStep };
  readonly update: Pick<ResidentUpdate, 'ofStep'>;
  /** Trained weights and moving statistics of the model, which the step reads. */
  readonly variables: readonly [readonly tfjs.Variable[], readonly tfjs.Variable[]];
  readonly clips: boolean;
  /** Numbers that a shard tells beside its loss. */
  readonly sums: number;
}

/** What a step leads to, and what those until now tell: losses and sums of each shard, then the probe, `[steps, shards · (1 + sums) + 1]`; norms where gradients are clipped. */
interface Held extends Values {
  readonly told: tfjs.Tensor;
  readonly norms: tfjs.Tensor | null;
}

interface Fixed {
  /** Of each shard. */
  readonly feeds: readonly StretchFeed[];
  readonly numbers: StretchNumbers;
}

/** A step inside the loop: what its variables are, and what it takes. */
interface Inside {
  readonly given: ReadonlyMap<tfjs.Variable, tfjs.Tensor>;
  readonly feeds: readonly StretchFeed[];
  readonly part: Part;
  readonly slots: tfjs.Tensor[][];
  readonly numbers: StepNumbers;
}

export class Stretch {
  readonly #parts: StretchParts;
  readonly #steps: CompiledLoop<Held, Fixed>;
  #isPrepared = false;

  constructor(parts: StretchParts) {
    this.#parts = parts;
    const { engine, update, variables, clips } = parts;
    const { tf } = engine;
    const flat = (value: tfjs.Tensor): tfjs.Tensor =>
      tf.reshape(value.dtype === 'float32' ? value : tf.cast(value, 'float32'), [-1]);
    this.#steps = engine.compileLoop(
      (index, { told, norms, slots, ...held }: Held, { feeds, numbers }: Fixed): Held => {
        const current = [...held.weights, ...held.running];
        const given = new Map(variables.flat().map((variable, at) => [variable, current[at]]));
        const part = (all: tfjs.Tensor): tfjs.Tensor => partOf(all, index);
        const inside = { given, feeds, part, slots, numbers: update.ofStep(numbers, part) };
        const { tells, next } = feeds.length === 1 ? this.#ofOne(inside) : this.#ofSeveral(inside);
        const { weights, running, slots: memory, probe, norm } = next;
        const row = tf.concat([...tells.flatMap(({ loss, sums }) => [loss, ...sums]), probe].map(flat));
        return {
          ...{ weights, running, slots: memory, told: withRow(told, index, row) },
          norms: clips && norms !== null ? withRow(norms, index, norm) : null,
        };
      },
      { name: 'resident_stretch' },
    );
  }

  /** What came of each step, up to one that is not finite, and what the last one leads to. */
  run(
    feeds: readonly StretchFeed[],
    { numbers, steps, ...from }: { slots: tfjs.Tensor[][]; numbers: StretchNumbers; steps: number },
  ): { results: StretchedResult[]; next: Values } {
    const { engine, variables, clips, sums } = this.#parts;
    const { tf } = engine;
    this.#prepare({ feeds, numbers }, from.slots, steps);
    const [weights, running] = variables.map((each) => each.map((variable) => variable.clone()));
    const told = tf.zeros([steps, feeds.length * (1 + sums) + 1]);
    const norms = clips ? tf.zeros([steps, 2], 'int32') : null;
    try {
      const held = { weights, running, slots: from.slots, told, norms };
      const ofSteps = [...feeds.flatMap(tensorsOfSteps), numbers.scalars, told, ...(norms === null ? [] : [norms])];
      const { told: all, norms: bits, ...next } = this.#steps(steps, held, { feeds, numbers }, ofSteps);
      const asked = { steps, shards: feeds.length };
      const results = resultsOf(all.dataSync() as Float32Array, bits?.dataSync<'int32'>() ?? null, asked);
      tf.dispose([all, bits ?? []]);
      return { results, next };
    } finally {
      tf.dispose([weights, running, told, norms ?? []]);
    }
  }

  dispose(): void {
    this.#steps.dispose();
  }

  #ofOne({ given, feeds: [feed], part, slots, numbers }: Inside): { tells: ShardSumsOnDevice[]; next: UpdateOutput } {
    const { next, ...tells } = this.#parts.functions.whole.nested(given, feedOf(feed, part), slots, numbers);
    return { tells: [tells], next };
  }

  #ofSeveral({ given, feeds, part, slots, numbers }: Inside): { tells: ShardSumsOnDevice[]; next: UpdateOutput } {
    const { functions, layout } = this.#parts;
    const { train, add, apply } = functions;
    const fold = new TreeFold<Sums>(feeds.map(() => true));
    const added = (left: Sums, right: Sums): Sums =>
      sumsFrom(add.nested(NO_VARIABLES, listOf(left), listOf(right)), layout.trainedSlots);
    const tells = feeds.map((feed, shard) => {
      invariant(train.nested, 'steps of a replica that keeps the weights are compiled');
      const { gradients, statistics, ...own } = train.nested(given, ...feedOf(feed, part));
      fold.add(shard, { gradients, statistics }, added);
      return own;
    });
    invariant(fold.total, 'all shards are added');
    return { tells, next: apply.nested(given, fold.total, slots, numbers) };
  }

  /** What is called in the loop is recorded by itself, for arguments like those of the first step, and the user's part checked as often as in single steps. */
  #prepare({ feeds, numbers }: Fixed, slots: tfjs.Tensor[][], steps: number): void {
    const { engine, functions, update, layout } = this.#parts;
    const { tf } = engine;
    tf.tidy(() => {
      const first = tf.scalar(0, 'int32');
      const part = (all: tfjs.Tensor): tfjs.Tensor => partOf(all, first);
      const own = update.ofStep(numbers, part);
      if (feeds.length === 1) return functions.whole.prepare(steps, feedOf(feeds[0], part), slots, own);
      for (const feed of feeds) functions.train.prepare?.(steps, ...feedOf(feed, part));
      if (this.#isPrepared) return;
      const sums = shapesOfSums(layout).map((shape) => tf.zeros([...shape]));
      functions.add.prepare(1, sums, sums);
      functions.apply.prepare(1, sumsFrom(sums, layout.trainedSlots), slots, own);
      this.#isPrepared = true;
    });
  }
}

const NO_VARIABLES: ReadonlyMap<tfjs.Variable, tfjs.Tensor> = new Map();

function resultsOf(
  told: Float32Array,
  norms: Int32Array | null,
  { steps, shards }: { steps: number; shards: number },
): StretchedResult[] {
  const width = told.length / steps;
  const perShard = (width - 1) / shards;
  const results = Array.from({ length: steps }, (_, at): StretchedResult => {
    const row = told.subarray(at * width, (at + 1) * width);
    const ofShards = (number: number): number[] => Array.from({ length: shards }, (__, shard) => row[shard * perShard + number]);
    // In the order of the shards, as of single steps.
    const [lossSum, ...sums] = Array.from({ length: perShard }, (__, number) =>
      ofShards(number).reduce((sum, value) => sum + value, 0),
    );
    const finite = [...ofShards(0), row[width - 1]].every(Number.isFinite);
    const norm = norms === null ? null : normOf(norms.subarray(2 * at, 2 * at + 2));
    return { lossSum, sums, resident: { finite, ...(norm !== null && { gradientNorm: norm }) } };
  });
  const bad = results.findIndex(({ resident }) => !resident.finite);
  return bad < 0 ? results : results.slice(0, bad + 1);
}
