import { describe, expect, it } from 'vitest';
import { nextStop, PREPARING, unlessHurried } from '../../src/common/stop_request.js';
import type { StopEvent, StopRequest } from '../../src/common/stop_request.js';

/** What is done at each event. */
function actions(...events: StopEvent[]): string[] {
  let state = PREPARING;
  return events.map((event) => {
    const next = nextStop(state, event);
    state = next.state;
    const { action } = next;
    if (action.do === 'ask' || action.do === 'leave') return `${action.do} ${action.reason}`;
    return action.do === 'end' ? `end ${action.exitCode}` : action.do;
  });
}

/** The same in a run whose first step has begun. */
const running = (...events: StopEvent[]): string[] => actions('begun', ...events).slice(1);

const SYSTEM = ['SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU', 'SIGHUP'] as const;

describe('a request to stop', () => {
  it('Ctrl-C once finishes the step; a second one on purpose ends now with 130, and no third does anything', () =>
    expect(running('SIGINT', 'repeat-over', 'SIGINT', 'SIGINT')).toEqual(['ask interrupted', 'nothing', 'end 130', 'nothing']));
  it('a Ctrl-C that a launcher passes on at once is the same one, however often it comes', () =>
    expect(running('SIGINT', 'SIGINT', 'SIGINT', 'repeat-over', 'SIGINT')).toEqual([
      ...['ask interrupted', 'nothing', 'nothing', 'nothing'],
      'end 130',
    ]));
  it('SIGTERM finishes the step however often it comes', () =>
    expect(running('SIGTERM', 'SIGTERM', 'repeat-over', 'SIGUSR1')).toEqual(['ask stopped', 'nothing', 'nothing', 'nothing']));
  it.each(SYSTEM)('%s finishes the step', (signal) => expect(running(signal)).toEqual(['ask stopped']));
  it('gives up on a slow step, then ends: 75 for the system, 130 for a person', () => {
    expect(running('SIGTERM', 'grace-over', 'deadline-over')).toEqual(['ask stopped', 'hurry', 'end 75']);
    expect(running('SIGINT', 'grace-over', 'deadline-over')).toEqual(['ask interrupted', 'hurry', 'end 130']);
  });
  it('lets a person end what the system asked to stop', () =>
    expect(running('SIGTERM', 'repeat-over', 'SIGINT')).toEqual(['ask stopped', 'nothing', 'end 130']));
  it('ignores timers that nobody started', () => expect(running('grace-over', 'deadline-over')).toEqual(['nothing', 'nothing']));
  it.each(SYSTEM)('%s before the first step leaves at once, and ends where that takes too long', (signal) =>
    expect(actions(signal, 'grace-over', 'deadline-over')).toEqual(['leave stopped', 'nothing', 'end 75']),
  );
  it('Ctrl-C before the first step leaves at once; passed on it is the same one, again on purpose it ends', () =>
    expect(actions('SIGINT', 'SIGINT', 'repeat-over', 'SIGINT')).toEqual(['leave interrupted', 'nothing', 'nothing', 'end 130']));
  it('a run that is leaving does not begin', () =>
    expect(actions('SIGTERM', 'begun', 'SIGTERM').slice(1)).toEqual(['nothing', 'nothing']));
});

describe('what is done unless the user is in a hurry', () => {
  const requestWith = (hurry: AbortSignal): StopRequest => ({ reason: null, asked: hurry, hurry });

  it('gives its value, its error, or the reason of the hurry, whichever is first', async () => {
    const calm = new AbortController();
    expect(await unlessHurried(Promise.resolve(7), requestWith(calm.signal))).toBe(7);
    await expect(unlessHurried(Promise.reject(new Error('no')), requestWith(calm.signal))).rejects.toThrow('no');
    const never = unlessHurried(new Promise(() => undefined), requestWith(calm.signal));
    calm.abort('now');
    await expect(never).rejects.toBe('now');
    await expect(unlessHurried(new Promise(() => undefined), requestWith(calm.signal))).rejects.toBe('now');
  });
});
