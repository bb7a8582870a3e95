/** `fitDataset(model, dataset, options)`: tfjs's model.fitDataset on all devices. Each batch is cut into shards as those of fit() are. */
import type * as tfjs from '@tensorflow/tfjs';
import { loadTfjs, requireModel } from '../caller_model.js';
import { LIMITS } from '../../common/limits.js';
import { wrong } from '../option_checks.js';
import { errorInOptions } from '../option_words.js';
import { DatasetStream } from './dataset_stream.js';
import { trainOn, whileTraining, type FitHistory } from './fit.js';
import { exampleRows, type ExampleRows } from './example_rows.js';
import { exampleWeights } from './example_weights.js';
import { assembleFit } from './fit_data.js';
import { planOf, type FitDatasetOptions } from './fit_options.js';
import { refuse, type BatchSource } from './rows.js';
import { StreamedRows } from './streamed_rows.js';

/**
 * Trains a compiled tf.LayersModel in place on a stream of batches, of which one is in memory at a time beside those that are read ahead. Nothing is written
 * to disk.
 * Errors: as fit().
 */
export async function fitDataset(model: tfjs.LayersModel, dataset: BatchSource, options: FitDatasetOptions): Promise<FitHistory> {
  try {
    const tf = await loadTfjs();
    requireModel('fitDataset()', model);
    requireSource(dataset);
    if ((options as FitDatasetOptions | undefined)?.epochs === undefined)
      throw wrong('epochs', 'given, as tfjs wants it', undefined);
    const asked = planOf('fitDataset()', model, options);
    for (const name of ['batchesPerEpoch', 'validationBatches', 'validationBatchSize'] as const)
      requireCount(name, options[name]);
    const [prefetch, limit] = [options.prefetch ?? LIMITS.batchesReadAhead, options.batchesPerEpoch ?? null];
    if (!Number.isSafeInteger(prefetch) || prefetch < 0 || prefetch > LIMITS.maxBatchesAhead)
      throw wrong('prefetch', `a whole number of batches, at most ${LIMITS.maxBatchesAhead}`, prefetch);
    return await whileTraining(model, async (warm) => {
      const warn = (message: string): void => options.observer?.({ type: 'warn', code: 'DATA_RAN_OUT', message });
      const isFor = limit === null ? null : asked.config.epochs - asked.initialEpoch;
      const streams = [new DatasetStream({ model, source: dataset, limit, isFor, ahead: prefetch, what: 'the dataset', warn })];
      try {
        const [stream] = streams;
        const first = await stream.first();
        const validation = await validationOf(model, options, { warn, ahead: prefetch, streams });
        const weights = await exampleWeights(model, first, options);
        const data = await assembleFit(first, validation.first, { weights });
        const rows = new StreamedRows(data, (others, changed) => warm.takeData(others, changed));
        const plan = { ...asked, config: { ...asked.config, batch: first.count } };
        return await trainOn({
          ...{ tf, call: 'fitDataset()', model, plan, options, warm, dataset: data, inMemory: true, resume: null, batch: null },
          stream: stream.into(async (batch) => rows.put('train', batch, await exampleWeights(model, batch, options))),
          ...(validation.stream && { validationStream: validation.stream.into((batch) => rows.put('validation', batch)) }),
        });
      } finally {
        for (const stream of streams) stream.close();
      }
    });
  } catch (error) {
    throw errorInOptions(error, { compiled: true });
  }
}

/** @throws UsageError OPTION_INVALID */
export function requireSource(dataset: unknown): asserts dataset is BatchSource {
  if (typeof (dataset as Partial<BatchSource> | null)?.iterator === 'function') return;
  throw wrong('the dataset', 'a tf.data.Dataset, or an object with iterator()', dataset);
}

/** Arrays are there once and for all; a dataset is read at each evaluation, by an iterator of its own. */
async function validationOf(
  model: tfjs.LayersModel,
  { validationData, validationBatches }: FitDatasetOptions,
  { streams, ...told }: { warn: (message: string) => void; ahead: number; streams: DatasetStream[] },
): Promise<{ first: ExampleRows | null; stream?: DatasetStream }> {
  if (validationData === undefined || validationData === null) return { first: null };
  if (typeof (validationData as Partial<BatchSource>).iterator === 'function') {
    const limit = validationBatches ?? null;
    const source = validationData as BatchSource;
    const stream = new DatasetStream({ model, source, limit, isFor: null, what: 'the validation dataset', ...told });
    streams.push(stream);
    return { first: await stream.first(), stream };
  }
  if (!Array.isArray(validationData) || validationData.length !== 2)
    throw refuse('validationData is neither [x, y] nor a dataset; weights of validation examples are not taken');
  return { first: await exampleRows(model, validationData[0], validationData[1], 'validation ') };
}

function requireCount(name: string, value: number | undefined): void {
  if (value === undefined || value === null || (Number.isSafeInteger(value) && value > 0)) return;
  throw wrong(name, 'a whole number of at least 1', value);
}
