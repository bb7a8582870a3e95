/**
 * Owns: the shards that one worker was given and has not answered: from which parameters it computes them, whether an answer is to one of them, and the
 * memory that it comes in.
 * Does not: send (session.ts gives it the way), or decide what a wrong answer means for its worker.
 */
import { invariant } from '../../common/errors.js';
import { LentBuffers } from '../../common/lent_buffers.js';
import { packRows } from '../../common/protocol/assigned_rows.js';
import { wireError } from '../../common/protocol/frame.js';
import type { Message, MessageOf } from '../../common/protocol/messages.js';
import { sameShardId, type ParameterSnapshot, type ShardAssignment, type ShardResult } from '../../common/replica.js';
import { sharedFloats } from '../../common/shared_floats.js';
import { leastStatistics } from '../../common/statistics_bounds.js';
import type { PieceSource } from '../../common/protocol/message_stream.js';
import { ArrivingValues } from './arriving_values.js';
import type { ParameterLease } from './parameter_bytes.js';
import { resultOf, wrongIn } from './received_result.js';
import type { ResultSizes, SessionHost } from './session_host.js';

interface Pending {
  readonly assignment: ShardAssignment;
  /** Of the parameters it is computed from. */
  readonly lease: ParameterLease;
  /** Of the statistics that may come of them. */
  readonly least: Float64Array | null;
  resolve(result: ShardResult): void;
  reject(error: Error): void;
}

type Send = (message: Message, bytes: Uint8Array | PieceSource) => Promise<void>;
type Host = Pick<SessionHost<unknown>, 'parameters' | 'resultSizes' | 'coordinatorEpoch'>;

export class GivenShards {
  readonly #host: Host;
  readonly #send: Send;
  readonly #pending = new Map<number, Pending>();
  /** Of gradients and statistics. */
  readonly #buffers = new LentBuffers<Uint8Array>();
  readonly #values = new ArrivingValues();
  /** What this worker has, or will have when its socket has taken it. */
  #sent: { readonly version: number; readonly lease: ParameterLease } | null = null;
  #least: { readonly version: number; readonly values: Float64Array | null } | null = null;

  constructor(host: Host, send: Send) {
    this.#host = host;
    this.#send = send;
  }

  /** One shard to one of its replicas; parameters go first where this worker does not have them. */
  give(replica: number, assignment: ShardAssignment): Promise<ShardResult> {
    invariant(!this.#pending.has(replica), 'a replica computes one shard at a time');
    const { id, firstExample, epoch, regularizationWeight, parameters, classify } = assignment;
    const lease = this.#provide(parameters);
    const { version } = parameters;
    const keyed = { ...(epoch !== undefined && { epoch }), ...(classify && { classify }) };
    const { counts, bytes } = packRows(assignment);
    void this.#send({ type: 'assign', id, version, replica, firstExample, ...keyed, ...counts, regularizationWeight }, bytes);
    const least = id.kind === 'train' ? this.#leastOf(parameters) : null;
    return new Promise((resolve, reject) => this.#pending.set(replica, { assignment, lease, least, resolve, reject }));
  }

  /** The memory for an answer. @throws where it was not asked for, or is not of the size that it must have */
  place(message: MessageOf<'result'>, totalBytes: number): Uint8Array {
    const { id, rows, classify } = this.#answered(message).assignment;
    const sizes = this.#sizes();
    const wanted = id.kind === 'train' ? 4 * (sizes.gradient + sizes.statistics) : classify ? 8 * rows.length : 0;
    if (totalBytes !== wanted) throw wireError(`a result of ${totalBytes} bytes, wanted ${wanted}`);
    if (id.kind === 'evaluate') return new Uint8Array(wanted);
    // Shared with the threads of the update.
    return this.#buffers.take(() => new Uint8Array(sharedFloats(wanted / 4).buffer, 0, wanted));
  }

  /** A piece of an answer is here. */
  look(bytes: Uint8Array, filled: number): void {
    this.#values.look(bytes, filled);
  }

  /** Hands the answer to who waits for it; or says what of it cannot be. */
  take(message: MessageOf<'result'>, bytes: Uint8Array): string | null {
    const { resolve, assignment, least } = this.#answered(message);
    const received = { message, bytes, assignment, least, sizes: this.#sizes(), tensorsFinite: this.#values.take() };
    const wrong = wrongIn(received);
    if (wrong !== null) return wrong;
    this.#pending.delete(message.replica);
    resolve(resultOf(received, this.#buffers));
    return null;
  }

  /** Nothing comes of the shard that this replica was given. */
  fail(replica: number, error: Error): void {
    const pending = this.#pending.get(replica);
    this.#pending.delete(replica);
    pending?.reject(error);
  }

  failAll(error: () => Error): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(error());
  }

  #sizes(): ResultSizes {
    const sizes = this.#host.resultSizes();
    invariant(sizes !== null, 'who was given a shard has a model');
    return sizes;
  }

  /** Now: when an answer comes late, the parameters may have been written over. */
  #leastOf({ version, values }: ParameterSnapshot): Float64Array | null {
    const layout = this.#host.resultSizes()?.layout;
    if (layout === undefined) return null;
    if (this.#least?.version !== version) this.#least = { version, values: leastStatistics(layout, values) };
    return this.#least.values;
  }

  /** Sends the parameters where this worker does not have them yet. */
  #provide(parameters: ParameterSnapshot): ParameterLease {
    const { version } = parameters;
    if (this.#sent?.version === version) return this.#sent.lease;
    const lease = this.#host.parameters.lease(parameters);
    this.#sent = { version, lease };
    void this.#send({ type: 'parameters', version }, lease.source).finally(() => lease.release());
    return lease;
  }

  /** The assignment that a result answers. */
  #answered(result: MessageOf<'result'>): Pending {
    const pending = this.#pending.get(result.replica);
    const asked = pending?.assignment;
    const same =
      asked !== undefined &&
      sameShardId(asked.id, result.id) &&
      asked.parameters.version === result.version &&
      result.coordinatorEpoch === this.#host.coordinatorEpoch &&
      result.examples === asked.rows.length;
    if (pending === undefined || !same)
      throw wireError(`a result for step ${result.id.step}, shard ${result.id.shard} that was not asked for`);
    if (pending.lease.checksum() !== result.parametersChecksum)
      throw wireError(`a result from other parameters than version ${result.version}`);
    return pending;
  }
}
