/**
 * Owns: the workers of a run: their sessions, who is admitted, and which of their replicas are in the fleet.
 * Does not: listen (server.ts), hold a connection (session.ts) or run the loop (start_run.ts).
 */
import type { ExpectedError } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import type { Connection } from '../../transport/web_socket.js';
import type { Job, MessageOf } from '../../common/protocol/messages.js';
import type { NumericsClass } from '../../common/replica.js';
import type { LinkTimes } from '../../transport/link_life.js';
import type { Refusal } from './admission.js';
import { Admissions, type FirstModel } from './admissions.js';
import type { Fleet } from '../planes/exact/fleet/fleet.js';
import { ParameterBytes } from './parameter_bytes.js';
import type { RemoteReplica } from './remote_replica.js';
import type { OwnToken } from '../../transport/server.js';
import { Session } from './session.js';
import type { ResultSizes, SessionHost } from './session_host.js';

export interface ClusterOptions {
  readonly software: string;
  readonly runId: string;
  readonly coordinatorEpoch: number;
  readonly job: Job;
  readonly topology: string | null;
  readonly fleet: Fleet;
  readonly numericsCheck: 'strict' | 'relaxed';
  /** Of a resumed run: what its workers must compute like. */
  readonly savedNumerics: NumericsClass | null;
  /** False where the run does not begin with the weights that a worker built. */
  readonly initialCounts?: boolean;
  /** Of this machine: a model that does not fit is refused before memory is taken for it. */
  readonly memoryBytes?: number;
  /** Worker processes to wait for before the first step. */
  readonly minWorkers?: number;
  /** One plain line. */
  readonly say: (line: string) => void;
  readonly times?: LinkTimes;
  /** A third worker decides within this where two differ, ms; for tests. */
  readonly disputeMs?: number;
  /** Others that wait are asked for the model after this, ms; for tests. */
  readonly describeMs?: number;
}

