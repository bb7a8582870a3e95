/**
 * Owns: what a replica trains and evaluates with: its model bound to the fields of a data set, the steps, and the rows, which may be replaced by others
 * of the same fields.
 * Does not: compute steps (train_step.ts) or choose rows.
 */
import type { BucketLayout } from '../../common/bucket_layout.js';
import { isInMemory, type Dataset, type DataSplit, type SplitName } from '../../common/dataset.js';
import { moduleAugment } from '../../models/user_augment.js';
import type { ModelObjective } from '../../objective/model_objective.js';
import type { Augment } from '../augment/augment.js';
import { drawnRows } from '../augment/drawn_rows.js';
import { openAugment } from '../augment/open_augment.js';
import { bindFields, labelsOf, type Binding, type TensorBatch } from './bind_fields.js';
import { createClassStep, type ClassStep } from './class_step.js';
import { judgedModel } from './describe.js';
import type { OpenedModel } from './opened_model.js';
import { createBatchReader, type CountPositions, type ReadBatch, type RowsAsked } from './read_batch.js';
import type { ShardTask } from './replica_spec.js';
import { createEvaluateStep, createPositionCount, createTrainStep, type EvaluateStep, type TrainStep } from './train_step.js';

export interface JudgedParts extends Omit<OpenedModel, 'binding'> {
  readonly layout: BucketLayout;
}

export class Judged {
  readonly objective: ModelObjective;
  readonly train: TrainStep;
  readonly evaluate: EvaluateStep;
  /** Null for a model that tells no classes. */
  readonly classify: ClassStep | null;
  readonly #parts: JudgedParts;
  readonly #binding: Binding;
  readonly #augment: Augment | null;
  readonly #countPositions: CountPositions | null;
  #read: ReadBatch = () => Promise.reject(new Error('internal: rows are read before there are any'));

  #places: Int32Array | undefined;
  #waitedMs = 0;
  #stepGraph: Uint8Array | null = null;

  private constructor(given: JudgedParts, own: ((...given: never[]) => unknown) | null) {
    const { model, dataset } = given;
    const binding = bindFields(model, dataset);
    const { objective, masks, soft } = judgedModel({ ...given, binding });
    const { augment, softens } = openAugment({ ...given, binding, objective, masks, own });
    const softObjective = softens.includes(true) ? soft(softens) : objective;
    const onGraph = this.hearGraph;
    const parts = { ...given, onGraph, objective, softObjective, augment, binding, masks };
    this.#augment = augment;
    this.objective = objective;
    this.train = createTrainStep(parts);
    this.evaluate = createEvaluateStep(parts);
    this.classify = createClassStep(parts);
    this.#parts = given;
    this.#binding = binding;
    this.#countPositions = createPositionCount(parts);
  }

  /** @throws UsageError or DataError where losses, metrics, model and data do not go together */
  static async open(parts: JudgedParts): Promise<Judged> {
    const judged = new Judged(parts, await moduleAugment(parts.spec.model));
    judged.#read = await judged.#readerOf(parts.dataset);
    return judged;
  }

  /** How long it was waited for rows that are not in memory since this was asked last, ms. */
  takeWaitedMs(): number {
    const ms = this.#waitedMs;
    this.#waitedMs = 0;
    return ms;
  }

  /** A training batch is what its rows hold, whatever step they are of. */
  get isRowsAlone(): boolean {
    return this.#augment === null && this.#countPositions === null;
  }

  /** Keeps the graph of a training step: the newest one. */
  readonly hearGraph = (graphDef: Uint8Array): void => void (this.#stepGraph = graphDef);

  /** As a GraphDef; null before the first step, and where nothing is compiled. */
  get stepGraph(): Uint8Array | null {
    return this.#stepGraph;
  }

  readBatch(asked: RowsAsked): Promise<TensorBatch> {
    return this.#read(asked);
  }

  /** With what its augmentation is keyed by. */
  async trainingBatch(shard: ShardTask): Promise<TensorBatch> {
    const batch = await this.#read({ split: 'train', rows: shard.rows, batchRows: shard.batchRows, ahead: shard.ahead });
    const [augment, { engine, spec }] = [this.#augment, this.#parts];
    if (augment === null) return batch;
    return {
      ...batch,
      drawn: await drawnRows({ engine, seed: spec.seed, augment, readBatch: this.#read, places: this.#places }, shard),
    };
  }

  /** Other rows in the place of those before: nothing computes meanwhile. `changed`: of one split alone. @throws DataError DATA_LABELS */
  async takeData(dataset: Dataset, changed: SplitName | null): Promise<void> {
    const unseen = changed === null ? dataset : { ...dataset, ...LABELS_SEEN_BUT_OF[changed](dataset) };
    this.objective.requireLabels(this.#binding.targets.map((target) => labelsOf(unseen, target)));
    this.#read = await this.#readerOf(dataset);
    this.#places = isInMemory(dataset.train) ? dataset.train.places : undefined;
  }

  #readerOf(dataset: Dataset): Promise<ReadBatch> {
    const { engine, model } = this.#parts;
    const { indices } = this.objective;
    const waited = (ms: number): void => void (this.#waitedMs += ms);
    const bound = { binding: this.#binding, countPositions: this.#countPositions };
    return createBatchReader({ engine, model, dataset, indices, waited, ...bound });
  }
}

/** The labels of the other split were checked when it came: a stream's next batch must not cost a pass over a validation set. */
const LABELS_SEEN_BUT_OF: Readonly<Record<SplitName, (dataset: Dataset) => Partial<Dataset>>> = {
  train: () => ({ validation: null }),
  validation: ({ train }) => {
    const none = Object.entries(train.targets).map(([name, values]) => [name, values.subarray(0, 0)]);
    return { train: { ...train, targets: Object.fromEntries(none) as DataSplit['targets'] } };
  },
};
