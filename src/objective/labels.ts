/**
 * Owns: whether the labels of a data set are ones that a loss has a meaning for; the first that is not is named with its place.
 * Does not: compare their shape with the model's output (shapes.ts does).
 */
import type { NumericArray } from '../common/dataset.js';
import { DataError } from '../common/errors.js';
import type { Loss } from './loss.js';

/** One target of a data set. */
export interface LabeledData {
  readonly name: string;
  /** Of one example. */
  readonly labelShape: readonly number[];
  /** Number of classes, where labels are classes. */
  readonly classes?: number | undefined;
  /** Made up for a measurement: numbers of so many classes. */
  readonly drawn?: true | undefined;
  readonly train: { readonly y: NumericArray };
  /** Null where there is none. */
  readonly validation: { readonly y: NumericArray } | null;
}

/** `classes`: where labels are indices, how many there are; null where the model is not known yet. @throws DataError DATA_LABELS */
export function requireLabels(
  { name, labels }: { name: string; labels: Loss['labels'] },
  dataset: LabeledData,
  { indices, classes }: { indices: boolean; classes: number | null },
): void {
  const width = dataset.labelShape.reduce((product, extent) => product * extent, 1);
  const splits: [string, NumericArray][] = [
    ['train', dataset.train.y],
    ...(dataset.validation === null ? [] : [['validation', dataset.validation.y] satisfies [string, NumericArray]]),
  ];
  for (const [split, y] of splits) {
    const found = (at: number): string => {
      const place = width === 1 ? '' : ` in value ${at % width}`;
      return `${dataset.name}: label ${Math.floor(at / width)} of the ${split} set is ${y[at]}${place}`;
    };
    if (indices) {
      const at = firstWrong(y, (value) => value >= 0 && Number.isInteger(value) && (classes === null || value < classes));
      if (at === -1) continue;
      const wanted = classes === null ? 'a whole number of at least 0' : `a whole number from 0 to ${classes - 1}`;
      throw refuse(
        `${found(at)}, wanted ${wanted}: ${name} takes it for the index of a class`,
        `${startsAt1(splits, classes) ? 'The labels start at 1: subtract 1 from each (in a data module)' : 'Number the classes from 0'}, give the model an output for each, or where they are real-valued targets one output and --loss mean_squared_error.`,
      );
    }
    if (labels.values === null) continue;
    const { isRight, wants, next } = labels.values;
    const at = firstWrong(y, isRight);
    if (at !== -1) throw refuse(`${found(at)}, and ${name} wants ${wants}`, dataset.drawn ? 'Give --classes 2.' : next);
  }
}

function startsAt1(splits: readonly [string, NumericArray][], classes: number | null): boolean {
  return splits.every(([, y]) => firstWrong(y, (value) => value >= 1 && value <= (classes ?? Infinity)) === -1);
}

function firstWrong(y: NumericArray, isRight: (value: number) => boolean): number {
  for (let at = 0; at < y.length; at++) if (!isRight(y[at])) return at;
  return -1;
}

function refuse(message: string, next: string): DataError {
  return new DataError({ code: 'DATA_LABELS', message, next });
}
