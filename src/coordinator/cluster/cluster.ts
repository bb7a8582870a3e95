/**
 * Owns: the workers of a run: their sessions, who is admitted, and which of their replicas are in the fleet.
 * Does not: listen (server.ts), hold a connection (session.ts) or run the loop (start_run.ts).
 */
import type { ExpectedError } from '../../common/errors.js';
import type { Connection } from '../../transport/web_socket.js';
import type { Job, MessageOf } from '../../common/protocol/messages.js';
import type { ModelDescription, NumericsClass } from '../../common/replica.js';
import { layoutSha256 } from '../../transport/identity.js';
import type { LinkTimes } from '../../transport/link.js';
import { judgeWorker, type Reference, type Refusal } from './admission.js';
import type { Fleet } from '../planes/exact/fleet/fleet.js';
import { ParameterBytes } from './parameter_bytes.js';
import type { RemoteReplica } from './remote_replica.js';
import type { OwnToken } from '../../transport/server.js';
import { Session, type SessionHost } from './session.js';

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
  /** One plain line. */
  readonly say: (line: string) => void;
  readonly times?: LinkTimes;
}

/** What the first worker that fits tells the run. */
export interface FirstModel {
  readonly model: ModelDescription;
  readonly numerics: NumericsClass;
  readonly versions: { readonly tensorflow: string; readonly tfjs: string };
}

export class Cluster implements SessionHost {
  readonly software: string;
  readonly runId: string;
  readonly coordinatorEpoch: number;
  readonly job: Job;
  readonly topology: string | null;
  readonly parameters = new ParameterBytes();
  /** Settles when a first worker has shown and described the model. */
  readonly first: Promise<FirstModel>;
  readonly #options: ClusterOptions;
  readonly #sessions = new Set<Session>();
  /** Sessions of which the user has heard: those that end before are not told otherwise. */
  readonly #told = new WeakSet<Session>();
  #reference: Reference | null;
  #model: ModelDescription | null = null;
  #facts: FirstModel | null = null;
  #resolveFirst: (first: FirstModel) => void = () => {};
  #rejectFirst: (error: ExpectedError) => void = () => {};
  /** Admissions are judged one after the other: the first sets what the next are compared with. */
  #judging: Promise<unknown> = Promise.resolve();
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
    const { savedNumerics } = options;
    this.#reference = savedNumerics && { from: 'the saved run', numerics: savedNumerics, layoutSha256: null, golden: null };
    this.first = new Promise((resolve, reject) => ([this.#resolveFirst, this.#rejectFirst] = [resolve, reject]));
    // Whoever waits hears it; nobody may.
    this.first.catch(() => undefined);
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
        next: 'Ask for a new one: `tfjs-parallel token add NAME --replace` on its machine.',
      });
    }
  }

  /** Ends the fleet, tells all workers how the run ended and lets them go. */
  async close(reason: MessageOf<'finish'>['reason']): Promise<void> {
    this.#closed = true;
    const sessions = [...this.#sessions];
    for (const { replicas } of sessions) for (const replica of replicas) replica.left = true;
    // First, so that a shard still under way is not told as a loss of a run that is over.
    await this.#options.fleet.close();
    const patience = new Promise<void>((resolve) => setTimeout(resolve, GOODBYE_MS).unref());
    await Promise.race([Promise.all(sessions.map((session) => session.finish(reason))), patience]);
    for (const session of sessions) session.close(reason);
  }

  resultSizes(): ReturnType<SessionHost['resultSizes']> {
    if (this.#model === null) return null;
    const { layout, objective } = this.#model;
    return { gradient: layout.trainedSize, statistics: layout.statisticsSize, objective };
  }

  nameFor(wanted: string): string {
    const taken = new Set([...this.#sessions].map(({ name }) => name));
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted}#${i}`;
    return name;
  }

  admit(session: Session, prepared: MessageOf<'prepared'>): Promise<Refusal | null> {
    const verdict = this.#judging.then(() => this.#judge(session, prepared));
    this.#judging = verdict.catch(() => undefined);
    return verdict;
  }

  async #judge(session: Session, prepared: MessageOf<'prepared'>): Promise<Refusal | null> {
    const { job } = this;
    const offer = { prepared, datasetSha256: job.datasetSha256, dataName: job.dataName, shardSizes: job.shardSizes };
    const refusal = judgeWorker({ ...offer, reference: this.#reference, numericsCheck: this.#options.numericsCheck });
    if (refusal !== null) return refusal;
    if (this.#model === null) {
      const model = await session.describe();
      if (layoutSha256(model) !== prepared.layoutSha256) {
        return { code: 'MODEL_DIFFERS', message: 'the worker described another model than it prepared', next: 'Start it again.' };
      }
      this.#model = model;
      const { numerics, versions, golden } = prepared;
      this.#facts = { model, numerics, versions };
      this.#reference = { from: session.name, numerics, layoutSha256: prepared.layoutSha256, golden };
    }
    for (const replica of session.replicas) replica.numericsClass = prepared.numerics;
    return null;
  }

  onReady(session: Session): void {
    this.#told.add(session);
    const home = { worker: session.name, process: session.process, machine: session.own?.name ?? null };
    for (const replica of session.replicas) this.#options.fleet.add(replica, home);
    if (this.#facts !== null) this.#resolveFirst(this.#facts);
  }

  greet({ process }: Session): Refusal | null {
    if (!this.#putOut.has(process)) return null;
    return {
      code: 'WORKER_PUT_OUT',
      message: 'this worker was put out of the run, for a result that cannot be',
      next: "Its memory, device or software is broken: look at its earlier output, and the coordinator's.",
    };
  }

  onPutOut(session: Session, why: string): void {
    if (this.#putOut.size < MAX_PUT_OUT) this.#putOut.add(session.process);
    this.#options.say(`worker ${session.name} is put out of the run: it sent a result that cannot be. ${why}; others compute it`);
  }

  onRefused(session: Session, { message, next }: Refusal): void {
    this.#told.add(session);
    this.#options.say(`worker ${session.name} refused: ${message}. ${next}`);
  }

  /** Nobody has got further with this data and model: nobody is waited for. Where others compute already, it is this worker's own trouble. */
  onFault(session: Session, error: ExpectedError): void {
    if (this.#model === null) return this.#rejectFirst(error);
    this.onRefused(session, error);
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
