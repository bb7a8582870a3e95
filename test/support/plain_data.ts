/** A data set of one input and one target, seen without their names. */
import { INPUT, TARGET, type Dataset, type NumericArray } from '../../src/common/dataset.js';

export interface PlainSplit {
  readonly count: number;
  readonly x: NumericArray;
  readonly y: NumericArray;
}

export interface PlainData {
  readonly name: string;
  readonly inputShape: readonly number[];
  readonly labelShape: readonly number[];
  readonly classes: number | undefined;
  readonly scale: number;
  readonly train: PlainSplit;
  readonly validation: PlainSplit;
  readonly sha256: string;
}

export function plain({ name, fields, train, validation, sha256 }: Dataset): PlainData {
  const split = (given: Dataset['train']): PlainSplit => ({
    count: given.count,
    x: given.inputs[INPUT],
    y: given.targets[TARGET],
  });
  const [{ shape: inputShape, scale }] = fields.inputs;
  const [{ shape: labelShape, classes }] = fields.targets;
  return { name, inputShape, labelShape, classes, scale, train: split(train), validation: split(validation), sha256 };
}
