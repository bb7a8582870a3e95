/**
 * Owns: when a state is due, by the rules of --state-every.
 * Does not: parse them (common/state_every.ts), write, or read a clock: the time is passed in, monotonic, so that a wall clock set back or forth changes nothing.
 */
import type { StateEvery } from '../../common/state_every.js';

export interface StateClock {
  /** Whether a state is due after this commit; if so, the rules count from here. */
  isDue(at: { step: number; epochEnded: boolean; nowMs: number }): boolean;
  /** The first step later than this one that the count of steps makes one due after; what time may do before that, nobody knows. */
  nextStep(after: number): number;
}

export function createStateClock(every: StateEvery, start: { step: number; nowMs: number }): StateClock {
  let last = start;
  return {
    isDue({ step, epochEnded, nowMs }) {
      const due =
        (every.epoch && epochEnded) ||
        (every.intervalMs !== null && nowMs - last.nowMs >= every.intervalMs) ||
        (every.steps !== null && step - last.step >= every.steps);
      if (due) last = { step, nowMs };
      return due;
    },
    nextStep(after) {
      if (every.steps === null) return Infinity;
      return last.step + every.steps * (1 + Math.max(0, Math.floor((after - last.step) / every.steps)));
    },
  };
}
