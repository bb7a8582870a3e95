/**
 * Owns: one line drawn in place on a terminal, redrawn at most ten times a second, and removed when something else is to be written.
 * Does not: know what the line says (run_text.ts).
 */
import { stripVTControlCharacters } from 'node:util';
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
  let lines: readonly string[] = [];
  let drawnMs = Number.NEGATIVE_INFINITY;
  let shown = false;
  const clear = () => {
    refreshSize(stream);
    if (shown) log.clear();
    shown = false;
    drawnMs = Number.NEGATIVE_INFINITY;
  };
  /** A terminal that became narrower has broken the lines that stand there: all rows they now take are removed, and the next `draw` draws at once. */
  const onResize = (): void => {
    if (!shown) return;
    const rows = rowsOf(lines, stream.columns);
    // From the empty row below the last line.
    stream.moveCursor(0, -rows);
    stream.cursorTo(0);
    stream.clearScreenDown();
    log.done();
    shown = false;
    drawnMs = Number.NEGATIVE_INFINITY;
  };
  stream.on('resize', onResize);
  return {
    draw(text) {
      if (now() - drawnMs < MIN_INTERVAL_MS) return;
      refreshSize(stream);
      drawnMs = now();
      shown = true;
      const drawn = printable(text());
      lines = stripVTControlCharacters(drawn).split('\n');
      log(drawn);
    },
    clear,
    close() {
      stream.off('resize', onResize);
      clear();
      log.done();
    },
  };
}

/**
 * Asks the terminal for its size: a busy process does not hear of a change before it writes again, and what is removed by the old size is not what stands
 * there. This is what Node does itself when it hears (it says `resize` where the size is another).
 */
function refreshSize(stream: NodeJS.WriteStream & { _refreshSize?: () => void }): void {
  stream._refreshSize?.();
}

/** That lines take where a row has so many columns: what is longer goes on in the next. Ours have a column each for a character. */
export function rowsOf(lines: readonly string[], columns: number): number {
  return lines.reduce((rows, line) => rows + Math.max(1, Math.ceil(line.length / Math.max(1, columns))), 0);
}
