/** Owns: the records in the text of a metrics.jsonl. Does not: read files. */
import type { RunRecord } from '../../common/run_record.js';

/** Lines that are records; a last one that was cut short is none. */
export function recordsIn(text: string): RunRecord[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line) as RunRecord] : []));
}
