/**
 * Owns: what `--state-every` means.
 * Does not: keep time or write states.
 */
import { UsageError } from './errors.js';

/** When to save state; each that is set counts on its own. */
export interface StateEvery {
  /** At the end of every epoch. */
  epoch: boolean;
  /** After this long since the last save; null for no such rule. */
  intervalMs: number | null;
  /** After every so many steps; null for no such rule. */
  steps: number | null;
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** `epoch,60s` → each epoch and every 60 s; `500 steps`, `10m`, `1h`. @throws UsageError STATE_EVERY_INVALID */
export function parseStateEvery(text: string): StateEvery {
  const every: StateEvery = { epoch: false, intervalMs: null, steps: null };
  for (const part of text.split(',').map((piece) => piece.trim())) {
    const time = /^(\d+(?:\.\d+)?)\s*([smh])$/.exec(part);
    const steps = /^(\d+)\s*steps?$/.exec(part);
    if (part === 'epoch' && !every.epoch) every.epoch = true;
    else if (time !== null && Number(time[1]) > 0 && every.intervalMs === null) {
      every.intervalMs = Number(time[1]) * UNIT_MS[time[2] as keyof typeof UNIT_MS];
    } else if (steps !== null && Number(steps[1]) > 0 && every.steps === null) every.steps = Number(steps[1]);
    else {
      throw new UsageError({
        code: 'STATE_EVERY_INVALID',
        message: `state_every cannot be "${text}": "${part}" is not understood, or said twice`,
        next: 'give epoch, a time (60s, 10m, 1h), a number of steps (500 steps), or several joined by commas: epoch,60s',
      });
    }
  }
  return every;
}
