/**
 * Owns: a worker's side of the protocol: what is due when, which assignments count, when a session is over.
 * Does not: wait, read a clock, hold tensors, compute or talk to anyone. `(state, event) → state + commands`; session.ts carries them out.
 */
import { ClusterError, ExpectedError } from '../../common/errors.js';
import { wireError } from '../../common/protocol/frame.js';
import type { Job, Message, MessageOf } from '../../common/protocol/messages.js';

export type Assign = MessageOf<'assign'>;

export interface WorkerState {
  readonly phase: 'hello' | 'preparing' | 'prepared' | 'admitted' | 'ended';
  readonly software: string;
  /** Highest start of each run's coordinator that this worker has seen, over all its sessions. */
  readonly epochs: ReadonlyMap<string, number>;
  /** Of this session. */
  readonly coordinatorEpoch: number;
  /** Replicas that are not lost; empty until a job is prepared. */
  readonly replicas: ReadonlySet<number>;
  /** Parameters that are here; null before the first. */
  readonly version: number | null;
  readonly running: ReadonlyMap<number, Assign>;
  /** It was asked for the model: once is enough. */
  readonly described: boolean;
  /** It was asked to leave: what runs is finished first. */
  readonly leaving: boolean;
}

export type WorkerEvent =
  | { type: 'heard'; message: Message }
  | { type: 'prepared'; replicas: number }
  | { type: 'unprepared'; error: unknown }
  | { type: 'computed'; replica: number }
  | { type: 'replica_failed'; replica: number; reason: string }
  | { type: 'run_faulted'; replica: number; error: ExpectedError }
  | { type: 'leave_asked' }
  | { type: 'closed'; reason: string };

/** How a session ended, if not by an error that forbids another try. */
export type SessionEnd =
  | { kind: 'finished'; reason: MessageOf<'finish'>['reason'] }
  /** `isUnheard`: `hello` or `welcome`, each larger than a packet, did not come through, though the login had. */
  | { kind: 'broken'; reason: string; admitted: boolean; isUnheard?: true };

export type WorkerCommand =
  | { type: 'prepare'; job: Job; silenceMs: number }
  | { type: 'send_prepared' }
  | { type: 'send_description' }
  | { type: 'admitted'; worker: string }
  | { type: 'publish'; version: number }
  | { type: 'compute'; assign: Assign }
  | { type: 'send_result'; assign: Assign; coordinatorEpoch: number }
  | { type: 'send_lost'; replica: number; reason: string }
  | { type: 'send_fault'; replica: number; error: ExpectedError; isOwn: boolean }
  | { type: 'send_leaving' }
  /** All that was asked of it is answered: the coordinator's goodbye must come soon after these words have left. */
  | { type: 'await_goodbye' }
  /** Trying again would end the same. */
  | { type: 'give_up'; error: unknown }
  /** Nothing is left to offer: the session ends with the last replica's own error, once the coordinator has heard what was said. */
  | { type: 'out_of_replicas' }
  | { type: 'close'; reason: string }
  | { type: 'end'; end: SessionEnd };

export interface Transition {
  readonly state: WorkerState;
  readonly commands: readonly WorkerCommand[];
}

/** Of a session that has just said hello; `epochs` as the session before left it. */
export function createWorkerState(software: string, epochs: ReadonlyMap<string, number> = new Map()): WorkerState {
  return {
    phase: 'hello',
    software,
    epochs,
    coordinatorEpoch: 0,
    replicas: new Set(),
    version: null,
    running: new Map(),
    described: false,
    leaving: false,
  };
}

/** @throws ClusterError WIRE_INVALID for a message that is not due: the link must end. */
export function reduceWorker(state: WorkerState, event: WorkerEvent): Transition {
  if (state.phase === 'ended') return { state, commands: [] };
  switch (event.type) {
    case 'heard':
      return hear(state, event.message);
    case 'prepared': {
      const replicas = new Set(Array.from({ length: event.replicas }, (_, index) => index));
      return { state: { ...state, phase: 'prepared', replicas }, commands: [{ type: 'send_prepared' }] };
    }
    case 'unprepared': {
      const { error } = event;
      if (!(error instanceof ExpectedError)) return giveUp(state, error);
      return {
        state: { ...state, phase: 'ended' },
        commands: [{ type: 'send_fault', replica: 0, error, isOwn: true }, { type: 'out_of_replicas' }],
      };
    }
    case 'computed': {
      const assign = state.running.get(event.replica);
      if (assign === undefined) return { state, commands: [] };
      const { coordinatorEpoch } = state;
      const after = idle(state, event.replica);
      const goodbye = state.leaving ? goodbyeDue(after.running) : [];
      return { state: after, commands: [{ type: 'send_result', assign, coordinatorEpoch }, ...goodbye] };
    }
    case 'replica_failed':
      return loseReplica(state, event.replica, event.reason);
    case 'run_faulted': {
      const { replica, error } = event;
      return {
        state: { ...state, phase: 'ended' },
        commands: [{ type: 'send_fault', replica, error, isOwn: false }, { type: 'out_of_replicas' }],
      };
    }
    case 'leave_asked': {
      // Nothing was given to it yet, so nobody's goodbye is worth waiting for.
      if (state.phase !== 'admitted') {
        const over = ended(state, { kind: 'finished', reason: 'left' });
        return { ...over, commands: [{ type: 'send_leaving' }, ...over.commands, { type: 'close', reason: 'left' }] };
      }
      return { state: { ...state, leaving: true }, commands: [{ type: 'send_leaving' }, ...goodbyeDue(state.running)] };
    }
    case 'closed':
      return ended(state, {
        kind: 'broken',
        reason: event.reason,
        admitted: state.phase === 'admitted',
        ...(state.phase === 'hello' && UNHEARD.test(event.reason) && { isUnheard: true }),
      });
  }
}

