/** Owns: a stored split opened by its source. */
import type { DataFields, StoredSplit } from '../common/dataset.js';
import { invariant } from '../common/errors.js';
import { CALLER, openCaller } from './sources/caller.js';
import type { OpenedSplit } from './sources/source.js';
import { SOURCES } from './sources/table.js';

export async function openStored(split: StoredSplit, fields: DataFields): Promise<OpenedSplit> {
  if (split.source === CALLER) return openCaller(split, fields);
  const { open } = SOURCES[split.source];
  invariant(open, `source ${split.source} opens the splits that it stores`);
  return open(split, fields);
}
