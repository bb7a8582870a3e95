/** Owns: a split opened where its rows are read: from memory, or as its source opens it. */
import { isInMemory, type DataFields, type DataSplit } from '../common/dataset.js';
import { gatherRows } from './gather.js';
import type { OpenedSplit } from './sources/source.js';
import { SOURCES } from './sources/table.js';
import { invariant } from '../common/errors.js';

export async function openSplit(split: DataSplit, fields: DataFields): Promise<OpenedSplit> {
  if (isInMemory(split)) return { count: split.count, read: (rows, into) => gatherRows(split, rows, into) };
  const { open } = SOURCES[split.source];
  invariant(open, `source ${split.source} opens the splits that it stores`);
  return open(split, fields);
}
