/**
 * Owns: a shard's rows as tensors: read from the split, checked where their place in the data is still known, put on the device.
 * Does not: choose rows, or scale them (the recorded step does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { performance } from 'node:perf_hooks';
import type { ShardAssignment } from '../../common/replica.js';
import { emptyArray, isInMemory, type Batch, type Dataset, type DataSplit, type NumericArray } from '../../common/dataset.js';
import { invariant } from '../../common/errors.js';
import { gather } from '../../data/gather.js';
import { openSplit } from '../../data/open_split.js';
import type { OpenedSplit } from '../../data/sources/source.js';
import { upload, type Engine } from '../../engine/index.js';
import type { Binding, Bound, TensorBatch } from './bind_fields.js';
import { requireTokens, tokenLimitsOf } from './token_check.js';

export interface RowsAsked {
  readonly split: 'train' | 'validation';
  readonly rows: Int32Array;
  /** The whole global batch, where masks are counted over it. */
  readonly batchRows: Int32Array;
  readonly ahead?: ShardAssignment['ahead'] | undefined;
}

export type ReadBatch = (asked: RowsAsked) => Promise<TensorBatch>;

/** Positions of each masked output that count, by the names of their targets. */
export type CountPositions = (inputs: TensorBatch['inputs']) => Record<string, tfjs.Tensor>;

interface ReaderParts {
  readonly engine: Engine;
  readonly model: tfjs.LayersModel;
  readonly binding: Binding;
  readonly dataset: Dataset;
  /** By target: whether labels are int32 indices of classes for TensorFlow; all others are float32, whatever they are stored as. */
  readonly indices: readonly boolean[];
  /** Null where no output is masked. */
  readonly countPositions: CountPositions | null;
  /** Hears how long it was waited for rows that are not in memory, ms. */
  readonly waited: (ms: number) => void;
}

export async function createBatchReader(parts: ReaderParts): Promise<ReadBatch> {
  const { engine, model, binding, dataset, indices, countPositions, waited } = parts;
  const { name, fields, train, validation } = dataset;
  const splits: Record<'train' | 'validation', { data: DataSplit; opened: ReturnType<typeof openSplit> } | null> = {
    train: { data: train, opened: openSplit(train, fields) },
    validation: validation === null ? null : { data: validation, opened: openSplit(validation, fields) },
  };
  const limits = tokenLimitsOf(model);
  const emptyOf = ({ field }: Bound, rows: number, type: 'uint8' | 'int32' | 'float32'): [string, NumericArray] => [
    field.name,
    emptyArray(type, rows * field.shape.reduce((a, b) => a * b, 1)),
  ];
  const tensorsOf = (bound: readonly Bound[], arrays: Batch['inputs'], rows: number): Record<string, tfjs.Tensor> =>
    Object.fromEntries(bound.map(({ field }) => [field.name, upload(engine, arrays[field.name], [rows, ...field.shape])]));
  const inputsOf = (rows: number): Record<string, NumericArray> =>
    Object.fromEntries(binding.inputs.map((bound) => emptyOf(bound, rows, bound.field.type)));

  const weightsOf = ({ weights = {}, count }: DataSplit, rows: Int32Array): Record<string, tfjs.Tensor> => {
    const weighted = binding.targets.filter(({ field }) => weights[field.name] !== undefined);
    return Object.fromEntries(
      weighted.map(({ field }) => {
        const values = new Float32Array(rows.length);
        gather(weights[field.name], count, rows, values);
        return [field.name, upload(engine, values, [rows.length])];
      }),
    );
  };

  const scalesOf = async (split: OpenedSplit, batchRows: Int32Array): Promise<Record<string, tfjs.Tensor>> => {
    if (countPositions === null) return {};
    const { tf } = engine;
    const into = { inputs: inputsOf(batchRows.length), targets: {} };
    await split.read(batchRows, into);
    const inputs = tensorsOf(binding.inputs, into.inputs, batchRows.length);
    const counts = countPositions(inputs);
    const scales = Object.entries(counts).map(([target, count]) => {
      const positions = count.dataSync()[0];
      return [target, tf.scalar(positions === 0 ? 0 : batchRows.length / positions)];
    });
    tf.dispose([inputs, counts] as unknown as tfjs.TensorContainer);
    return Object.fromEntries(scales) as Record<string, tfjs.Tensor>;
  };

  return async ({ split: which, rows, batchRows, ahead }) => {
    const split = splits[which];
    invariant(split, `there is a ${which} set where its rows are asked for`);
    const targets = binding.targets.map((bound, at) => emptyOf(bound, rows.length, indices[at] ? 'int32' : 'float32'));
    const batch: Batch = { inputs: inputsOf(rows.length), targets: Object.fromEntries(targets) };
    const begin = performance.now();
    const reading = split.opened.read(rows, batch);
    if (ahead !== undefined && 'ahead' in split.opened) split.opened.ahead(ahead.rows, ahead.most);
    await reading;
    if (!isInMemory(split.data)) waited(performance.now() - begin);
    limits.forEach((limit, at) => {
      if (limit === null) return;
      const { field } = binding.inputs[at];
      requireTokens(limit, { values: batch.inputs[field.name], rows, scale: field.scale, dataset: name, split: which });
    });
    const scales = await scalesOf(split.opened, batchRows);
    return {
      inputs: tensorsOf(binding.inputs, batch.inputs, rows.length),
      targets: tensorsOf(binding.targets, batch.targets, rows.length),
      weights: weightsOf(split.data, rows),
      scales,
    };
  };
}
