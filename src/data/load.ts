/**
 * Owns: the way from a run's configuration to its data set.
 * Does not: read any format (the sources do, sources/table.ts).
 *
 * What was asked for is loaded or refused; nothing is ever put in its place.
 */
import { existsSync } from 'node:fs';
import {
  isInMemory,
  UNNAMED,
  type DataSequence,
  type Dataset,
  type DataSplit,
  type Field,
  type NumericArray,
  type SequenceFacts,
} from '../common/dataset.js';
import { DataError, UsageError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import { product } from './assemble.js';
import type { OnDataProgress } from './progress.js';
import type { DataConfig } from './sources/source.js';
import { SOURCES } from './sources/table.js';

export type { DataConfig } from './sources/source.js';

export interface LoadOptions {
  readonly onProgress?: OnDataProgress;
}

/** @throws DataError, or UsageError where `data` names nothing known. */
export async function loadDataset(config: DataConfig, { onProgress = () => {} }: LoadOptions = {}): Promise<Dataset> {
  const row = Object.values(SOURCES).find(({ isMeant }) => isMeant(config.data));
  if (row !== undefined) {
    // Of a sequence that is evaluated, training examples were not read.
    const limits = config.sequences === 'evaluated' ? { ...config, trainLimit: null } : config;
    return limitDataset(await row.load(config, onProgress), limits);
  }
  if (/^\.{0,2}[/\\]|\.\w+$/.test(config.data) && !existsSync(config.data))
    throw new DataError({
      code: 'DATA_MISSING',
      message: `${config.data} is not there`,
      next: 'Correct the path; it is read from the folder that the command is started in.',
    });
  const known = Object.values(SOURCES).map(({ says }) => says);
  throw new UsageError({
    code: 'DATA_UNKNOWN',
    message: `unknown data ${JSON.stringify(config.data)}`,
    next: Object.values<string>(UNNAMED).includes(config.data)
      ? 'A program gave its own data to the run: give it again, as the setting data.'
      : `Use ${known.slice(0, -1).join(', ')}, or ${known[known.length - 1]}.`,
  });
}

/** The name by which any machine makes the same data; null where each must be given its own. */
export function nameEverywhere(data: string): string | null {
  return Object.values(SOURCES).some(({ everywhere, isMeant }) => everywhere && isMeant(data)) ? data : null;
}

export function isDataModule(data: string): boolean {
  return SOURCES.module.isMeant(data);
}

type Limits = Pick<DataConfig, 'trainLimit' | 'validationLimit' | 'overfit'>;

/**
 * The first N examples of each split, as views of the same memory; null keeps all; `overfit`: of the training split, for both. The identity stays the
 * whole set's.
 * @throws DataError DATA_LIMIT where N is not from 1 to the number of examples.
 */
export function limitDataset<D extends Dataset>(dataset: D, limits: Limits): D {
  const { inputs, targets } = dataset.fields;
  const cut = (split: DataSplit | null, limit: number | null, which: Limited): DataSplit | null => {
    if (limit === null) return split;
    if (split === null) throw beyond(dataset, { limit, which, count: 0 });
    if (!Number.isInteger(limit) || limit < 1 || limit > split.count) throw beyond(dataset, { limit, which, count: split.count });
    const { weights = {} } = split;
    const cutWeights = Object.entries(weights).map(([name, values]) => [name, values.subarray(0, limit)]);
    const kept = {
      ...{ count: limit, targets: heads(targets, split.targets, limit) },
      ...(cutWeights.length > 0 && { weights: Object.fromEntries(cutWeights) as DataSplit['weights'] }),
    };
    return isInMemory(split) ? { ...kept, inputs: heads(inputs, split.inputs, limit) } : { ...split, ...kept };
  };
  const { overfit = null } = limits;
  if (overfit !== null) {
    const few = cut(dataset.train, overfit, 'overfit') ?? dataset.train;
    return { ...dataset, train: few, validation: few };
  }
  if (dataset.sequence !== undefined) return limitSequences(dataset, dataset.sequence, limits, cut);
  const train = cut(dataset.train, limits.trainLimit, 'train') ?? dataset.train;
  return { ...dataset, train, validation: cut(dataset.validation, limits.validationLimit, 'validation') };
}

/** Of a sequence so many examples are read, which is then known of it. */
function limitSequences<D extends Dataset>(
  dataset: D,
  { train, validation, where }: DataSequence,
  limits: Limits,
  cut: (split: DataSplit | null, limit: number | null, which: Limited) => DataSplit | null,
): D {
  const limited = (facts: SequenceFacts, limit: number | null, which: Limited): SequenceFacts => {
    if (limit === null) return facts;
    if (!Number.isInteger(limit) || limit < 1 || limit > (facts.count ?? Infinity))
      throw beyond(dataset, { limit, which, count: facts.count ?? LIMITS.maxReadExamples });
    return { ...facts, count: limit };
  };
  const { trainLimit, validationLimit } = limits;
  return {
    ...dataset,
    validation: validation === null ? cut(dataset.validation, validationLimit, 'validation') : dataset.validation,
    sequence: {
      train: limited(train, trainLimit, 'train'),
      validation: validation && limited(validation, validationLimit, 'validation'),
      where,
    },
  };
}

type Limited = 'train' | 'validation' | 'overfit';

function beyond({ name }: Dataset, { limit, which, count }: { limit: number; which: Limited; count: number }): DataError {
  const flag = which === 'overfit' ? '--overfit' : `--${which}-limit`;
  return new DataError({
    code: 'DATA_LIMIT',
    message: `${flag} is ${limit}, ${name} has ${count === 0 ? 'no' : count} ${which === 'overfit' ? 'train' : which} examples`,
    next: count === 0 ? 'Leave it out.' : `Give a whole number from 1 to ${count}, or leave it out.`,
  });
}

function heads(fields: readonly Field[], arrays: DataSplit['targets'], count: number): Record<string, NumericArray> {
  return Object.fromEntries(fields.map(({ name, shape }) => [name, arrays[name].subarray(0, count * product(shape))]));
}
