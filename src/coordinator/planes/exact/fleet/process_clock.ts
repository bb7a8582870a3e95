/**
 * Owns: milliseconds in which this process could run: the time of a stop (SIGSTOP, Ctrl-Z, a closed laptop) is left out, but for one beat.
 * Does not: say what time it is.
 *
 * After a stop, answers that came in time wait unread: whoever measures patience by this clock hears them before giving up on their sender.
 */
import { performance } from 'node:perf_hooks';
import { LIMITS } from '../../../../common/limits.js';

export class ProcessClock {
  readonly #rawMs: () => number;
  readonly #beat: NodeJS.Timeout;
  #lastBeatMs: number;
  #stoppedMs = 0;

  /** `rawMs` is monotonic. */
  constructor(rawMs: () => number = () => performance.now()) {
    this.#rawMs = rawMs;
    this.#lastBeatMs = rawMs();
    this.#beat = setInterval(() => {
      this.nowMs();
      this.#lastBeatMs = rawMs();
    }, LIMITS.processBeatMs).unref();
  }

  nowMs(): number {
    const raw = this.#rawMs();
    const silence = raw - this.#lastBeatMs;
    if (silence > LIMITS.processStoppedMs) {
      this.#stoppedMs += silence - LIMITS.processBeatMs;
      this.#lastBeatMs = raw;
    }
    return raw - this.#stoppedMs;
  }

  close(): void {
    clearInterval(this.#beat);
  }
}
