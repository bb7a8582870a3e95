/**
 * Owns: what a replica trains and evaluates with: its model bound to the fields of a data set, the steps, and the rows, which may be replaced by others
 * of the same fields.
 * Does not: compute steps (train_step.ts) or choose rows.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { BucketLayout } from '../../common/bucket_layout.js';
import type { Dataset } from '../../common/dataset.js';
import type { Engine } from '../../engine/index.js';
import type { ModelObjective } from '../../objective/model_objective.js';
import { bindFields, labelsOf, type Binding, type TensorBatch } from './bind_fields.js';
import { judgedModel } from './describe.js';
import { createBatchReader, type CountPositions, type ReadBatch, type RowsAsked } from './read_batch.js';
import type { ReplicaSpec } from './replica_spec.js';
import { createEvaluateStep, createPositionCount, createTrainStep, type EvaluateStep, type TrainStep } from './train_step.js';

interface Parts {
  readonly engine: Engine;
  readonly model: tfjs.LayersModel;
  readonly layout: BucketLayout;
  readonly spec: ReplicaSpec;
  readonly dataset: Dataset;
}

export class Judged {
  readonly objective: ModelObjective;
  readonly train: TrainStep;
  readonly evaluate: EvaluateStep;
  readonly #parts: Parts;
  readonly #binding: Binding;
  readonly #countPositions: CountPositions | null;
  #read: ReadBatch = () => Promise.reject(new Error('internal: rows are read before there are any'));

  #waitedMs = 0;

  private constructor(given: Parts) {
    const { model, dataset } = given;
    const binding = bindFields(model, dataset);
    const { objective, masks } = judgedModel({ ...given, binding });
    const parts = { ...given, objective, binding, masks };
    this.objective = objective;
    this.train = createTrainStep(parts);
    this.evaluate = createEvaluateStep(parts);
    this.#parts = given;
    this.#binding = binding;
    this.#countPositions = createPositionCount(parts);
  }

  /** @throws UsageError or DataError where losses, metrics, model and data do not go together */
  static async open(parts: Parts): Promise<Judged> {
    const judged = new Judged(parts);
    judged.#read = await judged.#readerOf(parts.dataset);
    return judged;
  }

  /** How long it was waited for rows that are not in memory since this was asked last, ms. */
  takeWaitedMs(): number {
    const ms = this.#waitedMs;
    this.#waitedMs = 0;
    return ms;
  }

  readBatch(asked: RowsAsked): Promise<TensorBatch> {
    return this.#read(asked);
  }

  /** Other rows in the place of those before: nothing computes meanwhile. @throws DataError DATA_LABELS */
  async takeData(dataset: Dataset): Promise<void> {
    this.objective.requireLabels(this.#binding.targets.map((target) => labelsOf(dataset, target)));
    this.#read = await this.#readerOf(dataset);
  }

  #readerOf(dataset: Dataset): Promise<ReadBatch> {
    const { engine, model } = this.#parts;
    const { indices } = this.objective;
    const waited = (ms: number): void => void (this.#waitedMs += ms);
    const bound = { binding: this.#binding, countPositions: this.#countPositions };
    return createBatchReader({ engine, model, dataset, indices, waited, ...bound });
  }
}
