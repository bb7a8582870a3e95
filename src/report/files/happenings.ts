/** Owns: the lines of logs/run.log that tell what happened to a run's processes, in words. Does not: read the file. */
import { isErrorLike } from '../../common/error_facts.js';
import type { Happening } from './page.js';

type Entry = Readonly<Record<string, unknown>>;

/** Of each line that is one; a last line that was cut short is none. */
export function happeningsOf(log: string): Happening[] {
  return log.split('\n').flatMap((line) => {
    const entry = entryOf(line);
    const text = entry && wordsOf(entry);
    return text == null ? [] : [{ time: String(entry?.time ?? ''), text, type: String(entry?.type ?? '') }];
  });
}

function entryOf(line: string): Entry | null {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === 'object' && entry !== null && !Array.isArray(entry) ? (entry as Entry) : null;
  } catch (error) {
    if (isErrorLike(error)) return null;
    throw error;
  }
}

/** Of a line of the log, or a record; null for what is none of these. */
export function wordsOf(entry: Entry): string | null {
  switch (entry.type) {
    case 'start':
      return `start on ${Array.isArray(entry.replicas) ? entry.replicas.join(', ') : 'no replica yet'}`;
    case 'worker_join':
    case 'worker_leave':
    case 'worker_lost':
      return String(entry.detail);
    case 'warn':
    case 'error':
      return `${String(entry.type)} ${String(entry.code)}: ${String(entry.message)}`;
    case 'end':
      return `end (${String(entry.reason)}) after ${String(entry.epochs)} epochs, ${String(entry.steps)} steps`;
    case undefined:
      return typeof entry.message === 'string' ? entry.message : null;
    default:
      return null;
  }
}
