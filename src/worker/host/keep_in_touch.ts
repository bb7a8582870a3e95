/**
 * Owns: how long a worker looks for its coordinator: one session after the other, until one ends for good or nobody answers for too long.
 * Does not: connect or speak (client.ts and session.ts do).
 */
import { formatEndpoint, type Endpoint } from '../../common/endpoint.js';
import { ClusterError } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import type { StopRequest } from '../../common/stop_request.js';
import { largePacketsLost } from '../../transport/between.js';
import type { SessionEnd } from './worker_core.js';

/** How a worker's life ended where nothing failed. */
export type WorkEnd = 'done' | 'stopped' | 'left';

export interface Touch {
  readonly coordinator: Endpoint;
  /** How long it looks for a coordinator that does not answer, ms. */
  readonly waitMs: number;
  readonly stop: StopRequest;
  readonly say: (line: string) => void;
  /** Monotonic, and a pause of so many ms, for tests. */
  readonly nowMs?: () => number;
  readonly pause?: (ms: number, stop: StopRequest) => Promise<void>;
}

/** What a session reports while it lasts. */
export interface Milestones {
  onLoggedIn(): void;
  onAdmitted(): void;
}

/** Runs sessions until one ends for good: told to, asked to, refused, or nobody answers for too long. */
export async function keepInTouch(
  { coordinator, waitMs, stop, say, nowMs = () => performance.now(), pause = pauseFor }: Touch,
  session: (milestones: Milestones) => Promise<SessionEnd>,
): Promise<WorkEnd> {
  let pauseMs: number = LIMITS.reconnectFirstMs;
  /** Time without a session since the last admission: that in sessions, where data and TensorFlow may be fetched, is no waiting. */
  let waitedMs = 0;
  let aloneSinceMs = nowMs();
  let everLoggedIn = false;
  let told = false;
  const seconds = Math.round(waitMs / 1000);
  say(`looking for the coordinator at ${formatEndpoint(coordinator)}, for up to ${seconds} s without an answer (--wait)`);
  while (!stop.asked.aborted) {
    let failure: ClusterError;
    try {
      const end = await session({
        onLoggedIn: () => {
          everLoggedIn = true;
          waitedMs += nowMs() - aloneSinceMs;
          aloneSinceMs = nowMs();
        },
        onAdmitted: () => {
          pauseMs = LIMITS.reconnectFirstMs;
          waitedMs = 0;
          told = false;
        },
      });
      // One in which nothing was heard was a try, and its time is waiting.
      if (end.kind !== 'broken' || !end.isUnheard) aloneSinceMs = nowMs();
      if (end.kind === 'finished') {
        if (end.reason !== 'failed') {
          say(FAREWELL[end.reason]);
          return end.reason;
        }
        failure = new ClusterError({ code: 'RUN_FAILED', message: 'the run failed', next: "Look at the coordinator's output." });
        throw failure;
      }
      if (stop.asked.aborted) return 'left';
      if (end.isUnheard) {
        failure = largePacketsLost(formatEndpoint(coordinator), end.reason);
        if (!told) say(`${failure.message}. ${failure.next} Trying again for ${seconds} s`);
        told = true;
      } else {
        failure = unreachableAgain(coordinator, end.reason);
        say(`lost the coordinator: ${end.reason}; trying to come back`);
      }
    } catch (error) {
      if (!(error instanceof ClusterError) || !mayTryAgain(error, everLoggedIn)) throw error;
      if (stop.asked.aborted) return 'left';
      failure = error;
      if (!told) say(`${error.message}; trying again for ${seconds} s`);
      told = true;
    }
    if (waitedMs + nowMs() - aloneSinceMs > waitMs) throw failure;
    // Jittered, so that workers that lost the same coordinator do not come back as one wave.
    await pause(pauseMs * (0.5 + 0.5 * Math.random()), stop);
    pauseMs = Math.min(2 * pauseMs, LIMITS.reconnectMaxMs);
  }
  return 'left';
}

/** A mistyped address is told at once; where a coordinator has answered before, its machine may be restarting. */
function mayTryAgain({ code }: ClusterError, everLoggedIn: boolean): boolean {
  return (
    code === 'COORDINATOR_UNREACHABLE' ||
    (everLoggedIn && ['HOST_UNKNOWN', 'NOT_A_COORDINATOR', 'WEB_SERVER_ANSWERS'].includes(code))
  );
}

const FAREWELL = {
  done: 'the run is done',
  stopped: 'the run was stopped; when it is resumed, start this worker again',
  left: 'left the run',
} as const;

function unreachableAgain(coordinator: Endpoint, reason: string): ClusterError {
  return new ClusterError({
    code: 'COORDINATOR_UNREACHABLE',
    message: `lost the coordinator at ${formatEndpoint(coordinator)}: ${reason}`,
    next: 'Start the coordinator again with --resume, then this worker.',
  });
}

function pauseFor(ms: number, { asked }: StopRequest): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      asked.removeEventListener('abort', done);
      resolve();
    }
    asked.addEventListener('abort', done);
  });
}
