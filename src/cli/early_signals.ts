/**
 * Owns: SIGTERM and SIGUSR1 before anything listens for them: while the program is loaded, and in commands that have nothing to save.
 * Does not: know about runs (signals.ts takes over from here).
 *
 * Without a listener Node answers SIGUSR1 by opening its debugger's port and going on, and a scheduler would wait in vain. In its first
 * moments, before a line of ours has run, it does so whatever we do: then an open debugger that nobody asked for tells us of the signal.
 */
import { url as debuggerUrl } from 'node:inspector';
import { EXIT } from '../common/errors.js';

/** Until `handOver` is called these signals end the process with 75: nothing was begun, start me again. After it they do nothing here. */
export function endOnEarlySignals(): { handOver: () => void } {
  let isHandedOver = false;
  const end = (): void => {
    if (!isHandedOver) process.exit(EXIT.stopped);
  };
  process.on('SIGTERM', end);
  process.on('SIGUSR1', end);
  const endIfMissed = (): void => {
    if (debuggerUrl() !== undefined && !isDebuggerWanted()) end();
  };
  endIfMissed();
  // Node opens it in a turn of its own.
  setImmediate(endIfMissed);
  return {
    handOver: () => {
      endIfMissed();
      isHandedOver = true;
    },
  };
}

function isDebuggerWanted(): boolean {
  return [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((option) => option.includes('--inspect'));
}
