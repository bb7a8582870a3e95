/**
 * Owns: a shard's rows as tensors: read from the split, checked where their place in the data is still known, put on the device.
 * Does not: choose rows, or scale them (the recorded step does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { emptyArray, type Dataset, type NumericArray } from '../../common/dataset.js';
import { invariant } from '../../common/errors.js';
import { openSplit } from '../../data/open_split.js';
import type { OpenedSplit } from '../../data/sources/source.js';
import { upload, type Engine } from '../../engine/index.js';
import type { Binding, Bound, TensorBatch } from './bind_fields.js';
import { requireTokens, tokenLimitOf } from './token_check.js';

export type ReadBatch = (rows: Int32Array, split: 'train' | 'validation') => Promise<TensorBatch>;

interface ReaderParts {
  readonly engine: Engine;
  readonly model: tfjs.LayersModel;
  readonly binding: Binding;
  readonly dataset: Dataset;
  /** Whether labels are int32 indices of classes for TensorFlow; all others are float32, whatever they are stored as. */
  readonly indices: boolean;
}

export async function createBatchReader({ engine, model, binding, dataset, indices }: ReaderParts): Promise<ReadBatch> {
  const { name, fields, train, validation } = dataset;
  const splits: Record<'train' | 'validation', OpenedSplit | null> = {
    train: await openSplit(train, fields),
    validation: validation === null ? null : await openSplit(validation, fields),
  };
  const tokenLimit = tokenLimitOf(model);
  const emptyOf = (bound: readonly Bound[], rows: number, type?: 'int32' | 'float32'): Record<string, NumericArray> =>
    Object.fromEntries(
      bound.map(({ field }) => [field.name, emptyArray(type ?? field.type, rows * field.shape.reduce((a, b) => a * b, 1))]),
    );
  const tensorsOf = (bound: readonly Bound[], arrays: Record<string, NumericArray>, rows: number): TensorBatch['inputs'] =>
    Object.fromEntries(bound.map(({ field }) => [field.name, upload(engine, arrays[field.name], [rows, ...field.shape])]));
  return async (rows, which) => {
    const split = splits[which];
    invariant(split, `there is a ${which} set where its rows are asked for`);
    const batch = {
      inputs: emptyOf(binding.inputs, rows.length),
      targets: emptyOf(binding.targets, rows.length, indices ? 'int32' : 'float32'),
    };
    await split.read(rows, batch);
    if (tokenLimit !== null) {
      const { field } = binding.inputs[0];
      requireTokens(tokenLimit, { values: batch.inputs[field.name], rows, scale: field.scale, dataset: name, split: which });
    }
    return {
      inputs: tensorsOf(binding.inputs, batch.inputs, rows.length),
      targets: tensorsOf(binding.targets, batch.targets, rows.length),
    };
  };
}