export class Cluster implements SessionHost<Session> {
  readonly software: string;
  readonly runId: string;
  readonly coordinatorEpoch: number;
  readonly job: Job;
  readonly topology: string | null;
  readonly parameters = new ParameterBytes();
  readonly maxWeights: number;
  readonly #admissions: Admissions;
  readonly #options: ClusterOptions;
  readonly #sessions = new Set<Session>();
  /** Sessions of which the user has heard: those that end before are not told otherwise. */
  readonly #told = new WeakSet<Session>();
  #closed = false;
  /** Processes that sent what cannot be. */
  readonly #putOut = new Set<string>();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.software = options.software;
    this.runId = options.runId;
    this.coordinatorEpoch = options.coordinatorEpoch;
    this.job = options.job;
    this.topology = options.topology;
    this.maxWeights = Math.min(LIMITS.maxWireWeights, Math.floor((options.memoryBytes ?? Infinity) / (4 * LIMITS.weightCopies)));
    const { savedNumerics: saved, initialCounts = true, minWorkers = 1 } = options;
    this.#admissions = new Admissions({
      ...options,
      ...{ saved, initialCounts, minWorkers },
      onOutvoted: (sessions, refusal) => sessions.forEach((session) => this.#outvoted(session, refusal)),
      onFailed: (error) => options.fleet.giveUp(error),
    });
  }

  /** Settles when the model is known well enough to begin (admissions.ts). */
  get first(): Promise<FirstModel> {
    return this.#admissions.first;
  }

  /** A worker that has proven the token. */
  accept(socket: Connection, from: string, own: OwnToken | null = null): void {
    if (this.#closed) return socket.terminate();
    this.#sessions.add(new Session(socket, this, { from, own }, this.#options.times));
  }

  /** Ends the sessions of workers whose own token is no longer known. */
  putOutRevoked(isKnown: (id: string) => boolean): void {
    for (const session of this.#sessions) {
      if (session.own === null || isKnown(session.own.id)) continue;
      this.#told.add(session);
      this.#options.say(`worker ${session.name} is put out: the token of ${session.own.name} was taken back`);
      session.putOut({
        code: 'TOKEN_REVOKED',
        message: `the coordinator took back the token of ${session.own.name}`,
        next: 'Ask for a new one: `tfjs-parallel token add NAME --replace` on its machine, with the same token file where it was started with one.',
      });
    }
  }

  /** Ends the fleet, tells all workers how the run ended and lets them go. */
  async close(reason: MessageOf<'finish'>['reason']): Promise<void> {
    this.#closed = true;
    this.#admissions.close();
    const sessions = [...this.#sessions];
    for (const { replicas } of sessions) for (const replica of replicas) replica.left = true;
    // First, so that a shard still under way is not told as a loss of a run that is over.
    await this.#options.fleet.close();
    const patience = new Promise<void>((resolve) => setTimeout(resolve, GOODBYE_MS).unref());
    await Promise.race([Promise.all(sessions.map((session) => session.finish(reason))), patience]);
    for (const session of sessions) session.close(reason);
  }

  resultSizes(): ResultSizes | null {
    const { model } = this.#admissions;
    if (model === null) return null;
    const { layout, objective } = model;
    return { gradient: layout.trainedSize, statistics: layout.statisticsSize, objective, layout };
  }

  nameFor(wanted: string): string {
    const taken = new Set([...this.#sessions].map(({ name }) => name));
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted}#${i}`;
    return name;
  }

  admit(session: Session, prepared: MessageOf<'prepared'>): Promise<Refusal | null> {
    return this.#admissions.admit(session, prepared);
  }

  onResult(): void {
    this.#admissions.onResult();
  }

  onReady(session: Session): void {
    this.#told.add(session);
    const home = { worker: session.name, process: session.process, machine: session.own?.name ?? null };
    for (const replica of session.replicas) this.#options.fleet.add(replica, home);
    this.#admissions.onReady(session);
  }

  greet({ process }: Session): Refusal | null {
    if (!this.#putOut.has(process)) return null;
    return {
      code: 'WORKER_PUT_OUT',
      message: 'this worker was put out of the run, for what it sent',
      next: "Its memory, device or software is broken: look at its earlier output, and the coordinator's.",
    };
  }

  onPutOut(session: Session, why: string): void {
    this.#keepOut(session.process);
    this.#options.say(`worker ${session.name} is put out of the run: it sent a result that cannot be. ${why}; others compute it`);
  }

  onRefused(session: Session, { message, next }: Refusal): void {
    this.#told.add(session);
    this.#options.say(`worker ${session.name} refused: ${message}. ${next}`);
  }

  onFault(session: Session, error: ExpectedError): void {
    this.#told.add(session);
    if (!this.#admissions.onFault(session, error, this.#others(session))) this.onRefused(session, error);
  }

  /** An audit found that this process computes otherwise than others. It may have gone away meanwhile. */
  condemn(process: string, reason: string): void {
    this.#keepOut(process);
    const refusal = {
      code: 'WORKER_OUTVOTED',
      message: `this worker computes otherwise than others: ${reason}`,
      next: 'Its memory, device or software is broken: test it alone with `tfjs-parallel verify`.',
    };
    for (const session of this.#sessions) if (session.process === process) this.#outvoted(session, refusal);
  }

  /** Two others show that it is wrong. */
  #outvoted(session: Session, refusal: Refusal): void {
    this.#told.add(session);
    this.#keepOut(session.process);
    this.#options.say(`worker ${session.name} is put out of the run: ${refusal.message}`);
    session.putOut(refusal);
  }

  #keepOut(process: string): void {
    if (this.#putOut.size < MAX_PUT_OUT) this.#putOut.add(process);
  }

  /** Other sessions that have said hello. */
  #others(session: Session): Session[] {
    return [...this.#sessions].filter((other) => other !== session && other.process !== '');
  }

  onReplicaLost(replica: RemoteReplica, reason: string): void {
    replica.left = true;
    this.#options.fleet.lose(replica, reason, 'said');
  }

  /** Its replicas finish what they have, then the worker may go. */
  onLeaving(session: Session): void {
    for (const replica of session.replicas) replica.left = true;
    const drained = session.replicas.map((replica) => this.#options.fleet.remove(replica));
    void Promise.all(drained).then(() => session.finish('left'));
  }

  onClosed(session: Session, reason: string): void {
    const known = this.#sessions.delete(session);
    if (this.#closed || !known) return;
    this.#admissions.onClosed(session, this.#others(session));
    // It said hello, and then could not prepare, died or was stopped: its last words are all that is known here.
    if (!this.#told.has(session) && session.replicas.length > 0)
      this.#options.say(`worker ${session.name} went away before it joined: ${reason}`);
    const [leaving, lost] = [session.replicas.filter(({ left }) => left), session.replicas.filter(({ left }) => !left)];
    for (const replica of lost) replica.left = true;
    this.#options.fleet.loseAll(lost, reason, session.isPutOut ? 'blameless' : 'gone');
    this.#options.fleet.loseAll(leaving, 'left before its shard was done', 'blameless');
  }
}

/** Remembered, of those put out: a hostile one has a new name each time anyway. */
const MAX_PUT_OUT = 1_000;
/** Time for a last message to leave, ms. */
const GOODBYE_MS = 2_000;
