/**
 * Owns: the process's signals and the timers behind a request to stop.
 * Does not: decide what a signal means (common/stop_request.ts) or save anything (the run loop does, when it sees the request).
 */
import { LIMITS } from '../common/limits.js';
import { exitCodeOf, nextStop, RUNNING } from '../common/stop_request.js';
import type { StopEvent, StopReason, StopRequest, StopSignal } from '../common/stop_request.js';
import { endProcessNow } from './end_process.js';

export interface SignalWatch {
  request: StopRequest;
  /** Exit code for a run that ended because it was asked to. */
  exitCode(): number;
  /** Gives the signals back. Call when the run has ended. */
  close(): void;
}

const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGHUP'];

/** `announce` is told once, at the first request, for a line on standard error. */
export function watchSignals(announce: (reason: StopReason, signal: StopEvent) => void): SignalWatch {
  let state = RUNNING;
  const asked = new AbortController();
  const hurry = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  const startTimer = (event: StopEvent, ms: number) => timers.push(setTimeout(() => handle(event), ms).unref());

  const handle = (event: StopEvent): void => {
    const next = nextStop(state, event);
    state = next.state;
    const { action } = next;
    if (action.do === 'ask') {
      announce(action.reason, event);
      asked.abort();
      startTimer('grace-over', LIMITS.stopGraceMs);
      startTimer('deadline-over', LIMITS.stopDeadlineMs);
    } else if (action.do === 'hurry') hurry.abort();
    else if (action.do === 'end') end(action.exitCode, event);
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
    if (event === 'SIGINT') process.kill(process.pid, 'SIGINT');
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
    exitCode: () => exitCodeOf(state.reason),
    close,
  };
}
