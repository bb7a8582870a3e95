import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { patience } from '../../src/system/patience.js';

describe('patience with another process', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** The process stands still: time goes on, and no timer comes. */
  const standStill = (ms: number): void => void vi.setSystemTime(Date.now() + ms);
  const waiting = () => {
    vi.spyOn(performance, 'now').mockImplementation(() => Date.now());
    const giveUp = vi.fn();
    return { giveUp, ...patience(1000, giveUp) };
  };

  it('ends after its time, once, and not when the answer has come', () => {
    const [given, ended] = [waiting(), waiting()];
    vi.advanceTimersByTime(990);
    expect(given.giveUp).not.toHaveBeenCalled();
    ended.end();
    vi.advanceTimersByTime(60_000);
    expect(given.giveUp).toHaveBeenCalledOnce();
    expect(ended.giveUp).not.toHaveBeenCalled();
  });

  it('reads first what came: an answer that is heard in the turn after the timer is in time', () => {
    const { giveUp, end } = waiting();
    setTimeout(() => setImmediate(end), 999);
    vi.advanceTimersByTime(5000);
    expect(giveUp).not.toHaveBeenCalled();
  });

  it('begins again after a stop of this process, and ends all the same where stops never end', () => {
    const { giveUp } = waiting();
    standStill(5000);
    vi.advanceTimersByTime(1990);
    expect(giveUp).not.toHaveBeenCalled();
    vi.advanceTimersByTime(20);
    expect(giveUp).toHaveBeenCalledOnce();

    const always = waiting();
    for (let i = 0; i < 4; i++) {
      expect(always.giveUp).not.toHaveBeenCalled();
      standStill(5000);
      vi.advanceTimersByTime(1001);
    }
    expect(always.giveUp).toHaveBeenCalledOnce();
  });
});
