import { expect, test } from 'vitest';
import { inTurns } from '../../../../../src/coordinator/planes/exact/update/turns.js';

/** Work of `slices` slices of 2 ms each on the clock it is given. */
function clockedWork(slices: number) {
  let now = 0;
  const trace: number[] = [];
  function* work(): Generator<void, string> {
    for (let slice = 0; slice < slices; slice++) {
      now += 2;
      trace.push(now);
      yield;
    }
    return 'done';
  }
  return { work: work(), nowMs: () => now, trace };
}

test('the result comes back, and other turns happen only when the time is up', async () => {
  const { work, nowMs, trace } = clockedWork(7);
  const seen: number[] = [];
  const running = inTurns(work, { turnMs: 5, nowMs });
  // Everything before the first give-way runs at once: 2, 4, 6 ms.
  expect(trace).toEqual([2, 4, 6]);
  const look = (): void => {
    seen.push(trace.length);
    if (trace.length < 7) setImmediate(look);
  };
  setImmediate(look);
  expect(await running).toBe('done');
  // After the first give-way a whole turn of three slices ran.
  expect(seen[0]).toBe(6);
});

test('short work takes no turn of its own', async () => {
  const { work, nowMs, trace } = clockedWork(2);
  const running = inTurns(work, { turnMs: 5, nowMs });
  expect(trace).toEqual([2, 4]);
  expect(await running).toBe('done');
});

test('an error in the work is the caller’s', async () => {
  function* failing(): Generator<void, void> {
    yield;
    throw new Error('internal: planted');
  }
  await expect(inTurns(failing(), { turnMs: 5, nowMs: () => 0 })).rejects.toThrow('internal: planted');
});
