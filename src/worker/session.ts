/**
 * Owns: one session with a coordinator, on the worker's side: join, shards, goodbye.
 * Does not: connect or retry (client.ts, src/work.ts), prepare jobs (src/work.ts hands that in) or compute (replicas do).
 */
import type { WebSocket } from 'ws';
import { ClusterError, ExpectedError, invariant } from '../common/errors.js';
import { wireError } from '../common/frame.js';
import { LIMITS } from '../common/limits.js';
import type { Job, Message, MessageOf } from '../common/messages.js';
import { noBytes } from '../common/message_stream.js';
import type { ShardResult } from '../common/replica.js';
import { Link, type LinkTimes } from '../wire/link.js';
import { ReceivedParameters, type PreparedJob } from './prepared_job.js';

export interface WorkerSessionHost {
  readonly software: string;
  readonly name: string;
  readonly deviceNames: readonly string[];
  /** Makes a job ready, or gives the one that is. Throws where this worker must not or cannot. */
  prepare(job: Job, topology: string | null): Promise<PreparedJob>;
  /** False where a later start of the same run's coordinator was seen: this one is a ghost. */
  acceptsEpoch(runId: string, coordinatorEpoch: number): boolean;
  onAdmitted(worker: string): void;
  readonly times?: LinkTimes;
}

/** How a session ended, if not by an error that forbids another try. */
export type SessionEnd =
  { kind: 'finished'; reason: MessageOf<'finish'>['reason'] } | { kind: 'broken'; reason: string; admitted: boolean };

export class WorkerSession {
  /** Rejects with a ClusterError where trying again would end the same. */
  readonly ended: Promise<SessionEnd>;
  readonly #host: WorkerSessionHost;
  readonly #link: Link;
  #settle: { resolve(end: SessionEnd): void; reject(error: unknown): void } | null = null;
  #phase: 'hello' | 'preparing' | 'prepared' | 'admitted' = 'hello';
  #epoch = 0;
  #job: PreparedJob | null = null;
  #parameters: ReceivedParameters | null = null;
  #lostReplicas = 0;
  /** Result bytes that no socket is sending. */
  readonly #freeBuffers: Uint8Array[] = [];

  constructor(socket: WebSocket, host: WorkerSessionHost) {
    this.#host = host;
    this.ended = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    const handlers = {
      place: (message: Message, totalBytes: number) => this.#place(message, totalBytes),
      onMessage: (message: Message, bytes: Uint8Array) => this.#hear(message, bytes),
      onClosed: (reason: string) => this.#end({ kind: 'broken', reason, admitted: this.#phase === 'admitted' }),
    };
    this.#link = new Link(socket, handlers, host.times);
    const { software, name: worker, deviceNames } = host;
    void this.#link.send({ type: 'hello', software, worker, replicas: [...deviceNames] });
  }

  /** Asks to leave: what is under way is finished first, then the coordinator says goodbye. */
  leave(): void {
    void this.#link.send({ type: 'leaving' });
  }

  close(reason: string): void {
    this.#link.close(reason);
  }

  #place(message: Message, totalBytes: number): Uint8Array {
    if (message.type === 'welcome' && totalBytes <= LIMITS.maxTopologyBytes) return new Uint8Array(totalBytes);
    if (message.type === 'parameters' && this.#parameters !== null) return this.#parameters.place(totalBytes);
    if (message.type === 'assign' && this.#job !== null) {
      const { train, validation } = this.#job.examples;
      const most = 4 * Math.max(train, validation);
      if (totalBytes % 4 !== 0 || totalBytes === 0 || totalBytes > most) throw wireError(`rows of ${totalBytes} bytes`);
      return new Uint8Array(totalBytes);
    }
    return noBytes(message, totalBytes);
  }

