/**
 * Owns: the choice of reporter, and of a live line where there is a terminal for it.
 * Does not: word or draw anything.
 */
import { performance } from 'node:perf_hooks';
import type { RunObserver } from '../common/run_events.js';
import type { TrainConfig } from '../common/train_config.js';
import type { CommandContext } from './context.js';
import type { LiveLine } from './live_line.js';

export interface OpenReporter {
  observer: RunObserver;
  /** One line on standard error, above the live line. */
  say(line: string): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

export async function openReporter({
  config,
  verbose,
  afterCrash,
  context,
}: {
  config: TrainConfig;
  verbose: boolean;
  /** The command that continues a run whose process died without a word. */
  afterCrash: (run: string) => string;
  context: CommandContext;
}): Promise<OpenReporter> {
  const { stdout, stderr, environment } = context;
  if (config.reporter === 'json') {
    const { createJsonReporter } = await import('./report_json.js');
    return {
      observer: createJsonReporter({ out: stdout, err: stderr, afterCrash }),
      say: (line) => stderr.write(`${line}\n`),
      close: () => undefined,
    };
  }
  const now = () => performance.now();
  let live: LiveLine | null = null;
  if (stderr.isTTY && environment.TERM !== 'dumb') {
    const { createLiveLine } = await import('./live_line.js');
    live = createLiveLine({ stream: stderr, now });
  }
  const { createTextReporter } = await import('./report_text.js');
  return {
    observer: createTextReporter({ out: stdout, err: stderr, live, now, verbose, afterCrash }),
    say: (line) => {
      live?.clear();
      stderr.write(`${line}\n`);
    },
    close: () => live?.close(),
  };
}
