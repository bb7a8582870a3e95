/**
 * Owns: a run as the terminal sees it, for `train` and `coordinator` alike: reporter, stop signals, target, exit code.
 * Does not: run (the function it is given does) or exit (command_line.ts).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isErrorLike } from '../common/error_facts.js';
import { EXIT, TargetNotMetError, type ExitCode } from '../common/errors.js';
import type { Monitor } from '../common/objective.js';
import type { EndEvent, RunObserver } from '../common/run_events.js';
import { exitCodeOf, type StopRequest } from '../common/stop_request.js';
import type { TrainConfig } from '../common/train_config.js';
import { isBetter, reaches } from '../objective/values.js';
import type { CommandContext } from './context.js';
import type { Call } from './resume_line.js';
import { valueName, valuesApart } from '../report/value_text.js';

/** What a run needs of the session. */
export interface SessionParts {
  observer: RunObserver;
  stop: StopRequest;
  /** One line on standard error, above the live line. */
  say: (line: string, share?: number) => void;
  /** What is under way from now on, before the first step. */
  onWait: (what: string) => void;
  /** Called when the first step begins: from here on a stop finishes it and saves. */
  onFirstStep: () => void;
}

export interface Session {
  context: CommandContext;
  call: Call;
  /** Folder of the run to continue. */
  resume: string | null;
  verbose: boolean;
  /** What the printed command cannot carry: where the token came from. */
  needs?: string | null;
  /** Resolves when the run has ended, told its observer so, and freed what it held. */
  run: (parts: SessionParts) => Promise<EndEvent>;
}

/** @throws TargetNotMetError, and what `run` rejects with */
export async function runSession({ context, call, resume, verbose, needs = null, run }: Session): Promise<ExitCode> {
  const { config } = call;
  const { openReporters } = await import('./open_reporter.js');
  const { resumeLine } = await import('./resume_line.js');
  const afterCrash = (run: string): string => resumeLine(call, { run, kept: true });
  const reporter = await openReporters({ config, verbose, context, afterCrash });
  const watch = await context.watchStop(reporter.say, 'finishing the step and saving');
  const best = bestSeen();
  /** Its settings are on the disk before the start event. */
  let begun: string | null = null;
  const tellResume = (words: string, line: string): void => {
    reporter.say(`${words}${line}`);
    if (needs !== null) reporter.say(`  ${needs}`);
  };
  const observer: RunObserver = (event) => {
    best.observer(event);
    reporter.observer(event);
    if (event.type === 'start' && event.runFolder !== '') begun = event.runFolder;
    if (event.type === 'end' && begun !== null && isUnfinished(event))
      tellResume(RESUME, resumeLine(call, { run: begun, kept: true, done: event.reason === 'max_steps' ? ['max_steps'] : [] }));
  };
  try {
    const end = await run({ observer, stop: watch.request, say: reporter.say, onWait: reporter.wait, onFirstStep: watch.begin });
    if (begun !== null && config.report.includes('page')) tellPage(join(begun, 'report.html'), reporter.say);
    return exitCodeOfEnd(end, config, best.reached());
  } catch (error) {
    if (stoppedBeforeStart(error, watch.request)) {
      if (resume !== null) tellResume(RESUME, resumeLine(call, { run: resume, kept: begun !== null }));
      return exitCodeOf(watch.request.reason);
    }
    throw error;
  } finally {
    reporter.close();
    watch.close();
  }
}

const RESUME = 'resume with: ';

/** Only what is there: a page that could not be written was warned of. */
function tellPage(page: string, say: (line: string) => void): void {
  if (existsSync(page)) say(`report   ${page}`);
}

/** A run that diverged, or failed in its first step, would meet the same again: its error says what to do. */
const isUnfinished = ({ reason, steps }: EndEvent): boolean =>
  !['done', 'stopped_early', 'diverged'].includes(reason) && !(reason === 'failed' && steps === 0);

/** @throws TargetNotMetError where the run came to its own end below `target` */
function exitCodeOfEnd(end: EndEvent, { target, fastDevRun }: TrainConfig, reached: Reached | null): ExitCode {
  if (end.reason === 'interrupted' || end.reason === 'stopped') return exitCodeOf(end.reason);
  if (target !== null && !fastDevRun && !(reached?.value != null && reaches(reached.monitor, reached.value, target))) {
    const name = reached?.monitor.name ?? 'val_acc';
    const [wanted, best] = valuesApart(name, target, reached?.value ?? 0);
    throw new TargetNotMetError({
      code: 'TARGET_NOT_MET',
      message: `the target was ${wanted} ${valueName(name)}, ${reached?.value == null ? 'and no epoch ended' : `the best epoch reached ${best}`}`,
      next: 'train longer (--epochs), or change the learning rate or the target',
    });
  }
  return EXIT.ok;
}

/** Whoever was preparing when the stop came may reject with the signal's reason. */
function stoppedBeforeStart(error: unknown, { asked, hurry }: StopRequest): boolean {
  if (!asked.aborted) return false;
  return error === asked.reason || error === hurry.reason || (isErrorLike(error) && error.name === 'AbortError');
}

interface Reached {
  readonly monitor: Monitor;
  /** Null where no epoch ended. */
  readonly value: number | null;
}

/** The best monitored value of any epoch, those before a resume included; null before a run has begun. */
function bestSeen(): { observer: RunObserver; reached: () => Reached | null } {
  let monitor: Monitor | null = null;
  let best: number | null = null;
  const offer = (name: string, value: number | undefined): void => {
    if (monitor?.name !== name || value === undefined || Number.isNaN(value)) return;
    if (best === null || isBetter(monitor, value, best)) best = value;
  };
  return {
    observer: (event) => {
      if (event.type === 'start') monitor = event.objective.monitor;
      if (event.type === 'epoch' && monitor !== null) offer(monitor.name, event.values[monitor.name]);
      if (event.type === 'end' && event.best !== null) {
        // A run that had nothing left to do begins nothing.
        monitor ??= { name: event.best.monitor, direction: event.best.monitor.endsWith('loss') ? 'min' : 'max' };
        offer(event.best.monitor, event.best.value);
      }
    },
    reached: () => monitor && { monitor, value: best },
  };
}
