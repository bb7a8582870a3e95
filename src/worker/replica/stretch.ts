/**
 * Owns: several steps of a replica that is alone in one call of TensorFlow: the function of one step as often as there are steps, each from what the one before
 * leads to, and all that they tell in one array. What a call costs besides computing is then paid once, which of small models is nearly all of a step.
 * Does not: know the step (resident.ts), or how many there are (coordinator/planes/exact/stretch_length.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { StretchedResult } from '../../common/resident.js';
import { normOf, type CompiledFunction, type Engine } from '../../engine/index.js';
import type { StepNumbers, UpdateOutput } from './resident_update.js';
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

export class Stretch {
  readonly #whole: WholeStep;
  readonly #several: CompiledFunction<[readonly Feed[], tfjs.Tensor[][], readonly StepNumbers[]], Several>;

  constructor(
    engine: Engine,
    {
      whole,
      variables,
      clips,
    }: {
      readonly whole: WholeStep;
      /** Trained weights and moving statistics of the model, which the step reads. */
      readonly variables: readonly [readonly tfjs.Variable[], readonly tfjs.Variable[]];
      readonly clips: boolean;
    },
  ) {
    this.#whole = whole;
    const { tf } = engine;
    const flat = (value: tfjs.Tensor): tfjs.Tensor =>
      tf.reshape(value.dtype === 'float32' ? value : tf.cast(value, 'float32'), [-1]);
    this.#several = engine.compile(
      (feeds: readonly Feed[], slots: tfjs.Tensor[][], numbers: readonly StepNumbers[]): Several => {
        let held: Values = { weights: [...variables[0]], running: [...variables[1]], slots };
        const steps = feeds.map((feed, at) => {
          const current = [...held.weights, ...held.running];
          const given = new Map(variables.flat().map((variable, which) => [variable, current[which]]));
          const { loss, sums, next } = whole.nested(given, feed, held.slots, numbers[at]);
          held = next;
          return { told: [loss, ...sums, next.probe].map(flat), norm: next.norm };
        });
        const { weights, running, slots: last } = held;
        return {
          told: tf.concat(steps.flatMap(({ told }) => told)),
          norms: clips ? tf.concat(steps.map(({ norm }) => tf.reshape(norm, [-1]))) : null,
          next: { weights, running, slots: last },
        };
      },
      { name: 'resident_stretch', verify: false, asRecorded: true },
    );
  }

  /** What came of each step, up to one that is not finite, and what the last one leads to. */
  run(
    feeds: readonly Feed[],
    slots: tfjs.Tensor[][],
    numbers: readonly StepNumbers[],
  ): { results: StretchedResult[]; next: Values } {
    this.#whole.prepare(feeds[0], slots, numbers[0]);
    const { told, norms, next } = this.#several(feeds, slots, numbers);
    const values = told.dataSync() as Float32Array;
    const bits = norms?.dataSync<'int32'>();
    told.dispose();
    norms?.dispose();
    const width = values.length / feeds.length;
    const results = feeds.map((_, at): StretchedResult => {
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
}
