/**
 * Owns: several steps of a replica that is alone in one call of TensorFlow: the function of one step as often as there are steps, each from what the one before
 * leads to, and all that they tell in one array. What a call costs besides computing is then paid once, which of small models is nearly all of a step.
 * Does not: know the step (resident.ts), or how many there are (coordinator/planes/exact/stretch_length.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { StretchedResult } from '../../common/resident.js';
import { normOf, type CompiledFunction, type Engine } from '../../engine/index.js';
import type { ResidentUpdate, StretchNumbers, UpdateOutput } from './resident_update.js';
import type { Feed } from './train_step.js';

export interface ShardSumsOnDevice {
  readonly loss: tfjs.Tensor;
  readonly sums: tfjs.Tensor[];
}

/** A step of one shard, from slots and numbers of the step: what it tells and what comes of it. */
export type WholeStep = CompiledFunction<[Feed, tfjs.Tensor[][], object], ShardSumsOnDevice & { next: UpdateOutput }>;

type Values = Pick<UpdateOutput, 'weights' | 'slots' | 'running'>;

interface Several {
  /** Of each step its loss, its sums and its probe. */
  readonly told: tfjs.Tensor;
  /** Of each step; null where gradients are not clipped. */
  readonly norms: tfjs.Tensor | null;
  readonly next: Values;
}

/** What the steps take: each by itself, or all in tensors of one batch after the other, and positions `[steps, 4]`. */
export type StretchFeed = { readonly each: readonly Feed[] } | { readonly together: Feed };

export interface StretchParts {
  readonly engine: Engine;
  readonly whole: WholeStep;
  readonly update: Pick<ResidentUpdate, 'each'>;
  /** Trained weights and moving statistics of the model, which the step reads. */
  readonly variables: readonly [readonly tfjs.Variable[], readonly tfjs.Variable[]];
  readonly clips: boolean;
}

export class Stretch {
  readonly #parts: StretchParts;
  readonly #several: CompiledFunction<[StretchFeed, tfjs.Tensor[][], StretchNumbers, number], Several>;

  constructor(parts: StretchParts) {
    this.#parts = parts;
    const { engine, whole, update, variables, clips } = parts;
    const { tf } = engine;
    const flat = (value: tfjs.Tensor): tfjs.Tensor =>
      tf.reshape(value.dtype === 'float32' ? value : tf.cast(value, 'float32'), [-1]);
    this.#several = engine.compile(
      (feed: StretchFeed, slots: tfjs.Tensor[][], numbers: StretchNumbers, steps: number): Several => {
        let held: Values = { weights: [...variables[0]], running: [...variables[1]], slots };
        const feeds = 'each' in feed ? feed.each : this.#apart(feed.together, steps);
        const ofEach = update.each(numbers, steps);
        const told = feeds.map((one, at) => {
          const current = [...held.weights, ...held.running];
          const given = new Map(variables.flat().map((variable, which) => [variable, current[which]]));
          const { loss, sums, next } = whole.nested(given, one, held.slots, ofEach[at]);
          held = next;
          return { values: [loss, ...sums, next.probe].map(flat), norm: next.norm };
        });
        const { weights, running, slots: last } = held;
        return {
          told: tf.concat(told.flatMap(({ values }) => values)),
          norms: clips ? tf.concat(told.map(({ norm }) => tf.reshape(norm, [-1]))) : null,
          next: { weights, running, slots: last },
        };
      },
      { name: 'resident_stretch', verify: false, asRecorded: true },
    );
  }

  /** What came of each step, up to one that is not finite, and what the last one leads to. */
  run(
    feed: StretchFeed,
    slots: tfjs.Tensor[][],
    numbers: StretchNumbers,
    steps: number,
  ): { results: StretchedResult[]; next: Values } {
    this.#prepare(feed, slots, numbers, steps);
    const { told, norms, next } = this.#several(feed, slots, numbers, steps);
    const values = told.dataSync() as Float32Array;
    const bits = norms?.dataSync<'int32'>();
    told.dispose();
    norms?.dispose();
    const width = values.length / steps;
    const results = Array.from({ length: steps }, (_, at): StretchedResult => {
      const [lossSum, ...rest] = values.subarray(at * width, (at + 1) * width);
      const [probe] = rest.splice(-1);
      const finite = Number.isFinite(lossSum) && Number.isFinite(probe);
      const resident = { finite, ...(bits !== undefined && { gradientNorm: normOf(bits.subarray(2 * at, 2 * at + 2)) }) };
      return { lossSum, sums: rest, resident };
    });
    const bad = results.findIndex(({ resident }) => !resident.finite);
    return { results: bad < 0 ? results : results.slice(0, bad + 1), next };
  }

  dispose(): void {
    this.#several.dispose();
  }

  /** The step is recorded by itself, for arguments like those of the first one. */
  #prepare(feed: StretchFeed, slots: tfjs.Tensor[][], numbers: StretchNumbers, steps: number): void {
    const { engine, whole, update } = this.#parts;
    const { tf } = engine;
    tf.tidy(() => {
      const [first] = 'each' in feed ? feed.each : this.#apart(feed.together, 1, (all) => [firstOf(tf, all, steps)]);
      const scalars = firstOf(tf, numbers.scalars, steps);
      whole.prepare(first, slots, update.each({ ...numbers, scalars }, 1)[0]);
    });
  }

  #apart(
    [{ inputs, targets, weights, scales }, positions, regularization]: Feed,
    steps: number,
    cut = (all: tfjs.Tensor): tfjs.Tensor[] => this.#parts.engine.tf.split(all, steps),
  ): Feed[] {
    const fields = [inputs, targets, weights].map((tensors) =>
      Object.entries(tensors).map(([name, all]) => [name, cut(all)] as const),
    );
    return cut(positions).map((position, at) => {
      const [x, y, counted] = fields.map((entries) => Object.fromEntries(entries.map(([name, each]) => [name, each[at]])));
      return [{ inputs: x, targets: y, weights: counted, scales }, this.#parts.engine.tf.reshape(position, [4]), regularization];
    });
  }
}

/** Of so many parts of one size. */
function firstOf(tf: typeof tfjs, all: tfjs.Tensor, parts: number): tfjs.Tensor {
  const [rows, ...shape] = all.shape;
  return tf.slice(
    all,
    all.shape.map(() => 0),
    [rows / parts, ...shape],
  );
}
