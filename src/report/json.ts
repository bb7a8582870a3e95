/**
 * Owns: the reporter json: one record a line, the same records as metrics.jsonl; warnings and errors in words too, where no other reporter tells them.
 * Does not: form records (src/common/run_record.ts).
 */
import type { RunObserver } from '../common/run_events.js';
import { runRecordLine } from '../common/run_record.js';
import type { OpenReporter, ReporterPlace, TextStream } from './reporter.js';
import { printable } from '../common/one_line.js';

export async function openJsonReporter(place: ReporterPlace): Promise<OpenReporter> {
  return { observer: createJsonReporter(place), wait: () => false, makeRoom: () => undefined, close: () => undefined };
}

/** Step records are written every `logEvery` steps; with null none is. */
export function createJsonReporter({
  out,
  err,
  afterCrash,
}: {
  out: TextStream;
  err: TextStream | null;
  /** The command that continues a run whose process died without a word. */
  afterCrash?: (run: string) => string;
}): RunObserver {
  let logEvery: number | null = null;
  return (event) => {
    if (event.type === 'start') logEvery = event.config.logEvery;
    if (event.type === 'step' && (logEvery === null || event.step % logEvery !== 0)) return;
    // First: who reads the record may kill the process at once.
    if (event.type === 'start' && event.runFolder !== '' && afterCrash)
      err?.write(printable(`should this process die, continue with: ${afterCrash(event.runFolder)}\n`));
    out.write(printable(runRecordLine(event)));
    if (event.type === 'warn') err?.write(printable(`warning ${event.code}: ${event.message}\n`));
    if (event.type === 'error') err?.write(printable(`error ${event.code}: ${event.message}\n`));
  };
}
