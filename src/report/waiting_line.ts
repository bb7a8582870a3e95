/**
 * Owns: the line that says what is waited for before the first step, and for how long already, on a terminal.
 * Does not: know what takes so long (src/api says it), or draw (live_line.ts).
 */
import { duration } from './run_text.js';
import type { LiveLine } from './live_line.js';

export interface WaitingLine {
  /** What is under way from now on. */
  wait(what: string): void;
  /** Nothing is waited for any more. */
  end(): void;
}

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const FRAME_MS = 120;
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
  let sinceMs = 0;
  const draw = (): void => live.draw(() => waitingText({ what, ms: now() - sinceMs, columns: columns() }));
  return {
    wait(next) {
      what = next;
      sinceMs = now();
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

/** `⠹ loading data mnist  12s`, in at most `columns`. */
export function waitingText({ what, ms, columns }: { what: string; ms: number; columns: number }): string {
  const frame = FRAMES[Math.floor(ms / FRAME_MS) % FRAMES.length];
  const time = ms < TOLD_AFTER_MS ? '' : `  ${duration(ms / 1000)}`;
  return `${frame} ${what}${time}`.slice(0, Math.max(0, columns));
}
