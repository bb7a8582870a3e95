/**
 * Owns: one logged-in worker, from its hello to its end: the join, and what each of its messages means then.
 * Does not: know the shards it was given (given_shards.ts), decide who may join (admission.ts) or who computes what (fleet/membership.ts), or own the
 * socket's frames (transport/link.ts).
 */
import type { Connection } from '../../transport/web_socket.js';
import { errorMessage } from '../../common/error_facts.js';
import { wireError } from '../../common/protocol/frame.js';
import { LIMITS } from '../../common/limits.js';
import { oneLine } from '../../common/one_line.js';
import type { Message, MessageOf } from '../../common/protocol/messages.js';
import { readDescription } from '../../common/protocol/description.js';
import { noBytes, type IncomingMessage } from '../../common/protocol/message_stream.js';
import type { ModelDescription, ShardAssignment, ShardResult } from '../../common/replica.js';
import { DueAnswer } from '../../transport/due_answer.js';
import { Link } from '../../transport/link.js';
import type { LinkTimes } from '../../transport/link_life.js';
import { judgeSoftware, type Refusal } from './admission.js';
import { GivenShards } from './given_shards.js';
import type { OwnToken } from '../../transport/server.js';
import { RemoteReplica } from './remote_replica.js';
import { faultOf, impossibleResult, lostWorker } from './session_errors.js';
import type { SessionHost } from './session_host.js';

/** Of whom the door let in: its address, and its token where that is its own. */
type CameFrom = { readonly from: string; readonly own: OwnToken | null };

type Phase = 'hello' | 'preparing' | 'judging' | 'ready' | 'closed';

export class Session {
  name: string;
  /** Of its process, which says so in its hello; another session may be of the same one. */
  process = '';
  /** It was sent away: the shards that it leaves had no part in that. */
  isPutOut = false;
  /** Null under the shared token. */
  readonly own: OwnToken | null;
  replicas: readonly RemoteReplica[] = [];
  readonly #host: SessionHost<Session>;
  readonly #link: Link;
  readonly #times: LinkTimes | undefined;
  /** Why the worker goes, as it said itself. */
  #lastWords: string | null = null;
  readonly #given: GivenShards;
  #phase: Phase = 'hello';
  readonly #due: DueAnswer;
  #isLeaving = false;
  #describing: { resolve(model: ModelDescription): void; reject(error: Error): void } | null = null;

  constructor(socket: Connection, host: SessionHost<Session>, { from, own }: CameFrom, times?: LinkTimes) {
    this.own = own;
    this.#host = host;
    this.#times = times;
    this.name = from;
    const handlers = {
      place: (message: Message, totalBytes: number) => this.#place(message, totalBytes),
      onPiece: ({ type }: Message, bytes: Uint8Array, filled: number) => {
        if (type === 'result') this.#given.look(bytes, filled);
      },
      onMessage: ({ message, bytes }: IncomingMessage) => this.#hear(message, bytes),
      onClosed: (reason: string) => this.#closed(oneLine(reason)),
    };
    this.#link = new Link(socket, handlers, times);
    this.#due = new DueAnswer(this.#link, times);
    this.#given = new GivenShards(host, (message, bytes) => this.#link.send(message, bytes));
    this.#due.within(LIMITS.helloTimeoutMs, 'no hello');
  }

  get closed(): boolean {
    return this.#phase === 'closed';
  }

