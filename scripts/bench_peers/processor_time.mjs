/**
 * Owns: how much of the machine's processor time other programs took while ours ran, as the kernel counts it (proc(5)). Does not: judge it (measured.mjs).
 */
import { readFileSync } from 'node:fs';

/** Ticks of all cores that were busy or stolen, all ticks, and those of this process and of the children it has waited for. */
export function processorTicks(read = (path) => readFileSync(path, 'utf8')) {
  let machine, process;
  try {
    machine = read('/proc/stat');
    process = read('/proc/self/stat');
  } catch {
    // Not Linux.
    return null;
  }
  const [user, nice, system, idle, wait, interrupt, softInterrupt, stolen] = /^cpu\s+(.*)$/m
    .exec(machine)[1]
    .split(' ')
    .map(Number);
  const busy = user + nice + system + interrupt + softInterrupt + stolen;
  // After the name, which may hold blanks and brackets: utime, stime, cutime, cstime are the 12th to 15th.
  const ours = process
    .slice(process.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number)
    .reduce((a, b) => a + b, 0);
  return { busy, all: busy + idle + wait, ours };
}

/** Of the machine's time between two readings; null where the system does not tell. */
export function shareOfOthers(before, after) {
  if (before === null || after === null || after.all === before.all) return null;
  const others = after.busy - before.busy - (after.ours - before.ours);
  return Math.max(0, others / (after.all - before.all));
}
