/**
 * Owns: the admissions of a run's workers, one judged after the other; who waits for a third to decide; when the model is known well enough to begin.
 * Does not: decide who is right (agreement.ts does) or end sessions (cluster.ts).
 */
import { ClusterError, type ExpectedError } from '../../common/errors.js';
import { LIMITS } from '../../common/limits.js';
import type { Job, MessageOf } from '../../common/protocol/messages.js';
import type { ModelDescription, NumericsClass } from '../../common/replica.js';
import { initialSha256, layoutSha256 } from '../../transport/identity.js';
import { judgeOffer, type Claim, type Refusal } from './admission.js';
import { Agreement, type AgreementRules, type Verdict } from './agreement.js';
import type { Session } from './session.js';

/** What the first worker that fits tells the run. */
export interface FirstModel {
  readonly model: ModelDescription;
  readonly numerics: NumericsClass;
  readonly versions: { readonly tensorflow: string; readonly tfjs: string };
}

export interface AdmissionsOptions extends Omit<AgreementRules, 'mayDrawUnseeded' | 'shardSizes'> {
  readonly job: Job;
  /** Worker processes that must be here before the first step. */
  readonly minWorkers: number;
  readonly say: (line: string) => void;
  /** A third decides within this, ms. */
  readonly disputeMs?: number;
  /** Others that wait are asked for the model after this, ms. */
  readonly describeMs?: number;
  /** Of sessions that are wrong. */
  readonly onOutvoted: (sessions: readonly Session[], refusal: Refusal) => void;
  /** The run cannot go on. */
  readonly onFailed: (error: ExpectedError) => void;
}

interface Fault {
  readonly error: ExpectedError;
  /** Voters that were here when it was told: one of these is no earlier worker that was started again. */
  readonly present: ReadonlySet<string>;
}

type Answer = { readonly now: Refusal | null } | { readonly later: Promise<Refusal | null> };

export class Admissions {
  /** Settles when the model is described, and, where the run waits for more than one worker, a second one has shown the same. */
  readonly first: Promise<FirstModel>;
  readonly #options: AdmissionsOptions;
  readonly #agreement: Agreement;
  /** Those whose claim was taken, with their voter. */
  readonly #taken = new Map<Session, string>();
  readonly #ready = new Set<Session>();
  readonly #held = new Map<Session, { prepared: MessageOf<'prepared'>; settle: (refusal: Refusal | null) => void }>();
  #resolveFirst: (first: FirstModel) => void = () => {};
  #rejectFirst: (error: ExpectedError) => void = () => {};
  /** The first sets what the next are compared with. */
  #judging: Promise<unknown> = Promise.resolve();
  #facts: FirstModel | null = null;
  #dispute: NodeJS.Timeout | null = null;
  /** What workers said of the run's data or model before there was a first one. */
  readonly #faults = new Map<string, Fault>();
  /** Whose offer waits for its turn; a description that does not come must not hold them up. */
  readonly #waiting = new Map<Session, MessageOf<'prepared'>>();
  /** A worker describes its model once in a session. */
  readonly #described = new WeakMap<Session, Promise<ModelDescription>>();
  /** Results of shards so far: they are in the run. */
  #results = 0;