  /** Asks the worker for the model it built. Rejects when its session ends, which it does where no answer begins in time. */
  describe(): Promise<ModelDescription> {
    if (this.#link.closed) return Promise.reject(lostWorker(this.name, 'connection closed'));
    void this.#link.send({ type: 'describe' });
    this.#due.within(LIMITS.describeTimeoutMs, 'no description');
    return new Promise((resolve, reject) => (this.#describing = { resolve, reject }));
  }

  /** One shard on one of its replicas. */
  compute(replica: number, assignment: ShardAssignment): Promise<ShardResult> {
    if (this.#phase !== 'ready') return Promise.reject(lostWorker(this.name, 'connection closed'));
    return this.#given.give(replica, assignment);
  }

  /** Tensor bytes are on their way, to it or from it. */
  get moving(): boolean {
    return this.#link.moving;
  }

  /** Says goodbye after what is under way, and closes. */
  finish(reason: MessageOf<'finish'>['reason']): Promise<void> {
    void this.#link.send({ type: 'finish', reason });
    return this.#link.finish(reason);
  }

  close(reason: string): void {
    this.#link.close(reason);
  }

  /** Nothing is allocated that this session was not asked for, and not a byte more than the model needs. */
  #place(message: Message, totalBytes: number): Uint8Array {
    if (message.type === 'description') {
      const { jsonBytes, weights } = message;
      const allowed = this.#describing !== null && jsonBytes <= 2 * LIMITS.maxTopologyBytes && weights <= this.#host.maxWeights;
      if (!allowed || totalBytes !== jsonBytes + 4 * weights)
        throw wireError('a description that was not asked for, or too large');
      // It has begun; the link sees to it that it goes on.
      this.#due.came();
      return new Uint8Array(totalBytes);
    }
    if (message.type === 'hello' && totalBytes === LIMITS.pathProbeBytes) return new Uint8Array(totalBytes);
    if (message.type !== 'result' || this.#phase === 'closed') return noBytes(message, totalBytes);
    return this.#given.place(message, totalBytes);
  }

  #hear(message: Message, bytes: Uint8Array): void {
    if (this.#phase === 'closed') return;
    if (message.type === 'hello' && this.#phase === 'hello') return this.#hello(message);
    if (message.type === 'prepared' && this.#phase === 'preparing') return this.#prepared(message);
    if (message.type === 'description' && this.#describing !== null) {
      this.#describing.resolve(readDescription({ ...message, bytes }));
      this.#describing = null;
      return;
    }
    if (this.#phase === 'ready') {
      if (message.type === 'result') return this.#result(message, bytes);
      if (message.type === 'leaving') return this.#leaving();
      if (message.type === 'lost') return this.#replicaLost(message);
      if (message.type === 'fault') return this.#faulted(message);
    }
    if (message.type === 'fault' && this.#phase === 'preparing') return this.#faulted(message);
    // A worker may be asked to leave before it is admitted.
    if (message.type === 'leaving') return void this.finish('left');
    throw wireError(`${message.type} is not due now`);
  }

  #hello(hello: MessageOf<'hello'>): void {
    const { software, worker, replicas, process } = hello;
    this.process = process;
    this.name = this.#host.nameFor(worker);
    this.replicas = replicas.map((device, index) => new RemoteReplica(this, index, `${this.name}:${device}`));
    const refusal = judgeSoftware(software, this.#host.software) ?? this.#host.greet(this, hello);
    if (refusal !== null) return this.#refuse(refusal);
    this.#phase = 'preparing';
    this.#due.within(LIMITS.prepareTimeoutMs, 'not prepared');
    const { runId, coordinatorEpoch, job, topology } = this.#host;
    const bytes = topology === null ? new Uint8Array(LIMITS.pathProbeBytes) : Buffer.from(topology);
    const silenceMs = Math.max(LIMITS.minSilenceMs, this.#times?.heartbeatTimeoutMs ?? LIMITS.heartbeatTimeoutMs);
    void this.#link.send({ type: 'welcome', software: this.#host.software, runId, coordinatorEpoch, silenceMs, job }, bytes);
  }

  #prepared(prepared: MessageOf<'prepared'>): void {
    this.#phase = 'judging';
    this.#due.came();
    this.#host.admit(this, prepared).then(
      (refusal) => {
        if (this.#phase !== 'judging') return;
        if (refusal !== null) return this.#refuse(refusal);
        this.#phase = 'ready';
        void this.#link.send({ type: 'admitted', worker: this.name });
        this.#host.onReady(this);
      },
      (error: unknown) => this.#link.close(errorMessage(error)),
    );
  }

  #refuse(refusal: Refusal): void {
    this.#host.onRefused(this, refusal);
    void this.#link.send({ type: 'refused', ...refusal });
    void this.#link.finish(refusal.code);
  }

  #result(message: MessageOf<'result'>, bytes: Uint8Array): void {
    const wrong = this.#given.take(message, bytes);
    if (wrong !== null) return this.#putOut(wrong);
    this.#host.onResult();
  }

  #putOut(why: string): void {
    this.#host.onPutOut(this, why);
    this.putOut(impossibleResult(why));
  }

  /** Its shards go to others now, before it has heard why. */
  putOut(refusal: Refusal): void {
    this.isPutOut = true;
    void this.#link.send({ type: 'refused', ...refusal });
    this.#closed(refusal.message);
    void this.#link.finish(refusal.code);
  }

  /** The data and the model are the same on every worker, so others would find it too; the fleet asks one where there is one. */
  #faulted(message: MessageOf<'fault'>): void {
    const faulted = this.replicas[message.replica];
    if (faulted === undefined) throw wireError(`replica ${message.replica} of ${this.replicas.length}`);
    if (message.of === 'worker') {
      this.#lastWords = `${message.code}: ${message.message}. ${message.next}`;
      return;
    }
    const error = faultOf(faulted.name, message);
    if (this.#phase === 'preparing') {
      // It has said so, and nothing more is due of it.
      this.#phase = 'judging';
      this.#due.within(LIMITS.verdictTimeoutMs, 'gone');
      return this.#host.onFault(this, error);
    }
    this.#given.fail(message.replica, error);
  }

  /** Said once, however often it is sent. */
  #leaving(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#host.onLeaving(this);
  }

  #replicaLost({ replica, reason }: MessageOf<'lost'>): void {
    const lost = this.replicas[replica];
    if (lost === undefined) throw wireError(`replica ${replica} of ${this.replicas.length}`);
    this.#given.fail(replica, lostWorker(lost.name, reason));
    this.#host.onReplicaLost(lost, reason);
  }

  #closed(reason: string): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#due.came();
    this.#describing?.reject(lostWorker(this.name, reason));
    this.#describing = null;
    this.#given.failAll(() => lostWorker(this.name, reason));
    this.#host.onClosed(this, this.#lastWords ?? reason);
  }
}
