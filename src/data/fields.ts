/**
 * Owns: what a user's arrays are, field by field: shapes, scale and classes, as the options say or as the arrays leave no other.
 * Does not: copy arrays, or judge labels (objective/labels.ts).
 */
import { typeOf, type DataFields, type Field, type NumericArray } from '../common/dataset.js';
import { product } from './assemble.js';
import { optionOf, type Named, type Names } from './named.js';
import { text, type Fail } from './share.js';

/** Each one value for one array, a list for a list of arrays, a record for a record of them. */
export interface FieldOptions {
  /** Shape of one example, channels last. */
  readonly inputShape: readonly number[] | readonly (readonly number[])[] | Readonly<Record<string, readonly number[]>>;
  /**
   * `[]` for class indices, `[10]` for one-hot rows or ten targets, `[1]` for one target. Left out: `[]` for integer arrays with one
   * value per example, otherwise `[values per example]`.
   */
  readonly labelShape?: readonly number[] | readonly (readonly number[])[] | Readonly<Record<string, readonly number[]>>;
  /** Number of classes, checked against the labels. Left out: the largest class index + 1, or the row length of one-hot rows. */
  readonly classes?: Named<number>;
  /** The model sees `x * scale`. Default 1. */
  readonly scale?: Named<number>;
}

/** Arrays of `count` examples, of one split or of a part of it. */
export interface GivenArrays {
  readonly count: number;
  readonly inputs: Readonly<Record<string, NumericArray>>;
  readonly targets: Readonly<Record<string, NumericArray>>;
}

/** Of the inputs, before anything is counted. @throws what `fail` makes */
export function inputFields(options: FieldOptions, names: Names, arrays: GivenArrays['inputs'], fail: Fail): Field[] {
  return names.names.map((name) => {
    const shape = optionOf(options.inputShape, { names, name, label: 'inputShape', fail });
    if (!isShape(shape.value)) throw fail(`${shape.label} is ${text(shape.value)}, wanted a list of positive whole numbers`);
    const { label, value: scale = 1 } = optionOf(options.scale, { names, name, label: 'scale', fail });
    if (typeof scale !== 'number' || !Number.isFinite(scale) || scale === 0)
      throw fail(`${label} is ${text(scale)}, wanted a number other than 0`);
    return { name, shape: [...shape.value], type: typeOf(arrays[name]), scale };
  });
}

/** `all` are the arrays that there are, from which a shape or one-hot rows are guessed. @throws what `fail` makes */
export function targetFields(options: FieldOptions, names: Names, all: readonly GivenArrays[], fail: Fail): Field[] {
  return names.names.map((name) => {
    const given = optionOf(options.classes, { names, name, label: 'classes', fail });
    const asked = given.value;
    if (asked !== undefined && !(Number.isInteger(asked) && (asked as number) >= 1))
      throw fail(`${given.label} is ${text(asked)}, wanted a positive whole number`);
    const [{ targets, count }] = all;
    const shape = optionOf(options.labelShape, { names, name, label: 'labelShape', fail });
    const labelShape = shape.value ?? guessLabelShape(targets[name], count);
    if (!isShape(labelShape)) throw fail(`${shape.label} is ${text(labelShape)}, wanted a list of positive whole numbers`);
    const oneHot = (): boolean => all.every((split) => isOneHot(split.targets[name], labelShape));
    const classes = (asked as number | undefined) ?? (oneHot() ? labelShape[0] : undefined);
    if (classes !== undefined && labelShape.length > 0 && labelShape[labelShape.length - 1] !== classes)
      throw fail(`${given.label} is ${classes}, but labels have the shape [${labelShape.join(', ')}]`);
    return {
      ...{ name, shape: [...labelShape], type: typeOf(targets[name]), scale: 1 },
      ...(classes !== undefined && { classes }),
    };
  });
}

/** Examples in an array of inputs. */
export function countOf(values: NumericArray, { shape }: Field, which: string, shapeLabel: string, fail: Fail): number {
  const rowSize = product(shape);
  if (values.length % rowSize === 0) return values.length / rowSize;
  throw fail(`${which} has ${values.length} values, not a multiple of ${rowSize}: ${shapeLabel} is [${shape.join(', ')}]`);
}

export function sameFields({ inputs, targets }: DataFields, types: GivenArrays): boolean {
  return (
    inputs.every(({ name, type }) => typeOf(types.inputs[name]) === type) &&
    targets.every(({ name, type }) => typeOf(types.targets[name]) === type)
  );
}

function isShape(shape: unknown): shape is readonly number[] {
  return Array.isArray(shape) && shape.every((extent) => Number.isInteger(extent) && extent > 0);
}

function guessLabelShape(y: NumericArray, count: number): number[] {
  if (y.length === count && !(y instanceof Float32Array)) return [];
  return [count === 0 ? 1 : Math.max(1, Math.floor(y.length / count))];
}

/** Every row has a single 1 among zeros. */
function isOneHot(y: NumericArray, labelShape: readonly number[]): boolean {
  if (labelShape.length !== 1 || labelShape[0] < 2) return false;
  const width = labelShape[0];
  for (let row = 0; row < y.length; row += width) {
    let ones = 0;
    for (let i = row; i < row + width; i++) {
      if (y[i] === 1) ones++;
      else if (y[i] !== 0) return false;
    }
    if (ones !== 1) return false;
  }
  return true;
}
