/** Owns: the lines of logs/run.log that tell what happened to a run's processes, in words. Does not: read the file. */
import { isErrorLike } from '../../common/error_facts.js';
import type { Happening } from './page.js';

type Entry = Readonly<Record<string, unknown>>;

/** Of each line that is one; a last line that was cut short is none. */
export function happeningsOf(log: string): Happening[] {
  const entries = log
    .split('\n')
    .map(entryOf)
    .filter((entry) => entry !== null);
  const places = placesOf(entries);
  return entries.flatMap((entry, index) => {
    const text = wordsOf(entry);
    if (text === null) return [];
    return [{ time: String(entry.time ?? ''), text, type: String(entry.type ?? ''), at: places[index] }];
  });
}

interface Mark {
  readonly index: number;
  readonly at: number;
}

/**
 * Where in the run each line was written, in epochs: that of starts and saved states is known, between two of one start by their times, after the last by
 * its own. Null where none is known: before the first start, and where nobody knows how many steps an epoch has.
 */
function placesOf(entries: readonly Entry[]): (number | null)[] {
  const places = entries.map((): number | null => null);
  let perEpoch: number | null = null;
  let last: Mark | null = null;
  const fill = (until: number, place: (index: number) => number): void => {
    for (let index = (last?.index ?? until) + 1; index < until; index++) places[index] = place(index);
  };
  for (const [index, entry] of entries.entries()) {
    if (entry.type !== 'start' && entry.type !== 'state') continue;
    if (entry.type === 'start') perEpoch = stepsPerEpochOf(entry);
    const at: number = perEpoch === null ? NaN : entry.type === 'start' ? (last?.at ?? 0) : Number(entry.step) / perEpoch;
    const before: Mark | null = last;
    if (before !== null)
      fill(index, (one) =>
        entry.type === 'start' ? before.at : before.at + (at - before.at) * passed(entries, one, before, index),
      );
    places[index] = Number.isFinite(at) ? at : null;
    last = Number.isFinite(at) ? { index, at } : null;
  }
  const end = last;
  if (end !== null) fill(entries.length, () => end.at);
  return places;
}

/** Which share of the time between two lines was over, from 0 to 1. */
function passed(entries: readonly Entry[], index: number, { index: from }: Mark, to: number): number {
  const [time, first, end] = [index, from, to].map((at) => Date.parse(String(entries[at].time)));
  const share = (time - first) / (end - first);
  return Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0;
}

function stepsPerEpochOf({ plan }: Entry): number | null {
  const steps: unknown = typeof plan === 'object' && plan !== null && 'stepsPerEpoch' in plan ? plan.stepsPerEpoch : null;
  return typeof steps === 'number' && steps > 0 ? steps : null;
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
