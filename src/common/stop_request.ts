/**
 * Owns: how a run is asked to stop, as a state machine without a clock or a signal in it, and the form in which the run loop sees it.
 * Does not: listen to signals (src/cli/signals.ts) or stop anything (src/coordinator/run.ts).
 */
import { EXIT } from './errors.js';
import type { ExitCode } from './errors.js';

/** `interrupted`: by a person (Ctrl-C). `stopped`: by the system, which will start us again. */
export type StopReason = 'interrupted' | 'stopped';

/** What the run loop looks at. Library callers make one from their own AbortSignal. */
export interface StopRequest {
  /** Null until somebody asks. */
  readonly reason: StopReason | null;
  /** Aborted when asked: finish the step, save, end. */
  readonly asked: AbortSignal;
  /** Aborted when the step takes too long to wait for: save what is committed, end. */
  readonly hurry: AbortSignal;
}

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGUSR1' | 'SIGHUP';
export type StopEvent = StopSignal | 'grace-over' | 'deadline-over';

export interface StopState {
  phase: 'running' | 'finishing' | 'hurrying' | 'ending';
  reason: StopReason | null;
}

/** `ask`: announce and finish the step. `hurry`: give up on the step in flight. `end`: die now with this code. */
export type StopAction =
  { do: 'nothing' } | { do: 'ask'; reason: StopReason } | { do: 'hurry' } | { do: 'end'; exitCode: ExitCode };

export const RUNNING: StopState = { phase: 'running', reason: null };

/** Ctrl-C once: finish the step; twice, or after any other request: now. SIGTERM and SIGUSR1 repeat themselves in the wild, so again means nothing new. */
export function nextStop(state: StopState, event: StopEvent): { state: StopState; action: StopAction } {
  const stay = { state, action: { do: 'nothing' } } as const;
  if (state.phase === 'ending') return stay;
  if (event === 'grace-over')
    return state.phase === 'finishing' ? { state: { ...state, phase: 'hurrying' }, action: { do: 'hurry' } } : stay;
  if (state.phase === 'running') {
    if (event === 'deadline-over') return stay;
    const reason = event === 'SIGINT' ? 'interrupted' : 'stopped';
    return { state: { phase: 'finishing', reason }, action: { do: 'ask', reason } };
  }
  if (event === 'SIGINT') return { state: { ...state, phase: 'ending' }, action: { do: 'end', exitCode: EXIT.interrupted } };
  if (event === 'deadline-over')
    return { state: { ...state, phase: 'ending' }, action: { do: 'end', exitCode: exitCodeOf(state.reason) } };
  return stay;
}

/** 130 for a person's Ctrl-C, 75 for the system's request, which schedulers take as "start me again". */
export function exitCodeOf(reason: StopReason | null): ExitCode {
  return reason === 'interrupted' ? EXIT.interrupted : EXIT.stopped;
}
