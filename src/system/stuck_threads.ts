/**
 * Threads that did not end when they were told to, inside native code that nothing interrupts. process.exit waits for them: whoever ends the process asks
 * here first.
 */
let count = 0;

export function noteStuckThread(): void {
  count += 1;
}

export function hasStuckThreads(): boolean {
  return count > 0;
}
