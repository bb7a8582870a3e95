/**
 * Owns: whether the labels of a data set are ones that a loss has a meaning for; the first that is not is named with its place.
 * Does not: compare their shape with the model's output (worker/losses.ts does).
 */
import type { Dataset, NumericArray } from '../common/dataset.js';
import { DataError } from '../common/errors.js';
import type { LossName } from '../common/train_config.js';

interface LabelRange {
  readonly least: number;
  readonly most: number;
  /** What a label is to the loss, after "wants". */
  readonly wants: string;
  readonly next: string;
}

/** Of losses that take any real value: none. */
const RANGES: Partial<Record<LossName, LabelRange>> = {
  softmax_cross_entropy: {
    least: 0,
    most: 1,
    wants: 'shares from 0 to 1 in the rows of labels',
    next:
      'Write one-hot rows with 0 and 1, divide rows of 0 and 255 by 255 and rows of class weights by the largest weight; ' +
      'for real-valued targets choose --loss mean_squared_error.',
  },
  sigmoid_cross_entropy: {
    least: 0,
    most: 1,
    wants: 'probabilities from 0 to 1',
    next: 'Write no and yes as 0 and 1, divide a mask of 0 and 255 by 255; for real-valued targets choose --loss mean_squared_error.',
  },
};

export type LabeledData = Pick<Dataset, 'name' | 'labelShape' | 'classes' | 'train' | 'validation'>;

/** Whether the loss takes `labelShape: []` as indices of classes; others take it as one value. */
export function takesClassIndices(loss: LossName, { labelShape }: Pick<Dataset, 'labelShape'>): boolean {
  return loss === 'softmax_cross_entropy' && labelShape.length === 0;
}

/** @throws DataError DATA_LABELS */
export function requireLabels(loss: LossName, dataset: LabeledData): void {
  const width = dataset.labelShape.reduce((product, extent) => product * extent, 1);
  const splits: [string, NumericArray][] = [
    ['train', dataset.train.y],
    ['validation', dataset.validation.y],
  ];
  for (const [split, y] of splits) {
    const found = (at: number): string => {
      const place = width === 1 ? '' : ` in value ${at % width}`;
      return `${dataset.name}: label ${Math.floor(at / width)} of the ${split} set is ${y[at]}${place}`;
    };
    if (takesClassIndices(loss, dataset)) {
      const at = firstNoIndex(y);
      if (at === -1) continue;
      const wanted =
        dataset.classes === undefined ? 'a whole number of at least 0' : `a whole number from 0 to ${dataset.classes - 1}`;
      throw refuse(
        `${found(at)}, wanted ${wanted}: ${loss} takes a label of one value for the index of a class`,
        'Number the classes from 0, or choose a loss for real-valued targets, such as --loss mean_squared_error.',
      );
    }
    const range = RANGES[loss];
    if (range === undefined) continue;
    const at = firstOutside(y, range);
    if (at !== -1) throw refuse(`${found(at)}, and ${loss} wants ${range.wants}`, range.next);
  }
}

function firstNoIndex(y: NumericArray): number {
  if (y instanceof Uint8Array) return -1;
  for (let at = 0; at < y.length; at++) if (!(y[at] >= 0 && Number.isInteger(y[at]))) return at;
  return -1;
}

function firstOutside(y: NumericArray, { least, most }: LabelRange): number {
  for (let at = 0; at < y.length; at++) if (!(y[at] >= least && y[at] <= most)) return at;
  return -1;
}

function refuse(message: string, next: string): DataError {
  return new DataError({ code: 'DATA_LABELS', message, next });
}
