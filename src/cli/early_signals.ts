/**
 * Owns: SIGTERM and SIGUSR1 before anything listens for them: while the program is loaded, and in commands that have nothing to save.
 * Does not: know about runs (signals.ts takes over from here).
 *
 * Without a listener Node answers SIGUSR1 by opening its debugger's port and going on, and a scheduler would wait in vain.
 */
import { EXIT } from '../common/errors.js';

/** Until `handOver` is called these signals end the process with 75: nothing was begun, start me again. After it they do nothing here. */
export function endOnEarlySignals(): { handOver: () => void } {
  let isHandedOver = false;
  const end = (): void => {
    if (!isHandedOver) process.exit(EXIT.stopped);
  };
  process.on('SIGTERM', end);
  process.on('SIGUSR1', end);
  return {
    handOver: () => {
      isHandedOver = true;
    },
  };
}
