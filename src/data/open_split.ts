/** Owns: a split opened where its rows are needed: in memory, or read by a thread beside. */
import { isInMemory, type DataFields, type DataSplit } from '../common/dataset.js';
import { gatherRows } from './gather.js';
import { openAhead, type SplitAhead } from './read_ahead.js';
import type { OpenedSplit } from './sources/source.js';

export function openSplit(split: DataSplit, fields: DataFields): OpenedSplit | SplitAhead {
  if (isInMemory(split)) return { count: split.count, read: (rows, into) => gatherRows(split, rows, into) };
  return openAhead(split, fields);
}
