/**
 * Owns: how long the turns of this thread's event loop are, in time that the processor gave it: what other programs take of the machine is left
 * out. Does not: see what waits.
 */
import { readFileSync } from 'node:fs';

const RESOLUTION_MS = 5;

/** Milliseconds of processor time of this thread so far; of the whole process where the kernel does not tell (then turns look longer). */
function cpuMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e3;
  }
}

/** Watches until the answer is called, which gives the 99th percentile and the longest, ms. */
export function watchTurns(): () => { p99: number; max: number } {
  const turns: number[] = [];
  let last = cpuMs();
  const timer = setInterval(() => {
    const now = cpuMs();
    turns.push(now - last);
    last = now;
  }, RESOLUTION_MS);
  return () => {
    clearInterval(timer);
    turns.sort((a, b) => a - b);
    return { p99: turns[Math.floor(turns.length * 0.99)] ?? 0, max: turns.at(-1) ?? 0 };
  };
}
