/**
 * Owns: giving way to the event loop in the middle of long work.
 * Does not: know the work, which yields wherever it may be interrupted.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Runs `work` to its end, in turns of about `turnMs`: sockets, signals and the display are served between them. */
export async function inTurns<T>(
  work: Generator<void, T>,
  { turnMs, nowMs }: { turnMs: number; nowMs: () => number },
): Promise<T> {
  for (let beganMs = nowMs(); ;) {
    const { done, value } = work.next();
    if (done) return value;
    if (nowMs() - beganMs < turnMs) continue;
    await nextTurn();
    beganMs = nowMs();
  }
}
