/** `fitDataset(model, dataset, options)`: tfjs's model.fitDataset on all devices. Each batch is cut into shards as those of fit() are. */
import type * as tfjs from '@tensorflow/tfjs';
import type { Batch, MemorySplit } from '../../common/dataset.js';
import { UsageError } from '../../common/errors.js';
import { wrong } from '../option_checks.js';
import { errorInOptions } from '../option_words.js';
import { allBatches, DatasetStream } from './dataset_stream.js';
import { loadTfjs, requireModel, trainOn, whileTraining, type FitHistory } from './fit.js';
import { assembleFit, pairOf, requireJudgeable, type Pair } from './fit_data.js';
import { planOf, type FitDatasetOptions } from './fit_options.js';
import { refuse, type BatchSource, type FlatRows, type Rows } from './rows.js';

/**
 * Trains a compiled tf.LayersModel in place on a stream of batches, of which one is in memory at a time. Nothing is written to disk.
 * Errors: as fit().
 */
export async function fitDataset(model: tfjs.LayersModel, dataset: BatchSource, options: FitDatasetOptions): Promise<FitHistory> {
  try {
    const tf = await loadTfjs();
    requireModel('fitDataset()', model);
    if (typeof (dataset as Partial<BatchSource> | null)?.iterator !== 'function')
      throw wrong('the dataset', 'a tf.data.Dataset, or an object with iterator()', dataset);
    if ((options as FitDatasetOptions | undefined)?.epochs === undefined)
      throw wrong('epochs', 'given, as tfjs wants it', undefined);
    const asked = planOf('fitDataset()', model, options);
    for (const name of ['batchesPerEpoch', 'validationBatches', 'validationBatchSize'] as const)
      requireCount(name, options[name]);
    return await whileTraining(model, async (warm) => {
      const stream = new DatasetStream({
        ...{ model, source: dataset, batchesPerEpoch: options.batchesPerEpoch ?? null },
        warn: (message) => options.observer?.({ type: 'warn', code: 'DATA_RAN_OUT', message }),
      });
      const first = await stream.first();
      const data = await assembleFit(first, await validationOf(model, options));
      const plan = { ...asked, config: { ...asked.config, batch: first.x.count } };
      return trainOn({
        ...{ tf, call: 'fitDataset()', model, plan, options, warm, dataset: data, inMemory: true, resume: null, batch: null },
        stream: (described) =>
          stream.into((batch) => {
            const rows = putBatch(warm.rows, batch, first);
            requireJudgeable(model, described(), { ...data, train: rows, validation: null });
          }),
      });
    });
  } catch (error) {
    throw errorInOptions(error);
  }
}

/** The batch's rows, where the replicas read them: the first ones of the split. */
function putBatch(split: Batch, batch: Pair, first: Pair): MemorySplit {
  const put = (into: Batch['inputs'], rows: FlatRows, like: FlatRows): Batch['inputs'] => {
    const [[name, values]] = Object.entries(into);
    if (rows.shape.join() !== like.shape.join())
      throw refuse(`a batch has rows of [${rows.shape.join(', ')}], the first one of [${like.shape.join(', ')}]`);
    if (rows.values.length > values.length)
      throw refuse(`a batch has ${rows.count} rows and the first one ${like.count}: the first must be as large as any`);
    const bad = rows.values instanceof Float32Array ? rows.values.findIndex((value) => !Number.isFinite(value)) : -1;
    if (bad !== -1) throw refuse(`a batch has ${rows.values[bad]} among its values, wanted finite numbers`);
    values.set(rows.values);
    return { [name]: values.subarray(0, rows.values.length) };
  };
  return { count: batch.x.count, inputs: put(split.inputs, batch.x, first.x), targets: put(split.targets, batch.y, first.y) };
}

async function validationOf(
  model: tfjs.LayersModel,
  { validationData, validationBatches }: FitDatasetOptions,
): Promise<Pair | null> {
  if (validationData === undefined || validationData === null) return null;
  if (typeof (validationData as Partial<BatchSource>).iterator === 'function')
    return allBatches(model, validationData as BatchSource, validationBatches ?? null);
  if (!Array.isArray(validationData) || validationData.length !== 2)
    throw refuse('validationData is neither [x, y] nor a dataset; weights of validation examples are not taken');
  return pairOf(model, validationData[0] as Rows, validationData[1] as Rows, 'validation ');
}

function requireCount(name: string, value: number | undefined): void {
  if (value === undefined || value === null || (Number.isSafeInteger(value) && value > 0)) return;
  throw new UsageError({
    code: 'OPTION_INVALID',
    message: `${name} must be a whole number of at least 1, found ${String(value)}`,
    next: 'correct the value',
  });
}
