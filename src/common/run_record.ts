/**
 * Owns: how a RunEvent becomes one JSON line: the same for `--reporter json` and for `metrics.jsonl` in the run folder.
 * Does not: write lines anywhere (src/report/json.ts, src/coordinator/storage/run_folder/run_folder.ts).
 *
 * The records are public and only ever grow: keys are the event's keys in snake_case, `v` is raised when one would change its meaning.
 */
import type { RunEvent } from './run_events.js';
import { renameKeys, toSnakeCase, type Json } from './snake_case.js';

/** Version of the records. */
export const RECORD_VERSION = 2;

export type RunRecord = { v: typeof RECORD_VERSION; type: RunEvent['type'] } & { [key: string]: Json };

/** `{ type: 'epoch', values: { val_acc: 0.97 }, imagesPerS: 40 }` → `{ v: 2, type: 'epoch', val_acc: 0.97, images_per_s: 40 }`. */
export function runRecord(event: RunEvent): RunRecord {
  const { type, ...fields } = renameKeys(flat(event), toSnakeCase) as { type: RunEvent['type'] } & { [key: string]: Json };
  return { v: RECORD_VERSION, type, ...fields };
}

/** Named values are keys of the record itself. */
function flat(event: RunEvent): object {
  if (event.type === 'epoch') {
    const { type, epoch, values, ...rest } = event;
    return { type, epoch, ...values, ...rest };
  }
  if (event.type !== 'step') return event;
  const { epochValues, imagesPerS, phasesMs, ...rest } = event;
  const named = Object.entries(epochValues).map(([name, value]) => [`epoch_${name}`, value]);
  return { ...rest, ...(Object.fromEntries(named) as Record<string, number>), imagesPerS, phasesMs };
}

/** The record as one line, newline included. JSON knows no NaN or Infinity: they become null. */
export function runRecordLine(event: RunEvent): string {
  return `${JSON.stringify(runRecord(event))}\n`;
}
