/** `evaluate(model, x, y, options)` and `evaluateDataset(model, dataset, options)`: tfjs's calls on all devices. */
import type * as tfjs from '@tensorflow/tfjs';
import type { MemoryDataset } from '../../common/dataset.js';
import { invariant, UsageError } from '../../common/errors.js';
import type { ObjectiveDescription } from '../../common/objective.js';
import type { ParameterSnapshot } from '../../common/replica.js';
import { evaluate as evaluateExactly } from '../../coordinator/planes/exact/evaluate.js';
import { Fleet } from '../../coordinator/planes/exact/fleet/fleet.js';
import { requireShards } from '../../objective/one_shard.js';
import { LIMITS } from '../../common/limits.js';
import { addTotals, noTotals, valuesOf, type Totals } from '../../objective/values.js';
import { judgedSourceOf, loadTfjs, requireModel, sharedWeights } from '../caller_model.js';
import { errorInOptions } from '../option_words.js';
import {
  computingOf,
  DEFAULT_BATCH,
  type Computing,
  type EvaluateDatasetOptions,
  type EvaluateOptions,
} from './compute_options.js';
import { DatasetStream } from './dataset_stream.js';
import { exampleRows } from './example_rows.js';
import { exampleWeights } from './example_weights.js';
import { assembleFit } from './fit_data.js';
import { requireSource } from './fit_dataset.js';
import { refuse, type BatchIterator, type BatchSource, type NamedRows } from './rows.js';
import { StreamedRows } from './streamed_rows.js';
import { warmReplicasOf, type WarmReplicas } from './warm_replicas.js';
import { orClosed, whileFree } from './while_free.js';

/** The loss, or a list of it and the metrics in the order of `model.metricsNames`, as tfjs gives them. */
export type Evaluated = tfjs.Scalar | tfjs.Scalar[];

/**
 * Loss and metrics of a compiled model over rows as fit() takes them. A batch is computed by one replica, so the same bits come from any number of them.
 * Errors: any ExpectedError of common/errors.ts, with `code` and `next`.
 */
export async function evaluate(
  model: tfjs.LayersModel,
  x: NamedRows,
  y: NamedRows,
  options: EvaluateOptions = {},
): Promise<Evaluated> {
  return evaluating('evaluate()', model, options, async (evaluation) => {
    const given = await exampleRows(model, x, y, '');
    if (given.count === 0) throw refuse('x has no rows');
    const data = await assembleFit(given, null, { weights: await exampleWeights(model, given, options) });
    await evaluation.open({ ...data, validation: data.train });
    return evaluation.totalsOf(given.count, options.batchSize ?? DEFAULT_BATCH);
  });
}

/** Loss and metrics over a tf.data.Dataset, anything whose iterator() gives batches `{ xs, ys }`, or such an iterator. Errors: as evaluate(). */
export async function evaluateDataset(
  model: tfjs.LayersModel,
  dataset: BatchSource | BatchIterator,
  options: EvaluateDatasetOptions = {},
): Promise<Evaluated> {
  return evaluating('evaluateDataset()', model, options, async (evaluation) => {
    const warn = (message: string): void => options.onProgress?.(message);
    const limit = options.batches ?? null;
    const source = sourceFrom(dataset);
    const stream = new DatasetStream({
      model,
      source,
      limit,
      isFor: 1,
      ahead: LIMITS.batchesReadAhead,
      what: 'the dataset',
      warn,
    });
    try {
      const first = await stream.first();
      const data = await assembleFit(first, first);
      await evaluation.open(data);
      const rows = new StreamedRows(data, (others, changed) => evaluation.warm.takeData(others, changed));
      stream.into((batch) => rows.put('validation', batch));
      let totals = noTotals(evaluation.objective);
      for (let count = await stream.next(); count !== null; count = await stream.next())
        totals = addTotals(totals, await evaluation.totalsOf(count, count));
      return totals;
    } finally {
      stream.close();
    }
  });
}

async function evaluating(
  call: 'evaluate()' | 'evaluateDataset()',
  model: tfjs.LayersModel,
  options: EvaluateOptions & EvaluateDatasetOptions,
  work: (evaluation: ModelEvaluation) => Promise<Totals>,
): Promise<Evaluated> {
  try {
    const tf = await loadTfjs();
    requireModel(call, model);
    requireCompiled(call, model);
    const warm = warmReplicasOf(model);
    return await whileFree(call, model, warm, async () => {
      const evaluation = new ModelEvaluation({ tf, model, warm, computing: computingOf(call, model, options, warm) });
      const totals = await orClosed(warm, () => work(evaluation));
      const scalars = Object.values(valuesOf(evaluation.objective, totals)).map((value) => tf.scalar(value));
      return scalars.length === 1 ? scalars[0] : scalars;
    });
  } catch (error) {
    throw errorInOptions(error, { compiled: true });
  }
}

interface Parts {
  readonly tf: typeof tfjs;
  readonly model: tfjs.LayersModel;
  readonly warm: WarmReplicas;
  readonly computing: Computing;
}

/** One call's. */
class ModelEvaluation {
  readonly #parts: Parts;
  #objective: ObjectiveDescription | null = null;
  #fleet = new Fleet();
  #parameters: ParameterSnapshot | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get warm(): WarmReplicas {
    return this.#parts.warm;
  }

  get objective(): ObjectiveDescription {
    invariant(this.#objective !== null, 'an evaluation is opened first');
    return this.#objective;
  }

  /** Gives replicas the model's weights, and rows whose validation set is evaluated. */
  async open(dataset: MemoryDataset): Promise<void> {
    const { tf, model, warm, computing } = this.#parts;
    const source = judgedSourceOf(tf, model, computing.config);
    const { replicas, model: described } = await warm.open({ ...computing, source, dataset });
    requireShards(described.objective, 1);
    for (const replica of replicas) this.#fleet.add(replica);
    this.#objective = described.objective;
    this.#parameters = { version: (warm.version += 1), values: sharedWeights(model, described) };
  }

  /** Over so many rows of the validation set, cut into batches. */
  totalsOf(examples: number, batch: number): Promise<Totals> {
    invariant(this.#parameters !== null, 'an evaluation is opened first');
    const { objective } = this;
    return evaluateExactly({ fleet: this.#fleet, objective, examples, batch, shards: 1, parameters: this.#parameters });
  }
}

function sourceFrom(dataset: BatchSource | BatchIterator): BatchSource {
  if (typeof (dataset as Partial<BatchIterator> | null)?.next === 'function')
    return { iterator: () => Promise.resolve(dataset as BatchIterator) };
  requireSource(dataset);
  return dataset;
}

function requireCompiled(call: string, model: tfjs.LayersModel): void {
  if ((model as { optimizer?: object | null }).optimizer != null) return;
  throw new UsageError({
    code: 'MODEL_NOT_COMPILED',
    message: `${call} judges by the loss and metrics that the model is compiled with, and this one is not compiled`,
    next: "Call model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' }) with yours before.",
  });
}
