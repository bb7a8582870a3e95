/**
 * Owns: the reporters of a run, several at once: exactly one owns standard output, and one tells what is no report.
 * Does not: know any of them (reporters.ts), or word or draw anything.
 */
import { performance } from 'node:perf_hooks';
import type { RunEvent, RunObserver } from '../common/run_events.js';
import type { TrainConfig } from '../common/train_config.js';
import type { CommandContext } from './context.js';
import { REPORTERS } from '../report/reporters.js';
import { printable } from '../common/one_line.js';

export interface OpenReporters {
  observer: RunObserver;
  /** Before the first step: what is under way from now on. */
  wait(what: string): void;
  /** One line on standard error, above a line drawn in place. With the share of a download that has come it is drawn in place itself, where one is. */
  say(line: string, share?: number): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

export async function openReporters({
  config,
  verbose,
  afterCrash,
  context,
}: {
  config: Pick<TrainConfig, 'reporter'>;
  verbose: boolean;
  /** The command that continues a run whose process died without a word. */
  afterCrash: (run: string) => string;
  context: Pick<CommandContext, 'stdout' | 'stderr' | 'environment'>;
}): Promise<OpenReporters> {
  const { stdout, stderr, environment } = context;
  const names = config.reporter;
  const [owner] = [...names].sort((a, b) => REPORTERS[b].claim - REPORTERS[a].claim);
  const speaker = names.find((name) => REPORTERS[name].speaks) ?? owner;
  const open = await Promise.all(
    names.map(async (name) => {
      const openOne = await REPORTERS[name].load();
      const place = { environment, now: () => performance.now(), verbose, afterCrash };
      return openOne({ ...place, out: name === owner ? stdout : stderr, err: name === speaker ? stderr : null });
    }),
  );
  const makeRoom = (): void => open.forEach((reporter) => reporter.makeRoom());
  return {
    observer: (event: RunEvent) => open.forEach((reporter) => reporter.observer(event)),
    wait: (what) => open.forEach((reporter) => reporter.wait(what)),
    say: (line, share) => {
      if (share !== undefined && open.filter((reporter) => reporter.wait(line, share)).length > 0) return;
      makeRoom();
      stderr.write(printable(`${line}\n`));
    },
    close: () => open.forEach((reporter) => reporter.close()),
  };
}
