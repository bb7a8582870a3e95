/** A data set of one input and one target, seen without their names. */
import {
  INPUT,
  TARGET,
  type Dataset,
  type MemoryDataset,
  type MemorySplit,
  type NumericArray,
} from '../../src/common/dataset.js';

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

/** All in memory, with validation. */
export function plain(dataset: Dataset): PlainData {
  const { name, fields, train, validation, sha256 } = dataset as MemoryDataset;
  const split = (given: MemorySplit | null): PlainSplit => ({
    count: given!.count,
    x: given!.inputs[INPUT],
    y: given!.targets[TARGET],
  });
  const [{ shape: inputShape, scale }] = fields.inputs;
  const [{ shape: labelShape, classes }] = fields.targets;
  return { name, inputShape, labelShape, classes, scale, train: split(train), validation: split(validation), sha256 };
}
