/** Owns: what the library's calls take for data beside names: arrays, and sequences of examples. */
import type { Dataset } from '../common/dataset.js';
import type { TrainConfig } from '../common/train_config.js';
import { datasetFromArrays, type ArraysSource } from '../data/arrays.js';
import { limitDataset } from '../data/load.js';
import { openSequences, type SequencesSource, type SequenceUse } from '../data/sequence/sequence_dataset.js';
import { isSequence, type SequenceOf } from '../data/sequence/sequence_source.js';
import type { RunRequestWithParts } from './run_request.js';

/** Arrays, sets of examples that come one after the other, or the training examples alone: a tf.data.Dataset, a function that makes an iterator. */
export type GivenData = ArraysSource | SequencesSource | SequenceOf;

type Given = Required<Pick<RunRequestWithParts, 'dataset'>> & Pick<RunRequestWithParts, 'sequences'>;

/** For messages; a function has one that means nothing here. */
export function nameOfData(data: GivenData): string {
  const sets = setsOf(data);
  return sets.name ?? (isSequence(sets.train) ? 'a sequence' : 'arrays');
}

/** Limits applied. Null where nothing is given. */
export async function datasetOf(
  data: GivenData | undefined,
  config: Pick<TrainConfig, 'trainLimit' | 'validationLimit' | 'overfit'>,
  use: SequenceUse,
): Promise<Given | null> {
  if (data === undefined) return null;
  const sets = setsOf(data);
  if (!isSequence(sets.train)) return { dataset: limitDataset<Dataset>(await datasetFromArrays(sets as ArraysSource), config) };
  const { dataset, readers } = await openSequences(sets as SequencesSource, use, config);
  const limits = use === 'evaluated' ? { ...config, trainLimit: null } : config;
  return { dataset: limitDataset<Dataset>(dataset, limits), ...(readers && { sequences: readers }) };
}

function setsOf(data: GivenData): ArraysSource | SequencesSource {
  const isTrain = isSequence(data) && (typeof data === 'function' || !('train' in data));
  return isTrain ? { train: data as SequenceOf } : (data as ArraysSource | SequencesSource);
}
