/**
 * Owns: one session with a coordinator, on the worker's side: its link, its memory, its replicas at work; carries out what the core decides.
 * Does not: decide what is due (worker_core.ts does), connect or retry (client.ts, src/api/work.ts), prepare jobs (src/api/work.ts hands that in).
 */
import { hostValues } from '../../common/host_gradient.js';
import type { Connection } from '../../transport/web_socket.js';
import { errorMessage } from '../../common/error_facts.js';
import { EXIT, invariant, isFaultOfTheRun } from '../../common/errors.js';
import { unpackRows } from '../../common/protocol/assigned_rows.js';
import { encodeDescription } from '../../common/protocol/description.js';
import { wireError } from '../../common/protocol/frame.js';
import { LIMITS } from '../../common/limits.js';
import { oneLine } from '../../common/one_line.js';
import type { Job, Message } from '../../common/protocol/messages.js';
import { noBytes, type IncomingMessage } from '../../common/protocol/message_stream.js';
import type { ShardResult } from '../../common/replica.js';
import { DueAnswer } from '../../transport/due_answer.js';
import { Link } from '../../transport/link.js';
import { linkTimes, type LinkTimes } from '../../transport/link_life.js';
import { ReceivedParameters, RunFault, type PreparedJob } from './prepared_job.js';
import {
  createWorkerState,
  reduceWorker,
  type Assign,
  type SessionEnd,
  type WorkerCommand,
  type WorkerEvent,
  type WorkerState,
} from './worker_core.js';

export interface WorkerSessionHost {
  readonly software: string;
  readonly name: string;
  /** The same for all sessions of a process, and of no other. */
  readonly process: string;
  readonly deviceNames: readonly string[];
  /** What the sessions before this one have seen (`WorkerSession.epochs`): an older start of a run's coordinator is a ghost. */
  readonly epochs?: ReadonlyMap<string, number>;
  /** Makes a job ready, or gives the one that is. Throws where this worker must not or cannot. */
  prepare(job: Job, topology: string | null): Promise<PreparedJob>;
  onAdmitted(worker: string): void;
  readonly times?: LinkTimes;
}

const NOTHING: IncomingMessage = { message: { type: 'heartbeat' }, bytes: new Uint8Array(0), checksum: 0 };

interface Settle {
  resolve(end: SessionEnd): void;
  reject(error: unknown): void;
}

interface Computed {
  readonly result: ShardResult;
  readonly parametersChecksum: number;
}

export class WorkerSession {
  /** Rejects with a ClusterError where trying again would end the same. */
  readonly ended: Promise<SessionEnd>;
  readonly #host: WorkerSessionHost;
  readonly #link: Link;
  #state: WorkerState;
  #settle: Settle | null = null;
  #job: PreparedJob | null = null;
  #parameters: ReceivedParameters | null = null;
  /** What the event being carried out brought. */
  #arriving = NOTHING;
  #computed: Computed | null = null;
  #lastError: unknown = null;
  /** To what was asked last. */
  readonly #due: DueAnswer;
  /** Result bytes that no socket is sending. */
  readonly #freeBuffers: Uint8Array[] = [];

  constructor(socket: Connection, host: WorkerSessionHost) {
    this.#host = host;
    this.#state = createWorkerState(host.software, host.epochs);
    this.ended = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    const handlers = {
      place: (message: Message, totalBytes: number) => this.#place(message, totalBytes),
      onMessage: (incoming: IncomingMessage) => {
        this.#arriving = incoming;
        this.#dispatch({ type: 'heard', message: incoming.message });
        this.#arriving = NOTHING;
      },
      onClosed: (reason: string) => this.#dispatch({ type: 'closed', reason: oneLine(reason) }),
    };
    this.#link = new Link(socket, handlers, host.times);
    this.#due = new DueAnswer(this.#link, host.times);
    const { software, name: worker, process, deviceNames } = host;
    const hello = { type: 'hello', software, worker, process, replicas: [...deviceNames] } satisfies Message;
    void this.#link.send(hello, new Uint8Array(LIMITS.pathProbeBytes));
    this.#due.within(LIMITS.helloTimeoutMs, 'no welcome');
  }

