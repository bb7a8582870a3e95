/**
 * Owns: a data set of `{ count, read }`, wherever the function is: one pass over every row, for the identity and the labels; later each replica reads the rows of its shards.
 * Does not: know where `read` comes from (module.ts, caller.ts), or check what it gives (read_rows.ts).
 */
import type { DataFields, Dataset, SplitName, StoredSplit } from '../../common/dataset.js';
import { DataError } from '../../common/errors.js';
import type { ArraysSource } from '../arrays.js';
import { assembleDataset, type ReadHashes } from '../assemble.js';
import { inputFields, targetFields } from '../fields.js';
import { isRecord } from '../named.js';
import { failureIn, firstRow, readOnce, requireReadSource, type ReadSource } from './read_rows.js';

/** `train` and `validation` are ReadSources, or what somebody gave for such. */
export type ReadSets = Omit<ArraysSource, 'train' | 'validation'> & { readonly train: unknown; readonly validation?: unknown };

export function isRead(set: unknown): set is ReadSource {
  return isRecord(set) && typeof set.read === 'function';
}

/** `stored` says what a replica's thread opens a split from. @throws DataError DATA_ROWS, DATA_EMPTY, and what assembling throws */
export async function readDataset(
  source: ReadSets & { readonly name: string },
  stored: (which: SplitName) => Pick<StoredSplit, 'source' | 'where'>,
): Promise<Dataset> {
  const { name, train, validation } = source;
  const fail = failureIn(name);
  const sets = Object.entries({ train, ...(validation !== undefined && validation !== null && { validation }) }) as [
    SplitName,
    unknown,
  ][];
  const splits: Partial<Record<SplitName, StoredSplit>> = {};
  const hashes: Record<string, ReadHashes[string]> = {};
  let fields: DataFields | undefined;
  for (const [which, set] of sets) {
    requireReadSource(set, which, fail);
    if (set.count === 0)
      throw new DataError({
        code: 'DATA_EMPTY',
        message: `${name}: the ${which} set is empty`,
        next: 'Give at least one example.',
      });
    fields ??= await fieldsOf(source, set, fail);
    const once = await readOnce(set, fields, which, fail);
    hashes[which] = once.hashes;
    splits[which] = { count: set.count, targets: once.targets, ...stored(which) };
  }
  const parts = { name, fields: fields!, train: splits.train!, validation: splits.validation ?? null };
  return assembleDataset(parts, { hashes });
}

async function fieldsOf(source: ReadSets, train: ReadSource, fail: ReturnType<typeof failureIn>): Promise<DataFields> {
  const { inputs, targets, arrays } = await firstRow(train, 'train', fail);
  const labels = targetFields({ ...source }, targets, [{ ...arrays, count: 1 }], fail);
  // One example says nothing of classes; of an index, all of them do (assemble.ts).
  const named = labels.map(({ classes, ...field }) => ({ ...field, ...(source.classes !== undefined && { classes }) }));
  return { inputs: inputFields(source, inputs, arrays.inputs, fail), targets: named as DataFields['targets'] };
}
