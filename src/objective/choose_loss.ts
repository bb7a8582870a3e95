/**
 * Owns: the loss of a run that names none and whose model is not compiled: chosen where model and labels leave no other, refused otherwise.
 */
import type { NumericArray } from '../common/dataset.js';
import { UsageError } from '../common/errors.js';
import type { LabeledData } from './labels.js';
import type { OutputKind } from './output_kind.js';
import { product } from './shapes.js';

export interface LossFacts {
  readonly kind: OutputKind;
  /** Of one example. */
  readonly outputShape: readonly number[];
  readonly dataset: Pick<LabeledData, 'labelShape' | 'train' | 'validation'>;
}

/** @throws UsageError LOSS_NEEDED */
export function chooseLoss(facts: LossFacts): string {
  const { kind, outputShape, dataset } = facts;
  const { labelShape, train, validation } = dataset;
  const labels = validation === null ? [train.y] : [train.y, validation.y];
  const outputs = product(outputShape);
  const classes = outputShape[outputShape.length - 1] ?? 1;
  const all = (isRight: (value: number) => boolean): boolean => labels.every((y) => every(y, isRight));
  const isSigmoid = kind === 'sigmoid' || kind === 'from_sigmoid';
  // An index for each of several outputs: nothing else compares one with the other.
  if (
    !isSigmoid &&
    kind !== 'opaque' &&
    classes > 1 &&
    product(labelShape) * classes === outputs &&
    all((value) => value >= 0 && Number.isInteger(value))
  )
    return 'softmax_cross_entropy';
  if (product(labelShape) === outputs) {
    if (isSigmoid && all((value) => value === 0 || value === 1)) return 'sigmoid_cross_entropy';
    if (kind === 'softmax' && classes > 1 && labels.every((y) => areDistributions(y, classes))) return 'softmax_cross_entropy';
  }
  if (classes === 1 && kind === 'softmax') {
    throw new UsageError({
      code: 'LOSS_UNFIT',
      message: 'the model ends in a softmax over one value, which is 1 whatever the model learns',
      next: 'End it in a sigmoid for labels of 0 and 1 (no and yes), or give it one output per class.',
    });
  }
  const ends =
    kind === 'unknown'
      ? 'in no softmax or sigmoid'
      : kind === 'opaque'
        ? 'in a layer of which the graph does not say whether it gives probabilities,'
        : `in ${kind === 'softmax' || kind === 'sigmoid' ? 'a' : 'values made of a'} ${kind.replace('from_', '')}`;
  throw new UsageError({
    code: 'LOSS_NEEDED',
    message:
      `no loss was named, the model is not compiled, and more than one would fit: it ends ${ends} with [${outputShape.join(', ')}] values per example, ` +
      `a label is [${labelShape.join(', ')}]`,
    next:
      kind === 'opaque'
        ? 'Name it with --loss (loss in the library): softmax_cross_entropy_from_logits or sigmoid_cross_entropy_from_logits for logits, ' +
          'categoricalCrossentropy, sparseCategoricalCrossentropy or binaryCrossentropy for probabilities, mean_squared_error for real-valued targets; or compile the model.'
        : 'Name it with --loss (loss in the library): softmax_cross_entropy for one class of several, sigmoid_cross_entropy for yes and no, ' +
          'mean_squared_error for real-valued targets; or compile the model.',
  });
}

function every(y: NumericArray, isRight: (value: number) => boolean): boolean {
  for (let at = 0; at < y.length; at++) if (!isRight(y[at])) return false;
  return true;
}

/** Rows of shares that add up to 1, but for the rounding of float32. */
function areDistributions(y: NumericArray, width: number): boolean {
  for (let row = 0; row < y.length; row += width) {
    let sum = 0;
    for (let at = row; at < row + width; at++) {
      if (!(y[at] >= 0 && y[at] <= 1)) return false;
      sum += y[at];
    }
    if (Math.abs(sum - 1) > width * 2 ** -23) return false;
  }
  return true;
}
