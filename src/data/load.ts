/**
 * Owns: the way from a run's configuration to its data set.
 * Does not: read any format (the files it calls do).
 *
 * What was asked for is loaded or refused; nothing is ever put in its place.
 */
import type { Dataset, DataSplit, Field, NumericArray } from '../common/dataset.js';
import { DataError, UsageError } from '../common/errors.js';
import type { TrainConfig } from '../common/train_config.js';
import { product } from './assemble.js';
import { loadIdxFolder } from './idx_folder.js';
import { loadMnist } from './mnist.js';
import { loadDataModule } from './module.js';
import type { OnDataProgress } from './progress.js';
import { syntheticDigits } from './synthetic.js';

export type DataConfig = Pick<TrainConfig, 'data' | 'dataDir' | 'trainLimit' | 'validationLimit' | 'seed'>;

export interface LoadOptions {
  readonly onProgress?: OnDataProgress;
}

/** @throws DataError, or UsageError where `data` names nothing known. */
export async function loadDataset(config: DataConfig, { onProgress = () => {} }: LoadOptions = {}): Promise<Dataset> {
  return limitDataset(await loadWhole(config, onProgress), config);
}

async function loadWhole({ data, dataDir, seed }: DataConfig, onProgress: OnDataProgress): Promise<Dataset> {
  if (data === 'mnist') return loadMnist({ dataDir, onProgress });
  if (data === 'synthetic') return syntheticDigits({ seed });
  if (data === 'idx') {
    if (dataDir !== null) return loadIdxFolder(dataDir, onProgress);
    throw new UsageError({
      code: 'DATA_DIR_NEEDED',
      message: 'data idx needs the folder of its files',
      next: 'Add --data-dir FOLDER.',
    });
  }
  if (isDataModule(data)) return loadDataModule(data);
  throw new UsageError({
    code: 'DATA_UNKNOWN',
    message: `unknown data ${JSON.stringify(data)}`,
    next: 'Use mnist, synthetic, idx (with --data-dir), or the path of a module such as ./data.mjs.',
  });
}

export function isDataModule(data: string): boolean {
  return /\.([cm]?[jt]s)$/.test(data);
}

/**
 * The first N examples of each split, as views of the same memory; null keeps all. The identity stays the whole set's.
 * @throws DataError DATA_LIMIT where N is not from 1 to the number of examples.
 */
export function limitDataset(dataset: Dataset, limits: Pick<TrainConfig, 'trainLimit' | 'validationLimit'>): Dataset {
  const cut = (split: DataSplit, limit: number | null, which: string): DataSplit => {
    if (limit === null) return split;
    if (!Number.isInteger(limit) || limit < 1 || limit > split.count) {
      const message = `--${which}-limit is ${limit}, ${dataset.name} has ${split.count} ${which} examples`;
      throw new DataError({
        code: 'DATA_LIMIT',
        message,
        next: `Give a whole number from 1 to ${split.count}, or leave it out.`,
      });
    }
    const { inputs, targets } = dataset.fields;
    return { count: limit, inputs: heads(inputs, split.inputs, limit), targets: heads(targets, split.targets, limit) };
  };
  return {
    ...dataset,
    train: cut(dataset.train, limits.trainLimit, 'train'),
    validation: cut(dataset.validation, limits.validationLimit, 'validation'),
  };
}

function heads(fields: readonly Field[], arrays: DataSplit['inputs'], count: number): Record<string, NumericArray> {
  return Object.fromEntries(fields.map(({ name, shape }) => [name, arrays[name].subarray(0, count * product(shape))]));
}
