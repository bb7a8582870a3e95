/**
 * Owns: the line that says what is waited for before the first step, and for how long already, on a terminal.
 * Does not: know what takes so long (src/api says it), or draw (live_line.ts).
 */
import { barText } from './run_text.js';
import { duration } from './value_text.js';
import type { LiveLine } from './live_line.js';

export interface WaitingLine {
  /** What is under way from now on; with the share that is done, a bar. */
  wait(what: string, share?: number): void;
  /** Nothing is waited for any more. */
  end(): void;
}

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const FRAME_MS = 120;
const BAR_COLUMNS = 20;
/** Before it, a number only flickers. */
const TOLD_AFTER_MS = 1000;

export function createWaitingLine({
  live,
  now,
  columns,
}: {
  live: LiveLine;
  now: () => number;
  columns: () => number;
}): WaitingLine {
  let timer: NodeJS.Timeout | null = null;
  let what = '';
  let done: number | undefined;
  let sinceMs = 0;
  const draw = (): void => live.draw(() => waitingText({ what, done, ms: now() - sinceMs, columns: columns() }));
  return {
    wait(next, share) {
      // One download is one wait.
      if (share === undefined || done === undefined) sinceMs = now();
      what = next;
      done = share;
      // Drawing keeps no process alive.
      timer ??= setInterval(draw, FRAME_MS).unref();
      draw();
    },
    end() {
      if (timer === null) return;
      clearInterval(timer);
      timer = null;
      live.clear();
    },
  };
}

/** `⠹ loading data mnist  12s`, or `⠹ ━━━━╸─────  45 %  fetching …  12s`, in at most `columns`. */
export function waitingText({
  what,
  done,
  ms,
  columns,
}: {
  what: string;
  /** Share of it that is done. */
  done?: number;
  ms: number;
  columns: number;
}): string {
  const frame = FRAMES[Math.floor(ms / FRAME_MS) % FRAMES.length];
  const time = ms < TOLD_AFTER_MS ? '' : `  ${duration(ms / 1000)}`;
  const percent = `${Math.floor(100 * (done ?? 0))} %`.padStart(5);
  const bar = done === undefined ? '' : `${barText({ done, all: 1, columns: BAR_COLUMNS })}${percent}  `;
  return `${frame} ${bar}${what}${time}`.slice(0, Math.max(0, columns));
}
