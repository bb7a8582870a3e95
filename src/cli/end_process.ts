/**
 * Owns: ending the process at once, with an exit code, whatever its threads are doing.
 * Does not: save anything first.
 */
import koffi from 'koffi';

/** process.exit waits for every thread, and a thread inside TensorFlow cannot be stopped from outside; _exit(2) does not ask. */
export function endProcessNow(exitCode: number): never {
  koffi.load(null).func('void _exit(int)')(exitCode);
  throw new Error('internal: _exit returned');
}
