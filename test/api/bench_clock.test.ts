/** Owns: which steps of a bench count, and what a step's time is where several are one call. */
import { expect, it } from 'vitest';
import { BenchClock } from '../../src/api/bench_clock.js';
import type { RunEvent } from '../../src/common/run_events.js';

const step = { type: 'step' } as RunEvent;

/** Steps until it asks to stop. */
function stepsTaken(clock: BenchClock): number {
  let steps = 0;
  for (; clock.stop.reason === null; steps++) clock.take(step);
  return steps;
}

it('counts the steps that were asked for after those that were not, and takes no notice of other events', () => {
  const clock = new BenchClock({ steps: 20, warmupSteps: 5, perEpoch: 40 }, { stepsInOneCall: 1 });
  clock.take({ type: 'warn' } as RunEvent);
  expect(stepsTaken(clock)).toBe(25);
  const { counted, inOneCall, stepMs, cpuMs } = clock.times();
  expect([counted.length, inOneCall, stepMs.length, cpuMs.length]).toEqual([20, 1, 20, 20]);
});

it('waits until it is known how many steps are one call, leaves out the epoch in which that is recorded, and tells the mean steps of epochs', () => {
  let asked = 0;
  const plane = {
    get stepsInOneCall(): number | null {
      return (asked += 1) > 11 ? 16 : null;
    },
  };
  const clock = new BenchClock({ steps: 20, warmupSteps: 5, perEpoch: 40 }, plane);
  // Known after the twelfth: the first whole epoch records, the next four count.
  expect(stepsTaken(clock)).toBe(2 * 40 + 4 * 40);
  const { counted, inOneCall, stepMs } = clock.times();
  expect([counted.length, inOneCall, stepMs.length]).toEqual([4 * 40, 16, 4]);
  expect(stepMs.every((ms) => ms >= 0)).toBe(true);
});
