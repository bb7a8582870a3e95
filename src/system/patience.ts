/**
 * Owns: waiting for the answer of another process. What came is read before it is given up, and time in which this process stood still (a stop, a
 * closed laptop, a machine that others keep busy) is not held against it.
 */

/** A timer that is later than this share of its time tells that the process stood still; so often at most, so that the wait ends. */
const LATE = 0.1;
const MOST_AGAIN = 3;

export interface Patience {
  /** The answer has come. */
  end(): void;
}

/** Calls `giveUp` after `ms`, once, unless ended before. */
export function patience(ms: number, giveUp: () => void): Patience {
  let timer: NodeJS.Timeout;
  let turn: NodeJS.Immediate | undefined;
  let again = MOST_AGAIN;
  const arm = (): void => {
    const due = performance.now() + ms;
    timer = setTimeout(() => {
      if (performance.now() - due > LATE * ms && again-- > 0) return arm();
      turn = setImmediate(giveUp);
    }, ms);
  };
  arm();
  return {
    end: () => {
      clearTimeout(timer);
      clearImmediate(turn);
    },
  };
}
