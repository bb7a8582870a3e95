/**
 * Owns: what a loss is: a file of this folder and a row of losses.ts.
 * Does not: reduce over examples: sums are exact under sharding, means are not.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { SumSpec } from '../common/objective.js';
import type { OutputKind } from './output_kind.js';

/** Cross-entropies of the engine: `[n]` losses from logits, differentiable. */
export interface CrossEntropies {
  softmaxCrossEntropy(labels: tfjs.Tensor, logits: tfjs.Tensor2D): tfjs.Tensor1D;
  sigmoidCrossEntropy(labels: tfjs.Tensor, logits: tfjs.Tensor): tfjs.Tensor;
}

/** What a loss or metric may use. */
export interface ObjectiveParts {
  readonly tf: typeof tfjs;
  readonly fused: CrossEntropies;
  /** What the graph says about the model's output. */
  readonly kind: OutputKind;
  /** Whether labels are indices of classes, int32 and of one rank less than the output; otherwise they are float32 and of the output's shape. */
  readonly indices: boolean;
}

/** Of labels and output of n examples: values of shape [n, …], whose mean over all but n is the example's loss. */
type LossValues = (labels: tfjs.Tensor, output: tfjs.Tensor) => tfjs.Tensor;

/** Labels that a loss has a meaning for. */
export interface LabelRule {
  /** `never`: a row or value for each output. `allowed`: that, or the index of a class. `always`: an index. */
  readonly indices: 'never' | 'allowed' | 'always';
  /** Null where every finite value means something. */
  readonly values: null | {
    readonly isRight: (value: number) => boolean;
    /** What a label is to the loss, after "wants". */
    readonly wants: string;
    readonly next: string;
  };
}

export interface Loss {
  readonly labels: LabelRule;
  /** Of one example. */
  readonly sum: SumSpec;
  /** Metrics of a run that names none. */
  readonly metrics: readonly string[];
  /** How a prediction is read for accuracy: the largest output, or each output by itself; null for a regression. */
  readonly predicts: 'class' | 'each' | null;
  /** Whether an output that is no probability is a logit to it; otherwise it is taken as it is. */
  readonly readsLogits: boolean;
  /** Outputs are logits whatever the graph says. */
  readonly fromLogits?: true;
  create(parts: ObjectiveParts): LossValues;
}

export const ANY_LABELS: LabelRule = { indices: 'never', values: null };
/** Sums of losses that are never negative. */
export const NOT_NEGATIVE: SumSpec = { kind: 'real', least: 0, most: null };
export const ANY_SUM: SumSpec = { kind: 'real', least: null, most: null };

const REAL_TARGETS = 'for real-valued targets choose --loss mean_squared_error.';

export const SHARES: NonNullable<LabelRule['values']> = {
  isRight: (value) => value >= 0 && value <= 1,
  wants: 'shares from 0 to 1 in the rows of labels',
  next: `Write one-hot rows with 0 and 1, divide rows of 0 and 255 by 255 and rows of class weights by the largest weight; ${REAL_TARGETS}`,
};

export const PROBABILITIES: NonNullable<LabelRule['values']> = {
  isRight: (value) => value >= 0 && value <= 1,
  wants: 'probabilities from 0 to 1',
  next: `Write no and yes as 0 and 1, divide a mask of 0 and 255 by 255; ${REAL_TARGETS}`,
};
