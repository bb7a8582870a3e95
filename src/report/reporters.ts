/**
 * Owns: the table of reporters. A new one: its file, its row here, its name in REPORTER_NAMES (src/common/settings/place_settings.ts), its test.
 * Does not: word, draw or open anything (open_reporter.ts opens those that are asked for).
 */
import type { ReporterName } from '../common/settings/place_settings.js';
import type { OpenReporter, ReporterPlace } from './reporter.js';

export interface ReporterRow {
  /** Of several, the one that claims most owns standard output: programs read JSON there, people read text anywhere. */
  readonly claim: number;
  /** Of several, the first that does tells what is no report. */
  readonly speaks: boolean;
  /** Its code is imported when it is asked for: --help stays fast. */
  load(): Promise<(place: ReporterPlace) => Promise<OpenReporter>>;
}

export const REPORTERS: Readonly<Record<ReporterName, ReporterRow>> = {
  text: { claim: 1, speaks: true, load: async () => (await import('./text.js')).openTextReporter },
  json: { claim: 2, speaks: false, load: async () => (await import('./json.js')).openJsonReporter },
};
