/**
 * Owns: what a model says of the validation examples against their labels: exact counts of each pair of classes, and the examples it is most
 * confidently wrong about, with their pictures where they are pictures.
 * Does not: compute the model (replicas did) or show anything (src/report/files/classes_section.ts).
 */
import { emptyArray, isInMemory, type DataFields, type DataSplit, type Field, type NumericArray } from '../common/dataset.js';
import type { JudgedClasses } from '../common/judged_classes.js';
import { gatherRows } from './gather.js';
import { openStored } from './open_stored.js';
import { pictureShape, pngOf } from './picture.js';

/** Which class the model says each validation example is, after how much training. */
export interface ToldClasses {
  readonly epoch: number;
  readonly step: number;
  readonly classes: Int32Array;
  readonly probabilities: Float32Array;
}

export interface Validated {
  readonly fields: DataFields;
  readonly validation: DataSplit;
  /** Of classes that have names. */
  readonly classNames?: readonly string[] | undefined;
}

export const MOST_WRONG = 24;

/** Of the whole validation split, in the order of its rows. */
export async function judgeClasses(told: ToldClasses, { fields, validation, classNames }: Validated): Promise<JudgedClasses> {
  const { epoch, step, classes, probabilities } = told;
  const labels = labelsOf(fields.targets[0], validation.targets[fields.targets[0].name]);
  const counts = new Map<number, Map<number, number>>();
  const wrong: number[] = [];
  let largest = 1;
  classes.forEach((said, row) => {
    const is = labels(row);
    const of = counts.get(is) ?? new Map<number, number>();
    counts.set(is, of.set(said, (of.get(said) ?? 0) + 1));
    largest = Math.max(largest, is, said);
    if (is !== said) wrong.push(row);
  });
  // What has diverged gives NaN: no confidence.
  const confidence = (row: number): number => (Number.isFinite(probabilities[row]) ? probabilities[row] : 0);
  const rows = wrong.sort((a, b) => confidence(b) - confidence(a) || a - b).slice(0, MOST_WRONG);
  const pictures = await picturesOf({ fields, validation }, rows);
  return {
    ...{ epoch, step, examples: classes.length, right: classes.length - wrong.length, classes: largest + 1 },
    ...(classNames !== undefined && { names: classNames }),
    pairs: inOrder(counts).flatMap(([is, of]) => inOrder(of).map(([said, count]) => ({ is, said, count }))),
    wrong: rows.map((row, at) => ({
      ...{ row, is: labels(row), said: classes[row], probability: probabilities[row], picture: pictures[at] },
    })),
  };
}

function inOrder<T>(values: ReadonlyMap<number, T>): [number, T][] {
  return [...values].sort(([a], [b]) => a - b);
}

/** Class of a row: its number as it is, yes or no from one half on, or the largest of its shares. */
function labelsOf({ shape, classes }: Field, values: NumericArray): (row: number) => number {
  const size = shape.reduce((a, b) => a * b, 1);
  if (size === 1) return (row) => (classes === undefined ? Math.round(values[row]) : values[row]);
  return (row) => {
    let largest = 0;
    for (let at = 1; at < size; at++) if (values[row * size + at] > values[row * size + largest]) largest = at;
    return largest;
  };
}

/** In the order of `rows`; nulls where the examples are no pictures. */
async function picturesOf({ fields, validation }: Validated, rows: readonly number[]): Promise<(Buffer | null)[]> {
  const [input, ...others] = fields.inputs;
  const shape = others.length > 0 ? null : pictureShape(input.shape);
  if (shape === null || rows.length === 0) return rows.map(() => null);
  const size = shape.height * shape.width * shape.channels;
  const values = emptyArray(input.type, rows.length * size);
  const batch = { inputs: { [input.name]: values }, targets: {} };
  if (isInMemory(validation)) gatherRows(validation, Int32Array.from(rows), batch);
  else await (await openStored(validation, fields)).read(Int32Array.from(rows), batch);
  return rows.map((_, at) => pngOf(values.subarray(at * size, (at + 1) * size), shape));
}
