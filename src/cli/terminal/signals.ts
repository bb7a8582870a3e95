/**
 * Owns: the process's signals and the timers behind a request to stop.
 * Does not: decide what a signal means (common/stop_request.ts) or save anything (the run loop does, when it sees the request).
 */
import { LIMITS } from '../../common/limits.js';
import { exitCodeOf, nextStop, PREPARING } from '../../common/stop_request.js';
import type { StopAction, StopEvent, StopReason, StopRequest, StopSignal } from '../../common/stop_request.js';
import { endBySignal, endProcessNow } from './end_process.js';

export interface SignalWatch {
  request: StopRequest;
  /** From here on there is a step to finish and something to save. */
  begin(): void;
  /** Exit code for a run that ended because it was asked to. */
  exitCode(): number;
  /** Gives the signals back. Call when the run has ended. */
  close(): void;
}

/** SIGUSR1, SIGUSR2 and SIGXCPU are what schedulers send before a time limit (Slurm's --signal, ulimit -t). */
const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU', 'SIGHUP'];

export interface Announcement {
  reason: StopReason;
  signal: StopEvent;
  /** Whether the step under way is finished and saved first. */
  finishes: boolean;
}

/** `announce` is told once, at the first request, for a line on standard error. */
export function watchSignals(announce: (announcement: Announcement) => void): SignalWatch {
  let state = PREPARING;
  const asked = new AbortController();
  const hurry = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  const startTimer = (event: StopEvent, ms: number) => timers.push(setTimeout(() => handle(event), ms).unref());

  const handle = (event: StopEvent): void => {
    const next = nextStop(state, event);
    state = next.state;
    act(next.action, event);
  };

  const act = (action: StopAction, event: StopEvent): void => {
    switch (action.do) {
      case 'ask':
        announce({ reason: action.reason, signal: event, finishes: true });
        asked.abort();
        startTimer('grace-over', LIMITS.stopGraceMs);
        startTimer('deadline-over', LIMITS.stopDeadlineMs);
        return awaitRepeat();
      case 'leave':
        announce({ reason: action.reason, signal: event, finishes: false });
        asked.abort();
        hurry.abort();
        startTimer('deadline-over', LIMITS.stopLeaveMs);
        return awaitRepeat();
      case 'hurry':
        return hurry.abort();
      case 'end':
        return end(action.exitCode, event);
      case 'nothing':
    }
  };

  /** Node looks at signals between its timers and its immediates: one that came while this thread was busy is still seen as a repetition. */
  const awaitRepeat = (): void => {
    const over = (): void => handle('repeat-over');
    // Not unreferenced: the loop may sleep on such an immediate.
    timers.push(setTimeout(() => setImmediate(over), LIMITS.stopRepeatMs).unref());
  };

  const listeners = SIGNALS.map((signal) => [signal, () => handle(signal)] as const);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  const close = () => {
    for (const [signal, listener] of listeners) process.off(signal, listener);
    for (const timer of timers) clearTimeout(timer);
  };

  /** A second Ctrl-C dies by the signal itself, as shells expect; they show it as 130. */
  const end = (exitCode: number, event: StopEvent): void => {
    close();
    if (event === 'SIGINT') endBySignal('SIGINT', exitCode);
    else endProcessNow(exitCode);
  };

  return {
    request: {
      get reason() {
        return state.reason;
      },
      asked: asked.signal,
      hurry: hurry.signal,
    },
    begin: () => handle('begun'),
    exitCode: () => exitCodeOf(state.reason),
    close,
  };
}
