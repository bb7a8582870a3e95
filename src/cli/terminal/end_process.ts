/**
 * Owns: ending the process at once, with an exit code or by a signal, whatever its threads are doing.
 * Does not: save anything first.
 */
import { writeSync } from 'node:fs';
import koffi from 'koffi';

/** process.exit waits for every thread, and a thread inside TensorFlow cannot be stopped from outside; _exit(2) does not ask. */
export function endProcessNow(exitCode: number): never {
  koffi.load(null).func('void _exit(int)')(exitCode);
  throw new Error('internal: _exit returned');
}

/** For the system to deliver a signal, ms. */
const DELIVERY_MS = 500;

/** Dies by the signal, which nobody hears any more, a library that would give a hidden cursor back included: so that is done here. Process 1 of a container is not killed by its own signals: it ends with the code. */
export function endBySignal(signal: NodeJS.Signals, exitCode: number): never {
  showCursor();
  if (process.pid !== 1) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, DELIVERY_MS);
  }
  return endProcessNow(exitCode);
}

function showCursor(): void {
  for (const { isTTY, fd } of [process.stdout, process.stderr]) {
    if (!isTTY) continue;
    try {
      writeSync(fd, '\u001B[?25h');
    } catch {
      // The terminal is gone, or takes nothing just now.
    }
  }
}
