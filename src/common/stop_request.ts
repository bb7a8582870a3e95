/**
 * Owns: how a run is asked to stop, as a state machine without a clock or a signal in it, and the form in which the run loop sees it.
 * Does not: listen to signals (src/cli/terminal/signals.ts) or stop anything (src/coordinator/run.ts).
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

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGUSR1' | 'SIGUSR2' | 'SIGXCPU' | 'SIGHUP';
/** `begun`: a step is under way from here on. `repeat-over`: what comes from now on is a request of its own. */
export type StopEvent = StopSignal | 'begun' | 'repeat-over' | 'grace-over' | 'deadline-over';

export interface StopState {
  phase: 'preparing' | 'running' | 'finishing' | 'hurrying' | 'leaving' | 'ending';
  reason: StopReason | null;
  /** Whether a Ctrl-C may still be the one that was seen: a terminal signals its whole group, and a launcher in it passes the signal on. */
  mayRepeat: boolean;
}

/**
 * `ask`: announce and finish the step. `leave`: announce; there is no step to finish and nothing to save. `hurry`: give up on the step in flight.
 * `end`: die now with this code.
 */
export type StopAction =
  { do: 'nothing' } | { do: 'ask' | 'leave'; reason: StopReason } | { do: 'hurry' } | { do: 'end'; exitCode: ExitCode };

export const PREPARING: StopState = { phase: 'preparing', reason: null, mayRepeat: false };

/**
 * Before the first step any request ends the run at once. After it, Ctrl-C once: finish the step; again on purpose, or after any other request: now.
 * The system's signals repeat themselves in the wild, so again means nothing new.
 */
export function nextStop(state: StopState, event: StopEvent): { state: StopState; action: StopAction } {
  const stay = { state, action: { do: 'nothing' } } as const;
  const end = (exitCode: ExitCode) => ({ state: { ...state, phase: 'ending' }, action: { do: 'end', exitCode } }) as const;
  if (state.phase === 'ending') return stay;
  switch (event) {
    case 'begun':
      return state.phase === 'preparing' ? { ...stay, state: { ...state, phase: 'running' } } : stay;
    case 'repeat-over':
      return { ...stay, state: { ...state, mayRepeat: false } };
    case 'grace-over':
      return state.phase === 'finishing' ? { state: { ...state, phase: 'hurrying' }, action: { do: 'hurry' } } : stay;
    case 'deadline-over':
      return state.reason === null ? stay : end(exitCodeOf(state.reason));
  }
  if (state.reason !== null) return event === 'SIGINT' && !state.mayRepeat ? end(EXIT.interrupted) : stay;
  const reason = event === 'SIGINT' ? 'interrupted' : 'stopped';
  return state.phase === 'preparing'
    ? { state: { phase: 'leaving', reason, mayRepeat: true }, action: { do: 'leave', reason } }
    : { state: { phase: 'finishing', reason, mayRepeat: true }, action: { do: 'ask', reason } };
}

/** 130 for a person's Ctrl-C, 75 for the system's request, which schedulers take as "start me again". */
export function exitCodeOf(reason: StopReason | null): ExitCode {
  return reason === 'interrupted' ? EXIT.interrupted : EXIT.stopped;
}

/**
 * The promise's value; rejects with the signal's reason as soon as the user is in a hurry. What was under way is left to the end of the process: library
 * callers are never in a hurry.
 */
export async function unlessHurried<T>(work: Promise<T>, { hurry }: StopRequest): Promise<T> {
  let giveUp = (): void => undefined;
  const hurried = new Promise<never>((_, reject) => {
    giveUp = () => reject(hurry.reason);
    hurry.addEventListener('abort', giveUp, { once: true });
    if (hurry.aborted) giveUp();
  });
  try {
    return await Promise.race([work, hurried]);
  } finally {
    hurry.removeEventListener('abort', giveUp);
  }
}

/** A source of data may take its time: who stops the run does not wait for it. */
export async function unlessAsked<T>(work: Promise<T>, { asked }: Pick<StopRequest, 'asked'>): Promise<T | 'asked'> {
  let give = (): void => undefined;
  const stopped = new Promise<'asked'>((resolve) => {
    give = () => resolve('asked');
    if (asked.aborted) give();
    else asked.addEventListener('abort', give, { once: true });
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    asked.removeEventListener('abort', give);
    work.catch(() => undefined);
  }
}
