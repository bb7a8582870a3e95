import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProcessClock } from '../../../../../src/coordinator/planes/exact/fleet/process_clock.js';

describe('the clock of a process', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('goes with the raw clock while the process runs, asked or not', () => {
    const clock = new ProcessClock(() => Date.now());
    const began = clock.nowMs();
    vi.advanceTimersByTime(60_000);
    expect(clock.nowMs() - began).toBe(60_000);
    clock.close();
  });

  it('counts a stop of 40 s as one beat of 1 s, and goes on from there', () => {
    let stoppedMs = 0;
    const clock = new ProcessClock(() => Date.now() + stoppedMs);
    const began = clock.nowMs();
    vi.advanceTimersByTime(3000);
    stoppedMs = 40_000;
    expect(clock.nowMs() - began).toBe(4000);
    vi.advanceTimersByTime(2000);
    expect(clock.nowMs() - began).toBe(6000);
    clock.close();
  });

  it('leaves short pauses alone: 4 s without a turn of the event loop are 4 s', () => {
    let blockedMs = 0;
    const clock = new ProcessClock(() => Date.now() + blockedMs);
    const began = clock.nowMs();
    blockedMs = 4000;
    expect(clock.nowMs() - began).toBe(4000);
    clock.close();
  });
});