/** A time that passed without a message, on either side. */
const UNHEARD = /^(no (hello|welcome) within|silent for|reads (nothing|only))/;

function hear(state: WorkerState, message: Message): Transition {
  const { phase } = state;
  switch (message.type) {
    case 'welcome':
      if (phase !== 'hello') break;
      return welcome(state, message);
    case 'describe':
      if (phase !== 'prepared' || state.described) break;
      return { state: { ...state, described: true }, commands: [{ type: 'send_description' }] };
    case 'admitted':
      if (phase !== 'prepared') break;
      return { state: { ...state, phase: 'admitted' }, commands: [{ type: 'admitted', worker: message.worker }] };
    case 'refused': {
      const { code, message: text, next } = message;
      return giveUp(state, new ClusterError({ code, message: text, next }));
    }
    case 'parameters':
      if (phase !== 'admitted') break;
      return { state: { ...state, version: message.version }, commands: [{ type: 'publish', version: message.version }] };
    case 'assign':
      if (phase !== 'admitted') break;
      return assigned(state, message);
    case 'finish': {
      const over = ended(state, { kind: 'finished', reason: message.reason });
      return { ...over, commands: [...over.commands, { type: 'close', reason: message.reason }] };
    }
  }
  throw wireError(`${message.type} is not due now`);
}

function welcome(state: WorkerState, { software, runId, coordinatorEpoch, silenceMs, job }: MessageOf<'welcome'>): Transition {
  if (software !== state.software) {
    const message = `the coordinator runs tfjs-parallel ${software}, this worker ${state.software}`;
    return giveUp(state, new ClusterError({ code: 'VERSION_DIFFERS', message, next: 'Install the same version on both.' }));
  }
  // A coordinator that was thought dead, after its successor has spoken: nobody must compute for it.
  if (coordinatorEpoch < (state.epochs.get(runId) ?? 0))
    return { state, commands: [{ type: 'close', reason: 'an older start of this run' }] };
  const epochs = new Map(state.epochs).set(runId, coordinatorEpoch);
  return { state: { ...state, phase: 'preparing', epochs, coordinatorEpoch }, commands: [{ type: 'prepare', job, silenceMs }] };
}

function assigned(state: WorkerState, assign: Assign): Transition {
  const { replica, version } = assign;
  if (!state.replicas.has(replica)) throw wireError(`replica ${replica} of ${state.replicas.size}`);
  if (state.running.has(replica)) throw wireError(`a second shard for replica ${replica}`);
  if (version !== state.version) throw wireError(`a shard of version ${version}, here is ${state.version ?? 'none'}`);
  return { state: { ...state, running: new Map(state.running).set(replica, assign) }, commands: [{ type: 'compute', assign }] };
}

function loseReplica(state: WorkerState, replica: number, reason: string): Transition {
  if (!state.replicas.has(replica)) return { state, commands: [] };
  const replicas = new Set([...state.replicas].filter((other) => other !== replica));
  const commands: WorkerCommand[] = [{ type: 'send_lost', replica, reason }];
  if (replicas.size > 0) return { state: { ...idle(state, replica), replicas }, commands };
  return { state: { ...idle(state, replica), replicas, phase: 'ended' }, commands: [...commands, { type: 'out_of_replicas' }] };
}

function goodbyeDue(running: WorkerState['running']): WorkerCommand[] {
  return running.size === 0 ? [{ type: 'await_goodbye' }] : [];
}

function giveUp(state: WorkerState, error: unknown): Transition {
  const reason = error instanceof ExpectedError ? `${error.code}: ${error.message}` : String(error);
  return {
    state: { ...state, phase: 'ended' },
    commands: [
      { type: 'give_up', error },
      { type: 'close', reason },
    ],
  };
}

function ended(state: WorkerState, end: SessionEnd): Transition {
  return { state: { ...state, phase: 'ended' }, commands: [{ type: 'end', end }] };
}

function idle(state: WorkerState, replica: number): WorkerState {
  const running = new Map(state.running);
  running.delete(replica);
  return { ...state, running };
}