  get epochs(): ReadonlyMap<string, number> {
    return this.#state.epochs;
  }

  /** Asks to leave: what is under way is finished first, then the coordinator says goodbye. */
  leave(): void {
    this.#dispatch({ type: 'leave_asked' });
  }

  close(reason: string): void {
    this.#link.close(reason);
  }

  #place(message: Message, totalBytes: number): Uint8Array {
    // The answer has begun; the link sees to it that it goes on.
    if (message.type !== 'heartbeat') this.#due.came();
    if (message.type === 'welcome' && totalBytes <= LIMITS.maxTopologyBytes) return new Uint8Array(totalBytes);
    if (message.type === 'parameters' && this.#parameters !== null) return this.#parameters.place(totalBytes);
    if (message.type === 'assign' && this.#job !== null) {
      const { train, validation } = this.#job.examples;
      // The shard's, those of the whole batch, and the shard's of the steps to come.
      const most = (2 + LIMITS.batchesReadAhead) * 4 * Math.max(train, validation);
      if (totalBytes % 4 !== 0 || totalBytes === 0 || totalBytes > most) throw wireError(`rows of ${totalBytes} bytes`);
      return new Uint8Array(totalBytes);
    }
    return noBytes(message, totalBytes);
  }

  #dispatch(event: WorkerEvent): void {
    const { state, commands } = reduceWorker(this.#state, event);
    this.#state = state;
    for (const command of commands) this.#carryOut(command);
  }

