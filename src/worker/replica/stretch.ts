/**
 * Owns: several steps of a replica that is alone in one call of TensorFlow: the function of one step as often as there are steps, each from what the one before
 * leads to, and all that they tell in one array. What a call costs besides computing is then paid once, which of small models is nearly all of a step.
 * Does not: know the step (resident.ts), or how many there are (coordinator/planes/exact/stretch_length.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { StretchedResult } from '../../common/resident.js';
import { normOf, partOf, withRow, type CompiledFunction, type CompiledLoop, type Engine } from '../../engine/index.js';
import type { ResidentUpdate, StretchNumbers, UpdateOutput } from './resident_update.js';
import { feedOf, tensorsOfSteps, type StretchFeed } from './stretch_feed.js';
import type { Feed } from './train_step.js';

export interface ShardSumsOnDevice {
  readonly loss: tfjs.Tensor;
  readonly sums: tfjs.Tensor[];
}

/** A step of one shard, from slots and numbers of the step: what it tells and what comes of it. */
export type WholeStep = CompiledFunction<[Feed, tfjs.Tensor[][], object], ShardSumsOnDevice & { next: UpdateOutput }>;

type Values = Pick<UpdateOutput, 'weights' | 'slots' | 'running'>;

export interface StretchParts {
  readonly engine: Engine;
  readonly whole: WholeStep;
  readonly update: Pick<ResidentUpdate, 'ofStep'>;
  /** Trained weights and moving statistics of the model, which the step reads. */
  readonly variables: readonly [readonly tfjs.Variable[], readonly tfjs.Variable[]];
  readonly clips: boolean;
  /** Numbers that a step tells beside its loss. */
  readonly sums: number;
}

/** What a step leads to, and what those until now tell: losses, sums and probes `[steps, 2 + sums]`, and norms where gradients are clipped. */
interface Held extends Values {
  readonly told: tfjs.Tensor;
  readonly norms: tfjs.Tensor | null;
}

interface Fixed {
  readonly feed: StretchFeed;
  readonly numbers: StretchNumbers;
}

export class Stretch {
  readonly #parts: StretchParts;
  readonly #steps: CompiledLoop<Held, Fixed>;

  constructor(parts: StretchParts) {
    this.#parts = parts;
    const { engine, whole, update, variables, clips } = parts;
    const { tf } = engine;
    const flat = (value: tfjs.Tensor): tfjs.Tensor =>
      tf.reshape(value.dtype === 'float32' ? value : tf.cast(value, 'float32'), [-1]);
    this.#steps = engine.compileLoop(
      (index, { told, norms, slots, ...held }: Held, { feed, numbers }: Fixed): Held => {
        const current = [...held.weights, ...held.running];
        const given = new Map(variables.flat().map((variable, at) => [variable, current[at]]));
        const part = (all: tfjs.Tensor): tfjs.Tensor => partOf(all, index);
        const { loss, sums, next } = whole.nested(given, feedOf(feed, part), slots, update.ofStep(numbers, part));
        const { weights, running, slots: memory, probe, norm } = next;
        const row = tf.concat([loss, ...sums, probe].map(flat));
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
    feed: StretchFeed,
    { numbers, steps, ...from }: { slots: tfjs.Tensor[][]; numbers: StretchNumbers; steps: number },
  ): { results: StretchedResult[]; next: Values } {
    const { engine, variables, clips, sums } = this.#parts;
    const { tf } = engine;
    this.#prepare({ feed, numbers }, from.slots, steps);
    const [weights, running] = variables.map((each) => each.map((variable) => variable.clone()));
    const told = tf.zeros([steps, 2 + sums]);
    const norms = clips ? tf.zeros([steps, 2], 'int32') : null;
    try {
      const held = { weights, running, slots: from.slots, told, norms };
      const ofSteps = [...tensorsOfSteps(feed), numbers.scalars, told, ...(norms === null ? [] : [norms])];
      const { told: all, norms: bits, ...next } = this.#steps(steps, held, { feed, numbers }, ofSteps);
      const results = resultsOf(all.dataSync() as Float32Array, bits?.dataSync<'int32'>() ?? null, steps);
      tf.dispose([all, bits ?? []]);
      return { results, next };
    } finally {
      tf.dispose([weights, running, told, norms ?? []]);
    }
  }

  dispose(): void {
    this.#steps.dispose();
  }

  /** The step is recorded by itself, for arguments like those of the first one, and checked as often as in single steps. */
  #prepare({ feed, numbers }: Fixed, slots: tfjs.Tensor[][], steps: number): void {
    const { engine, whole, update } = this.#parts;
    const { tf } = engine;
    tf.tidy(() => {
      const first = tf.scalar(0, 'int32');
      const part = (all: tfjs.Tensor): tfjs.Tensor => partOf(all, first);
      whole.prepare(steps, feedOf(feed, part), slots, update.ofStep(numbers, part));
    });
  }
}

function resultsOf(told: Float32Array, norms: Int32Array | null, steps: number): StretchedResult[] {
  const width = told.length / steps;
  const results = Array.from({ length: steps }, (_, at): StretchedResult => {
    const [lossSum, ...sums] = told.subarray(at * width, (at + 1) * width);
    const [probe] = sums.splice(-1);
    const finite = Number.isFinite(lossSum) && Number.isFinite(probe);
    const norm = norms === null ? null : normOf(norms.subarray(2 * at, 2 * at + 2));
    return { lossSum, sums, resident: { finite, ...(norm !== null && { gradientNorm: norm }) } };
  });
  const bad = results.findIndex(({ resident }) => !resident.finite);
  return bad < 0 ? results : results.slice(0, bad + 1);
}
