import { describe, expect, it } from 'vitest';
import { nextStop, RUNNING } from '../../src/common/stop_request.js';
import type { StopEvent } from '../../src/common/stop_request.js';

/** What is done at each event. */
function actions(...events: StopEvent[]): string[] {
  let state = RUNNING;
  return events.map((event) => {
    const next = nextStop(state, event);
    state = next.state;
    const { action } = next;
    return action.do === 'ask' ? `ask ${action.reason}` : action.do === 'end' ? `end ${action.exitCode}` : action.do;
  });
}

describe('a request to stop', () => {
  it('Ctrl-C once finishes the step, twice ends now with 130, and no third does anything', () =>
    expect(actions('SIGINT', 'SIGINT', 'SIGINT')).toEqual(['ask interrupted', 'end 130', 'nothing']));
  it('SIGTERM finishes the step however often it comes', () =>
    expect(actions('SIGTERM', 'SIGTERM', 'SIGUSR1')).toEqual(['ask stopped', 'nothing', 'nothing']));
  it('SIGUSR1 and a closed terminal count as SIGTERM', () => {
    expect(actions('SIGUSR1')).toEqual(['ask stopped']);
    expect(actions('SIGHUP')).toEqual(['ask stopped']);
  });
  it('gives up on a slow step, then ends: 75 for the system, 130 for a person', () => {
    expect(actions('SIGTERM', 'grace-over', 'deadline-over')).toEqual(['ask stopped', 'hurry', 'end 75']);
    expect(actions('SIGINT', 'grace-over', 'deadline-over')).toEqual(['ask interrupted', 'hurry', 'end 130']);
  });
  it('lets a person end what the system asked to stop', () =>
    expect(actions('SIGTERM', 'SIGINT')).toEqual(['ask stopped', 'end 130']));
  it('ignores timers that nobody started', () => expect(actions('grace-over', 'deadline-over')).toEqual(['nothing', 'nothing']));
});
