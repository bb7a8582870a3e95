/** `fitDataset(model, dataset, options)`: tfjs's model.fitDataset on all devices. Each batch is cut into shards as those of fit() are. */
import type * as tfjs from '@tensorflow/tfjs';
import type { Batch, MemorySplit, NumericArray } from '../../common/dataset.js';
import { UsageError } from '../../common/errors.js';
import { loadTfjs } from '../caller_model.js';
import { wrong } from '../option_checks.js';
import { errorInOptions } from '../option_words.js';
import { allBatches, DatasetStream } from './dataset_stream.js';
import { requireModel, trainOn, whileTraining, type FitHistory } from './fit.js';
import { exampleRows, type ExampleRows, type RowsByName } from './example_rows.js';
import { assembleFit, requireJudgeable } from './fit_data.js';
import { planOf, type FitDatasetOptions } from './fit_options.js';
import { refuse, type BatchSource, type FlatRows } from './rows.js';

/**
 * Trains a compiled tf.LayersModel in place on a stream of batches, of which one is in memory at a time. Nothing is written to disk.
 * Errors: as fit().
 */
export async function fitDataset(model: tfjs.LayersModel, dataset: BatchSource, options: FitDatasetOptions): Promise<FitHistory> {
  try {
    const tf = await loadTfjs();
    requireModel('fitDataset()', model);
    requireOneOutput(model);
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
      const plan = { ...asked, config: { ...asked.config, batch: first.count } };
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
function putBatch(split: Batch, batch: ExampleRows, first: ExampleRows): MemorySplit {
  const put = (values: NumericArray, rows: FlatRows, like: FlatRows): NumericArray => {
    if (rows.shape.join() !== like.shape.join())
      throw refuse(`a batch has rows of [${rows.shape.join(', ')}], the first one of [${like.shape.join(', ')}]`);
    if (rows.values.length > values.length)
      throw refuse(`a batch has ${rows.count} rows and the first one ${like.count}: the first must be as large as any`);
    const bad = rows.values instanceof Float32Array ? rows.values.findIndex((value) => !Number.isFinite(value)) : -1;
    if (bad !== -1) throw refuse(`a batch has ${rows.values[bad]} among its values, wanted finite numbers`);
    values.set(rows.values);
    return values.subarray(0, rows.values.length);
  };
  /** One alone has no name of its own in the split. */
  const side = (into: Batch['inputs'], rows: RowsByName, like: RowsByName): Batch['inputs'] => {
    const names = Object.keys(rows);
    const keys = names.length === 1 ? Object.keys(into) : names;
    return Object.fromEntries(keys.map((key, at) => [key, put(into[key], rows[names[at]], like[names[at]])]));
  };
  return {
    count: batch.count,
    inputs: side(split.inputs, batch.x, first.x),
    targets: side(split.targets, batch.y, first.y),
  };
}

async function validationOf(
  model: tfjs.LayersModel,
  { validationData, validationBatches }: FitDatasetOptions,
): Promise<ExampleRows | null> {
  if (validationData === undefined || validationData === null) return null;
  if (typeof (validationData as Partial<BatchSource>).iterator === 'function')
    return allBatches(model, validationData as BatchSource, validationBatches ?? null);
  if (!Array.isArray(validationData) || validationData.length !== 2)
    throw refuse('validationData is neither [x, y] nor a dataset; weights of validation examples are not taken');
  return exampleRows(model, validationData[0], validationData[1], 'validation ');
}

/** Labels of each batch are judged, and of several outputs they are judged only where replicas are opened. */
function requireOneOutput({ outputNames }: tfjs.LayersModel): void {
  if (outputNames.length === 1) return;
  throw new UsageError({
    code: 'MODEL_INPUTS',
    message: `the model has ${outputNames.length} outputs (${outputNames.join(', ')}), and fitDataset() takes models of one`,
    next: 'Give arrays to fit(), which takes several, or a data module with read(rows) to train().',
  });
}

function requireCount(name: string, value: number | undefined): void {
  if (value === undefined || value === null || (Number.isSafeInteger(value) && value > 0)) return;
  throw wrong(name, 'a whole number of at least 1', value);
}