  constructor(options: AdmissionsOptions) {
    this.#options = options;
    const { job } = options;
    this.#agreement = new Agreement({
      ...options,
      shardSizes: job.shardSizes,
      mayDrawUnseeded: job.model.kind === 'module',
    });
    this.first = new Promise((resolve, reject) => ([this.#resolveFirst, this.#rejectFirst] = [resolve, reject]));
    // Whoever waits hears it; nobody may.
    this.first.catch(() => undefined);
  }

  get model(): ModelDescription | null {
    return this.#facts?.model ?? null;
  }

  /** Null to admit. A worker that differs from the only one so far is answered when a third has come, or one of the two is gone. */
  async admit(session: Session, prepared: MessageOf<'prepared'>): Promise<Refusal | null> {
    this.#waiting.set(session, prepared);
    const answer = await this.#next(() => {
      this.#waiting.delete(session);
      return this.#judge(session, prepared);
    });
    return 'now' in answer ? answer.now : answer.later;
  }

  onReady(session: Session): void {
    this.#ready.add(session);
    const { minWorkers, say } = this.#options;
    const processes = new Set([...this.#ready].map(({ process }) => process)).size;
    if (this.#facts === null || this.#agreement.begun) return;
    if (processes < Math.min(2, minWorkers)) return;
    if (processes === 1)
      say(`${session.name} is believed until a second worker has shown the same (--min-workers 2 waits for that)`);
    this.#agreement.begin();
    this.#resolveFirst(this.#facts);
  }

  onResult(): void {
    this.#results += 1;
  }

  /**
   * The run's own data or model failed in it before it could join. One worker's word ends the run where nobody else is there to be asked, or another
   * found the same. False where others compute already: then it is this worker's own trouble.
   */
  onFault(session: Session, error: ExpectedError, others: readonly Session[]): boolean {
    if (this.#facts !== null) return false;
    const voter = voterOf(session);
    const isAnother = [...this.#faults].some(
      ([other, { present }]) => other !== voter && (session.own !== null || present.has(voter)),
    );
    if (!this.#faults.has(voter)) this.#faults.set(voter, { error, present: new Set(others.map(voterOf)) });
    if (isAnother || this.#allFaulted(others)) this.#rejectFirst(error);
    else this.#options.say(`${error.message}. The other workers are asked before the run ends`);
    return true;
  }

  onClosed(session: Session, others: readonly Session[]): void {
    this.#ready.delete(session);
    this.#held.delete(session);
    this.#waiting.delete(session);
    this.#forget(session);
    const [fault] = this.#faults.values();
    if (fault !== undefined && this.#facts === null && this.#allFaulted(others)) this.#rejectFirst(fault.error);
    if (this.#held.size === 0) this.close();
    else this.#reconsider();
  }

  #allFaulted(sessions: readonly Session[]): boolean {
    return sessions.every((session) => this.#faults.has(voterOf(session)));
  }

  close(): void {
    if (this.#dispute !== null) clearTimeout(this.#dispute);
    this.#dispute = null;
  }

  #next<T>(judge: () => Promise<T>): Promise<T> {
    const verdict = this.#judging.then(judge);
    this.#judging = verdict.catch(() => undefined);
    return verdict;
  }

  async #judge(session: Session, prepared: MessageOf<'prepared'>): Promise<Answer> {
    if (session.closed) return { now: GONE };
    const { job } = this.#options;
    const offer = { prepared, datasetSha256: job.datasetSha256, dataName: job.dataName, shardSizes: job.shardSizes };
    const refusal = judgeOffer(offer);
    if (refusal !== null) return { now: refusal };
    const voter = voterOf(session);
    const verdict = this.#agreement.offer(claimOf(session, prepared), voter);
    if (verdict.kind === 'refuse') return { now: verdict.refusal };
    if (verdict.kind === 'hold') return { later: this.#hold(session, prepared, verdict) };
    this.#taken.set(session, voter);
    if (verdict.kind === 'outvoted') this.#outvoted(verdict, session);
    if (this.#facts === null) {
      const model = await this.#describe(session, prepared);
      const wrong = describedOtherwise(model, prepared);
      if (wrong !== null) {
        this.#forget(session);
        return { now: wrong };
      }
      const { numerics, versions } = prepared;
      this.#facts = { model, numerics, versions };
    }
    for (const replica of session.replicas) replica.numericsClass = prepared.numerics;
    if (this.#held.size > 0) this.#reconsider();
    return { now: null };
  }

  /**
   * The model of a worker; where its description has not come after a while and others wait, also as another tells it that has prepared the same. Nobody waits for one that only trickles: where
   * none has, its session ends.
   */
  #describe(session: Session, prepared: MessageOf<'prepared'>): Promise<ModelDescription> {
    const asked = new Set([session]);
    return new Promise((resolve, reject) => {
      const ask = (one: Session): void => {
        const description = this.#described.get(one) ?? one.describe();
        this.#described.set(one, description);
        description.then(settle(resolve), one === session ? settle(reject) : () => undefined);
      };
      const more = setInterval(() => {
        const others = [...this.#waiting].filter(([other]) => !other.closed && !asked.has(other));
        const same = others.find(
          ([, offer]) => offer.layoutSha256 === prepared.layoutSha256 && offer.initialSha256 === prepared.initialSha256,
        );
        if (same !== undefined) ask(same[0]);
        else if (others.length > 0) session.close('describes its model too slowly while others wait');
        if (same !== undefined) asked.add(same[0]);
      }, this.#options.describeMs ?? LIMITS.describeTimeoutMs);
      const settle =
        <T>(how: (value: T) => void) =>
        (value: T): void => {
          clearInterval(more);
          how(value);
        };
      ask(session);
    });
  }

  #hold(
    session: Session,
    prepared: MessageOf<'prepared'>,
    { refusal, against }: Extract<Verdict, { kind: 'hold' }>,
  ): Promise<Refusal | null> {
    const { say, onFailed, disputeMs = LIMITS.disputeMs } = this.#options;
    if (this.#dispute === null)
      say(`${session.name} and ${against} differ: ${refusal.message}. A third worker decides which is right; waiting for it`);
    this.#dispute ??= setTimeout(() => {
      const names = [against, ...[...this.#held.keys()].map(({ name }) => name)].join(' and ');
      const error = new ClusterError({
        code: 'WORKERS_DISAGREE',
        message: `${names} differ, and no third worker came within ${disputeMs / 1000} s to decide: ${refusal.message}`,
        next: `${refusal.next} Test each alone with \`tfjs-parallel verify\`; with three workers the odd one is found.`,
      });
      this.#rejectFirst(error);
      onFailed(error);
    }, disputeMs);
    return new Promise((settle) => this.#held.set(session, { prepared, settle }));
  }

  /** Something is known that was not: judges again those that wait. */
  #reconsider(): void {
    for (const [session, { prepared, settle }] of [...this.#held]) {
      void this.#next(async () => {
        if (!this.#held.delete(session)) return;
        const answer = await this.#judge(session, prepared);
        if (this.#held.size === 0) this.close();
        if ('now' in answer) settle(answer.now);
        else void answer.later.then(settle);
      }).catch(() => settle(GONE));
    }
  }

  #outvoted({ voters, loser, refusal }: Extract<Verdict, { kind: 'outvoted' }>, winner: Session): void {
    const { onOutvoted, onFailed, say } = this.#options;
    const wrong = [...this.#taken].filter(([, voter]) => voters.includes(voter)).map(([session]) => session);
    say(`${loser.from} is wrong, as two others show: ${refusal.message}`);
    const begun = this.#agreement.begun;
    if (!begun) this.#facts = null;
    onOutvoted(wrong, {
      code: 'WORKER_OUTVOTED',
      message: `two other workers show otherwise: ${refusal.message}`,
      next: OUTVOTED_NEXT,
    });
    if (!begun || (this.#results === 0 && refusal.code === 'GOLDEN_DIFFERS')) return;
    onFailed(
      new ClusterError({
        code: 'FIRST_WORKER_WRONG',
        message: `the run began by the word of ${loser.from}, and two others show otherwise: ${winner.name}: ${refusal.message}`,
        next: `Start a new run without ${loser.from}; with --min-workers 2 none begins before two workers have shown the same.`,
      }),
    );
  }

  #forget(session: Session): void {
    const voter = this.#taken.get(session) ?? voterOf(session);
    this.#taken.delete(session);
    if ([...this.#taken.values()].includes(voter)) return;
    if ([...this.#held.keys()].some((other) => voterOf(other) === voter)) return;
    this.#agreement.gone(voter);
    // Nobody stands by the description either.
    if (!this.#agreement.begun && this.#taken.size === 0) this.#facts = null;
  }
}

const OUTVOTED_NEXT = 'Its memory, device or software is broken: test it alone with `tfjs-parallel verify`.';
const GONE: Refusal = { code: 'WORKER_LOST', message: 'connection closed', next: 'Start it again.' };

/** Whose voice it is: its machine's where its token is its own, else its process's. */
function voterOf({ own, process }: Session): string {
  return own === null ? `process ${process}` : `machine ${own.name}`;
}

function claimOf({ name }: Session, prepared: MessageOf<'prepared'>): Claim {
  const { numerics, layoutSha256: layout, initialSha256: initial, golden } = prepared;
  return { from: name, numerics, layoutSha256: layout, initialSha256: initial, golden };
}

function describedOtherwise(model: ModelDescription, prepared: MessageOf<'prepared'>): Refusal | null {
  const same = layoutSha256(model) === prepared.layoutSha256 && initialSha256(model) === prepared.initialSha256;
  return same
    ? null
    : { code: 'MODEL_DIFFERS', message: 'the worker described another model than it prepared', next: 'Start it again.' };
}