  #carryOut(command: WorkerCommand): void {
    switch (command.type) {
      case 'prepare':
        if (this.#host.times === undefined) this.#link.adopt(linkTimes(command.silenceMs));
        return this.#prepare(command.job);
      case 'send_prepared':
        return this.#sendPrepared();
      case 'send_description':
        return this.#sendDescription();
      case 'admitted':
        return this.#host.onAdmitted(command.worker);
      case 'publish':
        return this.#parameters?.publish(command.version, this.#arriving.checksum);
      case 'compute':
        return this.#compute(command.assign);
      case 'send_result':
        return this.#sendResult(command.assign, command.coordinatorEpoch);
      case 'send_lost':
        return void this.#link.send({ type: 'lost', replica: command.replica, reason: command.reason.slice(0, 1000) });
      case 'send_fault': {
        const { code, message, next, exitCode } = command.error;
        const of = command.isOwn ? 'worker' : exitCode === EXIT.data ? 'data' : 'usage';
        return void this.#link.send({ type: 'fault', replica: command.replica, of, code, message: message.slice(0, 2000), next });
      }
      case 'send_leaving':
        return void this.#link.send({ type: 'leaving' });
      case 'await_goodbye':
        return void this.#link.send({ type: 'heartbeat' }).then(() => {
          if (this.#settle !== null) this.#due.within(LIMITS.goodbyeTimeoutMs, 'no goodbye');
        });
      case 'give_up':
        return this.#settled()?.reject(command.error);
      case 'out_of_replicas': {
        const settle = this.#settled();
        return void this.#link.finish('no replica is left').then(() => settle?.reject(this.#lastError));
      }
      case 'close':
        return this.#link.close(command.reason);
      case 'end':
        return this.#settled()?.resolve(command.end);
    }
  }

  #prepare(job: Job): void {
    const topology = job.model.kind === 'topology' ? Buffer.from(this.#arriving.bytes).toString('utf8') : null;
    this.#host.prepare(job, topology).then(
      (prepared) => {
        if (this.#link.closed) return;
        this.#job = prepared;
        this.#parameters = new ReceivedParameters(prepared.model.layout.totalSize);
        this.#dispatch({ type: 'prepared', replicas: prepared.replicas.length });
      },
      (error: unknown) => {
        this.#lastError = error instanceof RunFault ? error.cause : error;
        if (!(error instanceof RunFault)) return this.#dispatch({ type: 'unprepared', error });
        this.#dispatch({ type: 'run_faulted', replica: 0, error: error.cause });
      },
    );
  }

  #sendPrepared(): void {
    const { datasetSha256, layoutSha256, initialSha256, numerics, versions, golden } = this.#preparedJob();
    const facts = { datasetSha256, layoutSha256, initialSha256, numerics, versions: { ...versions }, golden: [...golden] };
    void this.#link.send({ type: 'prepared', ...facts });
    this.#due.within(LIMITS.verdictTimeoutMs, 'no verdict');
  }

  #sendDescription(): void {
    const { bytes, ...counts } = encodeDescription(this.#preparedJob().model);
    void this.#link.send({ type: 'description', ...counts }, bytes).then(() => {
      if (this.#state.phase === 'prepared') this.#due.within(LIMITS.verdictTimeoutMs, 'no verdict');
    });
  }

  #compute({ id, version, replica: index, firstExample, epoch, regularizationWeight, classify, ...counts }: Assign): void {
    const { replicas, examples } = this.#preparedJob();
    const rows = unpackRows(this.#arriving.bytes, counts, id.kind === 'train' ? examples.train : examples.validation);
    invariant(this.#parameters !== null, 'a prepared job has memory for parameters');
    const { snapshot, checksum: parametersChecksum, release } = this.#parameters.use(version);
    const assignment = {
      id,
      ...rows,
      firstExample,
      ...(epoch !== undefined && { epoch }),
      regularizationWeight,
      ...(classify && { classify }),
      parameters: snapshot,
    };
    replicas[index].compute(assignment).then(
      (result) => {
        release();
        this.#computed = { result, parametersChecksum };
        this.#dispatch({ type: 'computed', replica: index });
        // Nobody wanted it: the session is over.
        if (this.#computed !== null) result.gradient?.release();
        this.#computed = null;
      },
      (error: unknown) => {
        release();
        this.#lastError = error;
        if (isFaultOfTheRun(error)) return this.#dispatch({ type: 'run_faulted', replica: index, error });
        this.#dispatch({
          type: 'replica_failed',
          replica: index,
          reason: errorMessage(error),
        });
      },
    );
  }

  #sendResult({ id, version, replica }: Assign, coordinatorEpoch: number): void {
    invariant(this.#computed !== null, 'a result has just been computed');
    const { result, parametersChecksum } = this.#computed;
    this.#computed = null;
    const { examples, lossSum, sums, nonFinite = null, computeMs, gradient, statistics, classified } = result;
    const asked = { id, version, replica, coordinatorEpoch, parametersChecksum };
    const message: Message = { type: 'result', ...asked, examples, lossSum, sums: [...sums], nonFinite, computeMs };
    if (gradient === undefined)
      return void this.#link.send(message, classified && new Uint8Array(classified.buffer, 0, classified.byteLength));
    const parts = [hostValues(gradient), statistics ?? new Float32Array(0)];
    const size = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const bytes = this.#freeBuffers.pop() ?? new Uint8Array(size);
    invariant(bytes.length === size, 'all results of a job are of one size');
    let at = 0;
    for (const { buffer, byteOffset, byteLength } of parts) {
      bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
      at += byteLength;
    }
    gradient.release();
    void this.#link.send(message, bytes).then(() => this.#freeBuffers.push(bytes));
  }

  #preparedJob(): PreparedJob {
    invariant(this.#job !== null, 'what speaks of a job comes after it was prepared');
    return this.#job;
  }

  /** How to end, once. */
  #settled(): Settle | null {
    this.#due.came();
    const settle = this.#settle;
    this.#settle = null;
    return settle;
  }
}
