/**
 * Owns: how labels of a shape are compared with a model's output: an index of a class for each position, or a value for each output.
 * Does not: look at their values (labels.ts does).
 */
import { TRAIN_INSTEAD } from '../common/dataset.js';
import { UsageError } from '../common/errors.js';
import type { Loss } from './loss.js';

/** Shapes of one example. */
export interface ObjectiveShapes {
  readonly output: readonly number[];
  readonly label: readonly number[];
  readonly classes?: number | undefined;
  readonly drawn?: true | undefined;
}

/** Whether labels are indices of classes; false where they are a value for each output. @throws UsageError LABELS_SHAPE or LOSS_UNFIT */
export function takesIndices(
  { name, loss }: { name: string; loss: Loss },
  { output, label, classes, drawn }: ObjectiveShapes,
): boolean {
  const outputs = product(output);
  const values = product(label);
  const perPosition = output[output.length - 1] ?? 1;
  if (loss.predicts === 'class' && perPosition === 1) {
    throw new UsageError({
      code: 'LOSS_UNFIT',
      message: `the model gives one value per ${output.length > 1 ? 'position' : 'example'}, and the share of a class among one is 1 whatever the model learns (${name})`,
      next: 'Choose --loss sigmoid_cross_entropy for labels of 0 and 1 (no and yes), mean_squared_error for real-valued targets, or give the model one output per class.',
    });
  }
  const couldBeIndices = values * perPosition === outputs && loss.labels.indices !== 'never' && fitsPositions(output, label);
  if (couldBeIndices) {
    if (classes !== undefined && classes > perPosition && label.length === 0)
      throw labelError(
        `the model tells ${perPosition} classes apart, the labels have ${classes}${classes === perPosition + 1 ? ', counted from 0' : ''}`,
        drawn
          ? `Give --classes ${perPosition}.`
          : classes === perPosition + 1
            ? `Where the labels start at 1, subtract 1 from each (in a data module), or give the model ${classes} outputs; otherwise change the last layer, the labels, or --loss.`
            : undefined,
      );
    return true;
  }
  if (outputs === values && loss.labels.indices !== 'always') return false;
  const wanted =
    loss.labels.indices === 'always'
      ? `${name} wants the index of a class for each of its ${outputs / perPosition} positions`
      : '';
  throw labelError(
    `the model gives ${outputs} values per example, a label has ${values} ([${label.join(', ')}])${wanted && `; ${wanted}`}`,
    drawn && drawnAdvice(output),
  );
}

/** `[h, w]` or `[h, w, 1]` where the output is `[h, w, k]`; `[]` or `[1]` where it is `[k]`. */
function fitsPositions(output: readonly number[], label: readonly number[]): boolean {
  const positions = output.slice(0, -1).join();
  return label.join() === positions || (label[label.length - 1] === 1 && label.slice(0, -1).join() === positions);
}

export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The step of another loss takes the same time, but for a last layer of many positions. */
function drawnAdvice(output: readonly number[]): string {
  if (output.length === 1)
    return `bench draws the number of a class for each example: give --loss softmax_cross_entropy --classes ${output[0]}.`;
  return TRAIN_INSTEAD;
}

function labelError(
  message: string,
  next = 'Change the last layer, the labels, or --loss (softmax_cross_entropy takes class indices or one-hot rows).',
): UsageError {
  return new UsageError({ code: 'LABELS_SHAPE', message, next });
}
