/**
 * Owns: what a data source is: a file of this folder and a row of table.ts.
 *
 * A source makes a Dataset: its fields, the number of its examples, its identity, and splits. A split in memory is read by all replicas from there; one
 * that is stored elsewhere holds what it is opened from, and each replica's thread opens it and reads its own rows.
 */
import type { Batch, DataFields, Dataset, StoredSplit } from '../../common/dataset.js';
import { SETTINGS } from '../../common/settings/table.js';
import type { TrainConfig } from '../../common/train_config.js';
import type { OnDataProgress } from '../progress.js';
import type { SequenceUse } from '../sequence/sequence_dataset.js';

/** Settings that say how files are read. */
export const DATA_OPTIONS = [
  'transpose',
  'inputs',
  'labels',
  'validationFile',
  'scale',
  'dataMemory',
  'labelFile',
  'imageSize',
  'imageFit',
  'imageChannels',
  'imageDepth',
  'onBadFile',
  'overfit',
] as const satisfies readonly (keyof TrainConfig)[];

export type DataConfig = Pick<TrainConfig, 'data' | 'dataDir' | 'trainLimit' | 'validationLimit' | 'seed'> &
  Partial<Pick<TrainConfig, (typeof DATA_OPTIONS)[number]>> & {
    /** What examples that come one after the other are wanted for. Default `refused`. */
    readonly sequences?: SequenceUse;
  };

/** Of a whole configuration what loading reads: plain data that can go to a thread. */
export function dataConfigOf(config: DataConfig): DataConfig {
  const { data, dataDir, trainLimit, validationLimit, seed, sequences = 'refused' } = config;
  const options = DATA_OPTIONS.flatMap((name) => (config[name] === undefined ? [] : [[name, config[name]]]));
  return { data, dataDir, trainLimit, validationLimit, seed, sequences, ...(Object.fromEntries(options) as Partial<DataConfig>) };
}

export function memoryBytesOf({ dataMemory = SETTINGS.dataMemory.default }: DataConfig): number {
  return dataMemory * 2 ** 20;
}

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
