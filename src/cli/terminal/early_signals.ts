/**
 * Owns: the signals that end a process before anything listens for them: while the program is loaded, and in commands that have nothing to save.
 * Does not: know about runs (signals.ts takes over from here).
 *
 * Without a listener Node answers SIGUSR1 by opening its debugger's port and going on, and a scheduler would wait in vain. In its first
 * moments, before a line of ours has run, it does so whatever we do: then an open debugger that nobody asked for tells us of the signal.
 */
import { url as debuggerUrl } from 'node:inspector';
import { EXIT } from '../../common/errors.js';

const SYSTEM_SIGNALS = ['SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU', 'SIGHUP'] as const;

/** Until `handOver` is called these signals end the process with 75: nothing was begun, start me again. After it they do nothing here. */
export function endOnEarlySignals(): { handOver: () => void } {
  let isHandedOver = false;
  const end = (): void => {
    if (!isHandedOver) endNow(EXIT.stopped);
  };
  for (const signal of SYSTEM_SIGNALS) process.on(signal, end);
  // Process 1 of a container ignores every signal it does not listen for; elsewhere the system's default is what shells expect of a Ctrl-C.
  const interrupt = (): void => endNow(EXIT.interrupted);
  if (process.pid === 1) process.on('SIGINT', interrupt);
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
      process.off('SIGINT', interrupt);
    },
  };
}

/** Asked for by an option, or perhaps by a script loaded before us: editors' debug terminals preload one that opens the inspector. */
function isDebuggerWanted(): boolean {
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  return options.some((option) => /^(--inspect|--require|-r|--import|--loader|--experimental-loader)/.test(option));
}

/** process.exit waits for threads that are inside TensorFlow. Loaded only here: the first line of the process must be quick. */
function endNow(exitCode: number): void {
  void import('./end_process.js').then(
    ({ endProcessNow }) => endProcessNow(exitCode),
    // An installation without its native part has no such threads.
    () => process.exit(exitCode),
  );
}
