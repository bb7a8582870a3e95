/**
 * Owns: what one step does to the weights as a graph function's part: divide by the global batch → clip → optimizer → moving statistics, in the order
 * and with the bits of the host (coordinator/planes/exact/update/step_update.ts). Does not: add shards or compile (resident.ts does), or commit (held_versions.ts).
 *
 * What changes from step to step is an argument: a number that is built in would be recorded anew with each value.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { BucketLayout } from '../../common/bucket_layout.js';
import { invariant } from '../../common/errors.js';
import type { Residence } from '../../common/resident.js';
import { endOfFreeArithmetic, globalNorm, keepRounded } from '../../engine/index.js';
import { optimizerProgram, type SlotSpec } from '../../optimizers/optimizer_program.js';
import { alike } from './alike.js';
import { finiteProbe } from './finite_probe.js';
import type { Part } from './stretch_feed.js';
import { graphUpdate } from './graph_update.js';

/** Of one step; tensors that the caller disposes. */
export interface StepNumbers {
  /** Examples in the global batch, and shards that are not empty. */
  readonly batch: tfjs.Tensor;
  readonly shards: tfjs.Tensor;
  /** Scalars of the optimizer, one list for each different learning rate. */
  readonly scalars: tfjs.Scalar[][];
  /** 0 as int32, which no compiler may know. */
  readonly zero: tfjs.Scalar;
}

interface StepAsked {
  readonly learningRate: number;
  readonly step: number;
}

/** Of steps in a row: what does not change, and the optimizer's scalars of each `[steps, scalars]`. */
export interface StretchNumbers extends Omit<StepNumbers, 'scalars'> {
  readonly scalars: tfjs.Tensor;
}

interface UpdateInput {
  /** Sums over all shards. */
  readonly gradients: readonly tfjs.Tensor[];
  readonly statistics: readonly tfjs.Tensor[];
  /** In layout order; by slot, then by trained weight. */
  readonly weights: readonly tfjs.Tensor[];
  readonly slots: readonly (readonly tfjs.Tensor[])[];
  readonly running: readonly tfjs.Tensor[];
  readonly numbers: StepNumbers;
}

export interface UpdateOutput {
  readonly weights: tfjs.Tensor[];
  readonly slots: tfjs.Tensor[][];
  readonly running: tfjs.Tensor[];
  /** Sum of all these: finite only if each of them is. */
  readonly probe: tfjs.Tensor;
  /** Bits of the gradient's norm; a scalar of no meaning where it is not clipped. */
  readonly norm: tfjs.Tensor;
}

export interface ResidentUpdate {
  readonly slots: readonly SlotSpec[];
  numbersOf(step: { globalBatch: number; shards: number } & StepAsked): StepNumbers;
  /** Of steps of one size. */
  stretchNumbersOf(steps: readonly StepAsked[], of: { globalBatch: number; shards: number }): StretchNumbers;
  ofStep(numbers: StretchNumbers, part: Part): StepNumbers;
  apply(input: UpdateInput): UpdateOutput;
}

/** `inOne`: all weights as one array, for a device to which each operation is a launch, and copying nothing. */
export function createResidentUpdate(
  tf: typeof tfjs,
  layout: BucketLayout,
  { optimizer, rates }: Residence,
  { inOne = false }: { inOne?: boolean } = {},
): ResidentUpdate {
  const { slots, program } = optimizerProgram(optimizer);
  const update = graphUpdate(tf, program);
  const factors = [...new Set(rates)];
  const momenta = layout.statistics.map(({ momentum }) => momentum);
  invariant(rates.length === layout.trainedSlots, 'each trained weight has a factor of the learning rate');

  const constantsOf = (globalBatch: number, shards: number): Omit<StepNumbers, 'scalars'> => ({
    batch: tf.scalar(globalBatch),
    shards: tf.scalar(shards),
    zero: tf.scalar(0, 'int32'),
  });
  const scalarsOf = ({ learningRate, step }: StepAsked): number[][] =>
    factors.map((factor) => program.scalars.map((at) => at({ learningRate: learningRate * factor, step })));

  const numbersOf: ResidentUpdate['numbersOf'] = ({ globalBatch, shards, ...asked }) => ({
    ...constantsOf(globalBatch, shards),
    scalars: scalarsOf(asked).map((scalars) => scalars.map((value) => tf.scalar(value))),
  });

  const stretchNumbersOf: ResidentUpdate['stretchNumbersOf'] = (steps, { globalBatch, shards }) => ({
    ...constantsOf(globalBatch, shards),
    scalars: tf.tensor2d(steps.map((step) => scalarsOf(step).flat())),
  });

  const ofStep: ResidentUpdate['ofStep'] = ({ scalars, ...constants }, part) => {
    const own = part(scalars);
    const all = own.size === 0 ? [] : (tf.unstack(own) as tfjs.Scalar[]);
    const { length } = program.scalars;
    return { ...constants, scalars: factors.map((_, at) => all.slice(at * length, (at + 1) * length)) };
  };

  const apply: ResidentUpdate['apply'] = ({ gradients, statistics, weights, slots: memory, running, numbers }) =>
    tf.tidy(() => {
      endOfFreeArithmetic();
      const kept = (value: tfjs.Tensor): tfjs.Tensor => keepRounded(value, numbers.zero);
      const divided = (sum: tfjs.Tensor): tfjs.Tensor => kept(tf.div(sum, numbers.batch));
      const { clipNorm } = optimizer;
      const means = clipNorm === null ? null : gradients.map(divided);
      const clip = clipNorm === null || means === null ? null : globalNorm(means, clipNorm);
      const moved = alike(
        tf,
        { inOne, keys: rates, lists: [means ?? gradients, weights, ...memory] },
        (rate, [sum, ...values]) => {
          const mean = means === null ? divided(sum) : sum;
          const gradient = clip === null ? mean : kept(tf.mul(clip.factor, mean));
          return update([gradient, ...values], numbers.scalars[factors.indexOf(rate)], kept);
        },
      );
      const averaged = alike(tf, { inOne, keys: momenta, lists: [statistics, running] }, (momentum, [sum, value]) => {
        const mean = kept(tf.div(sum, numbers.shards));
        return [tf.add(kept(tf.mul(momentum, value)), kept(tf.mul(1 - momentum, mean)))];
      });
      const [nextWeights = [], ...nextSlots] = moved.lists;
      return {
        weights: nextWeights,
        slots: slots.map((_, at) => nextSlots[at] ?? []),
        running: averaged.lists[0] ?? [],
        probe: finiteProbe(tf, [...moved.arrays, ...averaged.arrays]),
        norm: clip?.bits ?? tf.scalar(0),
      };
    });

  return { slots, numbersOf, stretchNumbersOf, ofStep, apply };
}
