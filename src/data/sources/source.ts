/**
 * Owns: what a data source is: a file of this folder and a row of table.ts.
 *
 * A source makes a Dataset: its fields, the number of its examples, its identity, and splits. A split in memory is read by all replicas from there; one
 * that is stored elsewhere holds what it is opened from, and each replica's thread opens it and reads its own rows.
 */
import type { Batch, DataFields, Dataset, StoredSplit } from '../../common/dataset.js';
import type { TrainConfig } from '../../common/train_config.js';
import type { OnDataProgress } from '../progress.js';

export type DataConfig = Pick<TrainConfig, 'data' | 'dataDir' | 'trainLimit' | 'validationLimit' | 'seed'> &
  Partial<Pick<TrainConfig, 'overfit'>>;

/** One split, as a replica's thread has opened it. */
export interface OpenedSplit {
  readonly count: number;
  /** Copies these rows of the fields that `into` has to the start of its arrays, in that order. */
  read(rows: Int32Array, into: Batch): void | Promise<void>;
}

export interface SourceRow {
  /** What `--data` says to mean it, for messages: `mnist`, `idx (with --data-dir)`. */
  readonly says: string;
  isMeant(data: string): boolean;
  /** Whether any machine makes the same data from the name and the seed; what others are told otherwise is brought by each worker's own user. */
  readonly everywhere: boolean;
  /** @throws DataError, or UsageError where the configuration does not say enough */
  load(config: DataConfig, onProgress: OnDataProgress): Promise<Dataset>;
  /** Of a source that stores splits elsewhere than in memory. Runs in a replica's thread. */
  open?(split: StoredSplit, fields: DataFields): Promise<OpenedSplit>;
}
