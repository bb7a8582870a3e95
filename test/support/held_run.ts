/**
 * Owns: real runs that wait where a test wants to meet them: however late the test comes to it, the run is there and has the rest before it.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startTrain, type RealRun } from './real_run.js';

export interface HeldRun extends RealRun {
  /** Sends the signal and lets the run go on, to hear of it. */
  kill(signal: NodeJS.Signals): void;
  goOn(): void;
}

const HOLD = fileURLToPath(new URL('hold.mjs', import.meta.url));

/** As `startTrain`. Resolves when the process, having written its first record or that of a step, stands still; rejects when it ends without. */
export async function trainUntil(where: 'start' | number, args: readonly string[]): Promise<HeldRun> {
  const run = startTrain(args, { nodeArgs: ['--import', HOLD], env: { HELD_AT: String(where) } });
  await run.seen(({ type, step }) => (type === 'step' ? step : type) === where);
  while (!standsStill(run.child.pid)) await new Promise((resolve) => setTimeout(resolve, 5));
  const goOn = (): void => run.kill('SIGCONT');
  return {
    ...run,
    goOn,
    kill(signal) {
      run.kill(signal);
      goOn();
    },
  };
}

/** The state follows the program's name, which may hold anything. */
const standsStill = (pid: number | undefined): boolean => /^\d+ \(.*\) T /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
