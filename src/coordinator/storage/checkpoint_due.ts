/**
 * Owns: when a state is due, by the rules of --checkpoint-every.
 * Does not: parse them (common/checkpoint_every.ts), write, or read a clock: the time is passed in, monotonic, so that a wall clock set back or forth changes nothing.
 */
import type { CheckpointEvery } from '../../common/checkpoint_every.js';

export interface CheckpointClock {
  /** Whether a state is due after this commit; if so, the rules count from here. */
  isDue(at: { step: number; epochEnded: boolean; nowMs: number }): boolean;
}

export function createCheckpointClock(every: CheckpointEvery, start: { step: number; nowMs: number }): CheckpointClock {
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
  };
}
