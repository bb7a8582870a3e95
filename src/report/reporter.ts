/** Owns: what a reporter is, and the place it reports from. Does not: know which reporters there are (reporters.ts). */
import type { RunObserver } from '../common/run_events.js';

/** What a reporter needs of a stream, so that tests can stand in for a terminal. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  hasColors?(): boolean;
}

export interface OpenReporter {
  observer: RunObserver;
  /** Before the first step: what is under way from now on, and of a download how much of it has come. False where it draws nothing in place. */
  wait(what: string, share?: number): boolean;
  /** Removes what it draws in place, so that a line can be written on standard error. */
  makeRoom(): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

export interface ReporterPlace {
  /** Where it reports: standard output for the one that owns it, standard error for the others. */
  readonly out: TextStream;
  /** For what is no report: warnings, errors, progress. Null where another reporter tells it. */
  readonly err: NodeJS.WriteStream | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly verbose: boolean;
  /** The command that continues a run whose process died without a word. */
  readonly afterCrash: (run: string) => string;
}
