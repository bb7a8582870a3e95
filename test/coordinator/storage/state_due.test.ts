import { describe, expect, it } from 'vitest';
import { parseStateEvery } from '../../../src/common/state_every.js';
import { createStateClock } from '../../../src/coordinator/storage/state_due.js';

/** Steps of 10 s, 7 to the epoch; the steps after which a state is due. */
function dueSteps(rule: string, steps: number): number[] {
  const clock = createStateClock(parseStateEvery(rule), { step: 0, nowMs: 0 });
  return Array.from({ length: steps }, (_, at) => at + 1).filter((step) =>
    clock.isDue({ step, epochEnded: step % 7 === 0, nowMs: step * 10_000 }),
  );
}

describe('a state is due', () => {
  it('at the end of each epoch', () => expect(dueSteps('epoch', 21)).toEqual([7, 14, 21]));
  it('every minute', () => expect(dueSteps('60s', 20)).toEqual([6, 12, 18]));
  it('every five steps', () => expect(dueSteps('5 steps', 17)).toEqual([5, 10, 15]));
  it('a minute after the last one, whatever rule that was of', () =>
    expect(dueSteps('epoch,60s', 21)).toEqual([6, 7, 13, 14, 20, 21]));
});
