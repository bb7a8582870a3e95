/**
 * Owns: one line drawn in place on a terminal, redrawn at most ten times a second, and removed when something else is to be written.
 * Does not: know what the line says (run_text.ts).
 */
import { createLogUpdate } from 'log-update';
import { printable } from '../common/one_line.js';

export interface LiveLine {
  /** Draws the line unless it was drawn a moment ago; `text` is called only when it is. */
  draw(text: () => string): void;
  /** Removes the line; the next `draw` draws at once. */
  clear(): void;
  /** Removes the line and gives the cursor back. */
  close(): void;
}

/** Faster than this is a flicker nobody reads, and costs the loop that also serves the run. */
const MIN_INTERVAL_MS = 100;

export function createLiveLine({ stream, now }: { stream: NodeJS.WriteStream; now: () => number }): LiveLine {
  const log = createLogUpdate(stream);
  let drawnMs = Number.NEGATIVE_INFINITY;
  let shown = false;
  const clear = () => {
    if (shown) log.clear();
    shown = false;
    drawnMs = Number.NEGATIVE_INFINITY;
  };
  return {
    draw(text) {
      if (now() - drawnMs < MIN_INTERVAL_MS) return;
      drawnMs = now();
      shown = true;
      log(printable(text()));
    },
    clear,
    close() {
      clear();
      log.done();
    },
  };
}
