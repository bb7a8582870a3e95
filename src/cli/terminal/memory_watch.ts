/**
 * Owns: ending a worker whose memory grows beyond what it may take, with the reason: what a coordinator asks of it cannot take the machine, and the
 * system's own way of ending it has no words.
 */
import { EnvironmentError } from '../../common/errors.js';
import { describeFailure } from '../fail.js';

/** A model that is built takes some 100 MB in this time, ms. */
const LOOK_MS = 100;

export interface MemoryWatch {
  readonly maxBytes: number;
  /** Writes the reason and ends the process at once: threads inside TensorFlow do not stop. */
  readonly end: (text: string, exitCode: number) => void;
  readonly residentBytes?: () => number;
}

/** Looks until it is closed. */
export function watchMemory({ maxBytes, end, residentBytes = () => process.memoryUsage.rss() }: MemoryWatch): { close(): void } {
  const timer = setInterval(() => {
    const bytes = residentBytes();
    if (bytes <= maxBytes) return;
    clearInterval(timer);
    const { text, exitCode } = describeFailure(memoryExceeded(bytes, maxBytes), { verbose: false });
    end(text, exitCode);
  }, LOOK_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

function memoryExceeded(bytes: number, maxBytes: number): EnvironmentError {
  const megabytes = (value: number): string => `${Math.round(value / 2 ** 20)} MiB`;
  return new EnvironmentError({
    code: 'MEMORY_EXCEEDED',
    message: `this worker took ${megabytes(bytes)} of memory, and may take ${megabytes(maxBytes)} (--max-memory)`,
    next: "Give it more with --max-memory, give it fewer replicas, or look at the run's model: it may be larger than this machine.",
  });
}