  #hear(message: Message, bytes: Uint8Array): void {
    switch (message.type) {
      case 'welcome':
        if (this.#phase !== 'hello') break;
        return this.#welcome(message, bytes);
      case 'describe':
        if (this.#phase !== 'prepared' || this.#job === null) break;
        return this.#describe(this.#job);
      case 'admitted':
        if (this.#phase !== 'prepared') break;
        this.#phase = 'admitted';
        return this.#host.onAdmitted(message.worker);
      case 'refused': {
        const { code, message: text, next } = message;
        return this.#fail(new ClusterError({ code, message: text, next }));
      }
      case 'parameters':
        if (this.#phase !== 'admitted') break;
        return this.#parameters?.publish(message.version, message.checksum);
      case 'assign':
        if (this.#phase !== 'admitted' || this.#job === null) break;
        return this.#assign(this.#job, message, bytes);
      case 'finish':
        this.#end({ kind: 'finished', reason: message.reason });
        return this.#link.close(message.reason);
    }
    throw wireError(`${message.type} is not due now`);
  }

  #welcome({ software, runId, coordinatorEpoch, job }: MessageOf<'welcome'>, bytes: Uint8Array): void {
    this.#phase = 'preparing';
    this.#epoch = coordinatorEpoch;
    if (software !== this.#host.software) {
      return this.#fail(
        new ClusterError({
          code: 'VERSION_DIFFERS',
          message: `the coordinator runs tfjs-parallel ${software}, this worker ${this.#host.software}`,
          next: 'Install the same version on both.',
        }),
      );
    }
    if (!this.#host.acceptsEpoch(runId, coordinatorEpoch)) return this.#link.close('an older start of this run');
    const topology = job.model.kind === 'topology' ? Buffer.from(bytes).toString('utf8') : null;
    this.#host.prepare(job, topology).then(
      (prepared) => {
        if (this.#link.closed) return;
        this.#job = prepared;
        this.#parameters = new ReceivedParameters(prepared.model.layout.totalSize);
        this.#phase = 'prepared';
        const { datasetSha256, layoutSha256, numerics, versions, golden } = prepared;
        const facts = { datasetSha256, layoutSha256, numerics, versions: { ...versions }, golden: [...golden] };
        void this.#link.send({ type: 'prepared', ...facts });
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #describe({ model }: PreparedJob): void {
    const { layout, initial, name, topology } = model;
    const momenta = new Map(layout.statistics.map(({ slot, momentum }) => [slot, momentum]));
    const shapes = layout.slots.map(({ name: weight, shape }, index) => ({
      name: weight,
      shape,
      statisticMomentum: momenta.get(index),
    }));
    const json = Buffer.from(JSON.stringify({ name, topology, shapes, trained: layout.trainedSlots }));
    const weights = Buffer.from(initial.buffer, initial.byteOffset, initial.byteLength);
    const counts = { jsonBytes: json.length, weights: initial.length };
    void this.#link.send({ type: 'description', ...counts }, Buffer.concat([json, weights]));
  }

  #assign(job: PreparedJob, message: MessageOf<'assign'>, bytes: Uint8Array): void {
    const { kind, step, shard, attempt, version, replica: index, firstExample, regularizationWeight } = message;
    const replica = job.replicas[index];
    const rows = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const count = kind === 'train' ? job.examples.train : job.examples.validation;
    if (replica === undefined || this.#parameters === null) throw wireError(`replica ${index} of ${job.replicas.length}`);
    for (const row of rows) if (row < 0 || row >= count) throw wireError(`row ${row} of ${count}`);
    const { snapshot, release } = this.#parameters.use(version);
    const assignment = { kind, step, shard, attempt, rows, firstExample, regularizationWeight, parameters: snapshot };
    replica.compute(assignment).then(
      (result) => {
        release();
        this.#answer(message, result);
      },
      (error: unknown) => {
        release();
        const reason = error instanceof Error ? error.message : String(error);
        void this.#link.send({ type: 'lost', replica: index, reason: reason.slice(0, 1000) });
        this.#replicaLost(error);
      },
    );
  }

  #answer({ kind, step, shard, attempt, version, replica }: MessageOf<'assign'>, result: ShardResult): void {
    const { examples, lossSum, correct, nonFinite = null, computeMs, gradient, statistics } = result;
    const asked = { kind, step, shard, attempt, version, replica, coordinatorEpoch: this.#epoch };
    const message = { type: 'result', ...asked, examples, lossSum, correct, nonFinite, computeMs } as const;
    if (gradient === undefined) return void this.#link.send(message);
    const parts = [gradient.values, statistics ?? new Float32Array(0)];
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

  #replicaLost(error: unknown): void {
    this.#lostReplicas += 1;
    if (this.#job === null || this.#lostReplicas < this.#job.replicas.length) return;
    // Nothing is left to offer: end with the last one's own words, after the coordinator has heard them.
    const settle = this.#settle;
    this.#settle = null;
    void this.#link.finish('no replica is left').then(() => settle?.reject(error));
  }

  #fail(error: unknown): void {
    const words = error instanceof ExpectedError ? `${error.code}: ${error.message}` : String(error);
    const settle = this.#settle;
    this.#settle = null;
    settle?.reject(error);
    this.#link.close(words);
  }

  #end(end: SessionEnd): void {
    const settle = this.#settle;
    this.#settle = null;
    settle?.resolve(end);
  }
}
