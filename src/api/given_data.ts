/** Owns: what the library's calls take for data beside names: arrays, rows that are read, and sequences of examples. */
import { UNNAMED, type Dataset } from '../common/dataset.js';
import type { TrainConfig } from '../common/train_config.js';
import { datasetFromArrays, type ArraysSource } from '../data/arrays.js';
import { limitDataset } from '../data/load.js';
import { readByCaller } from '../data/sources/caller.js';
import { isRead } from '../data/sources/read_dataset.js';
import type { ReadSource } from '../data/sources/read_rows.js';
import { openSequences, type SequencesSource, type SequenceUse } from '../data/sequence/sequence_dataset.js';
import { isSequence, type SequenceOf } from '../data/sequence/sequence_source.js';
import type { RunRequestWithParts } from './run_request.js';

/** Sets of rows that the program reads, where they do not fit in memory: docs/data.md, "Rows that are read". */
export interface RowsSource extends Omit<ArraysSource, 'train' | 'validation'> {
  readonly train: ReadSource;
  readonly validation?: ReadSource | null;
}

/** Arrays, rows that are read, sets of examples that come one after the other, or the training examples alone: a tf.data.Dataset, a function that makes an iterator. */
export type GivenData = ArraysSource | RowsSource | SequencesSource | SequenceOf;

type Given = Required<Pick<RunRequestWithParts, 'dataset'>> & Pick<RunRequestWithParts, 'sequences'>;

/** For messages; a function has one that means nothing here. */
export function nameOfData(data: GivenData): string {
  const sets = setsOf(data);
  return sets.name ?? UNNAMED[isSequence(sets.train) ? 'sequence' : isRead(sets.train) ? 'rows' : 'arrays'];
}

type Limits = Pick<TrainConfig, 'trainLimit' | 'validationLimit' | 'overfit'>;

/** What `work` does with the data, limits applied; with null where none are given, or only their name. They are let go of after it. */
export async function withData<Result>(
  data: GivenData | string | undefined,
  { config, use }: { readonly config: Limits; readonly use: SequenceUse },
  work: (given: Given | null) => Promise<Result>,
): Promise<Result> {
  if (data === undefined || typeof data === 'string') return work(null);
  const sets = setsOf(data);
  if (!isRead(sets.train)) return work(await datasetOf(sets, config, use));
  const { dataset, close } = await readByCaller({ ...(sets as RowsSource), name: nameOfData(data) });
  try {
    return await work({ dataset: limitDataset<Dataset>(dataset, config) });
  } finally {
    close();
  }
}

async function datasetOf(sets: ReturnType<typeof setsOf>, config: Limits, use: SequenceUse): Promise<Given> {
  if (!isSequence(sets.train)) return { dataset: limitDataset<Dataset>(await datasetFromArrays(sets as ArraysSource), config) };
  const { dataset, readers } = await openSequences(sets as SequencesSource, use, config);
  const limits = use === 'evaluated' ? { ...config, trainLimit: null } : config;
  return { dataset: limitDataset<Dataset>(dataset, limits), ...(readers && { sequences: readers }) };
}

function setsOf(data: GivenData): ArraysSource | RowsSource | SequencesSource {
  const isTrain = isSequence(data) && (typeof data === 'function' || !('train' in data));
  return isTrain ? { train: data as SequenceOf } : (data as ArraysSource | RowsSource | SequencesSource);
}
