/**
 * Owns: the time before a worker computes, driven by one seed: workers that prepare, offer, describe, and in each of these die, fall silent or lie, against
 * the real admissions and their agreement; then healing by three honest ones.
 * Does not: know sockets or frames; what a session does when its worker is silent is copied from session.ts (`Rim`).
 */
import { vi } from 'vitest';
import { DataError, type ExpectedError } from '../../src/common/errors.js';
import { LIMITS } from '../../src/common/limits.js';
import type { MessageOf } from '../../src/common/protocol/messages.js';
import type { ModelDescription } from '../../src/common/replica.js';
import { Admissions } from '../../src/coordinator/cluster/admissions.js';
import type { Refusal } from '../../src/coordinator/cluster/admission.js';
import type { Session } from '../../src/coordinator/cluster/session.js';
import { initialSha256 } from '../../src/transport/identity.js';
import { JOB, modelOf } from './loopback_cluster.js';
import { preparedOf } from './scripted_peers.js';
import { Chance, VirtualClock } from './simulated_world.js';

/** What a worker's session and the cluster around it do; a planted bug changes one of them. */
export interface Rim {
  /** A silent worker that was asked to describe loses its session after this, ms. */
  readonly describeTimeoutMs: number;
  /** A description that will never come is given up when its worker is gone. */
  readonly rejectsDescriptions: boolean;
  readonly hearsOfEnds: boolean;
  readonly asksOthersOfFaults: boolean;
  readonly minWorkers: (asked: number) => number;
  readonly disputeMs: number;
  /** Whose voice a session is. */
  readonly process: (process: string, session: number) => string;
  readonly admit: (admissions: Admissions, session: Session, prepared: MessageOf<'prepared'>) => Promise<Refusal | null>;
}

export const TRUE_RIM: Rim = {
  describeTimeoutMs: LIMITS.describeTimeoutMs,
  rejectsDescriptions: true,
  hearsOfEnds: true,
  asksOthersOfFaults: true,
  minWorkers: (asked) => asked,
  disputeMs: LIMITS.disputeMs,
  process: (process) => process,
  admit: (admissions, session, prepared) => admissions.admit(session, prepared),
};

const KINDS = ['honest', 'honest', 'honest', 'initial', 'golden', 'description', 'fault'] as const;
type Kind = (typeof KINDS)[number];
const TROUBLES = ['none', 'none', 'none', 'none', 'dies', 'silent'] as const;
const PHASES = ['prepare', 'offer', 'describe', 'ready'] as const;

interface Worker {
  readonly session: Session;
  readonly kind: Kind;
  readonly lie: number;
  /** What befalls it, and when. */
  readonly trouble: { readonly what: (typeof TROUBLES)[number]; readonly phase: (typeof PHASES)[number] };
  /** Since when its offer waits for a verdict. */
  offeredMs: number | null;
  ready: boolean;
  asked: { reject: (error: Error) => void } | null;
}

export interface AdmissionOutcome {
  readonly began: boolean;
  /** A run that began by a liar's word, and was ended for it. */
  readonly firstWrong: boolean;
  readonly disagreed: boolean;
  readonly outvoted: number;
  readonly faulted: boolean;
}

const TRUTH = modelOf(5);
const LIES: ModelDescription[] = Array.from({ length: 16 }, (_, i) => ({
  ...TRUTH,
  initial: TRUTH.initial.map((value) => value + i + 1),
}));
let honest: MessageOf<'prepared'> | null = null;

/** Runs one seed; fake timers must be on. Throws, naming the seed, where an invariant breaks or somebody waits for ever. */
export async function simulateAdmissions(seed: number, rim: Rim = TRUE_RIM): Promise<AdmissionOutcome> {
  honest ??= await preparedOf();
  const truth = honest;
  const chance = new Chance(seed);
  const clock = new VirtualClock();
  const workers = new Set<Worker>();
  const asked = 1 + chance.below(2);
  let [count, sessions, outvoted] = [0, 0, 0];
  let failed: ExpectedError | null = null;
  let began: ModelDescription | null = null;
  let faultedFairly = false;
  /** What did not hold first: told by the loop, for most of this is found where promises settle. */
  let broken: Error | null = null;
  const must = (condition: boolean, statement: string): void => {
    if (!condition) broken ??= new Error(`seed ${seed}, ${clock.now.toFixed(0)} ms: ${statement}`);
  };
  const requireWhole = (): void => {
    if (broken !== null) throw broken as Error;
  };
  const over = (): boolean => failed !== null;
  const isLiar = ({ kind }: Worker): boolean => kind !== 'honest';
  const others = (of: Worker): Session[] => [...workers].filter((other) => other !== of).map(({ session }) => session);

  const admissions = new Admissions({
    job: JOB,
    minWorkers: rim.minWorkers(asked),
    say: () => {},
    disputeMs: rim.disputeMs,
    // A silent one loses its session before others are asked.
    describeMs: 2 ** 30,
    ...{ numericsCheck: 'strict', initialCounts: true, saved: null },
    onOutvoted: (wrong) => {
      for (const session of wrong) {
        const worker = [...workers].find((one) => one.session === session);
        must(worker === undefined || isLiar(worker), 'who is outvoted was wrong');
        outvoted += 1;
        if (worker !== undefined) end(worker);
      }
    },
    onFailed: (error) => (failed ??= error),
  });
  admissions.first.then(
    ({ model }) => {
      began = model;
      const ready = new Set([...workers].filter(({ ready }) => ready).map(({ session }) => session.process));
      must(ready.size >= asked, `a run that waits for ${asked} workers begins with ${ready.size}`);
    },
    (error: ExpectedError) => {
      // Whoever else was there is gone.
      faultedFairly ||= [...workers].every(({ kind }) => kind === 'fault');
      failed ??= error;
    },
  );

  function end(worker: Worker): void {
    if (!workers.delete(worker)) return;
    Object.assign(worker.session, { closed: true });
    if (rim.rejectsDescriptions) worker.asked?.reject(new Error('its session is over'));
    if (rim.hearsOfEnds) admissions.onClosed(worker.session, others(worker));
  }

  /** Its trouble, where it is of this phase: it dies within a second, or says nothing until its session is ended. */
  function strikes(worker: Worker, phase: Worker['trouble']['phase'], patienceMs: number): boolean {
    const { trouble } = worker;
    if (trouble.what === 'none' || trouble.phase !== phase) return false;
    clock.after(trouble.what === 'dies' ? chance.below(1000) : patienceMs, () => end(worker));
    return true;
  }

  function describe(worker: Worker): Promise<ModelDescription> {
    if (worker.session.closed) return Promise.reject(new Error('its session is over'));
    return new Promise((resolve, reject) => {
      worker.asked = { reject };
      if (strikes(worker, 'describe', rim.describeTimeoutMs)) return;
      const own = worker.kind === 'initial' || worker.kind === 'description' ? LIES[worker.lie] : TRUTH;
      clock.after(chance.below(2000), () => !worker.session.closed && resolve(own));
    });
  }

  function start(kind: Kind, what: Worker['trouble']['what'], process = `p${count++}`): void {
    if (over()) return;
    const nth = sessions++;
    const fields = { name: `w${nth}`, process: rim.process(process, nth), own: null, closed: false, replicas: [] };
    const trouble = { what, phase: chance.of(PHASES) };
    const worker: Worker = {
      session: { ...fields, describe: () => describe(worker) } as unknown as Session,
      ...{ kind, trouble, lie: count % LIES.length, offeredMs: null, ready: false, asked: null },
    };
    workers.add(worker);
    if (strikes(worker, 'prepare', 50_000)) return;
    clock.after(chance.below(20_000), () => offer(worker));
  }

  function offer(worker: Worker): void {
    const { session, kind, lie } = worker;
    if (session.closed || over()) return;
    if (kind === 'fault') {
      const rest = others(worker);
      const fault = new DataError({ code: 'DATA_LABELS', message: 'a label is 11', next: 'Map it.' });
      const criers = [...workers].filter((one) => one.kind === 'fault').length;
      faultedFairly ||= rest.length === 0 || criers > 1 || faults > 0;
      faults += 1;
      admissions.onFault(session, fault, rim.asksOthersOfFaults ? rest : []);
      return end(worker);
    }
    const initial = kind === 'initial' ? { initialSha256: initialSha256(LIES[lie]) } : {};
    const golden = kind === 'golden' ? { golden: truth.golden.map(() => String(lie).padStart(64, 'f')) } : {};
    worker.offeredMs = clock.now;
    const verdict = rim.admit(admissions, session, { ...truth, ...initial, ...golden });
    strikes(worker, 'offer', 40_000);
    void verdict.then(
      (refusal) => {
        worker.offeredMs = null;
        if (session.closed) return;
        if (refusal !== null) {
          must(isLiar(worker) || over(), `an honest worker is refused: ${refusal.code}`);
          return end(worker);
        }
        worker.ready = true;
        admissions.onReady(session);
        strikes(worker, 'ready', 30_000);
        if (chance.happens(0.5)) clock.after(chance.below(500), () => !session.closed && admissions.onResult());
      },
      () => {
        worker.offeredMs = null;
        end(worker);
      },
    );
  }

  let faults = 0;
  const early = 20_000 + chance.below(200_000);
  // Some are left alone for so long that nobody comes to decide.
  const horizon = chance.happens(0.2) ? early + 400_000 : early;
  for (let i = 1 + chance.below(6); i > 0; i--) {
    const kind = chance.of(KINDS);
    const twice = (kind === 'initial' || kind === 'golden') && chance.happens(0.3);
    const at = chance.below(early);
    clock.after(at, () => {
      const process = `p${count++}`;
      start(kind, chance.of(TROUBLES), process);
      // One process may open two sessions; it has one voice.
      if (twice) start(kind, 'none', process);
    });
  }
  for (let i = 0; i < 3; i++) clock.after(horizon + 1000 * i, () => start('honest', 'none'));

  const limitMs = horizon + 400_000;
  while (clock.now < limitMs && !over()) {
    const before = clock.now;
    if (!clock.turn()) break;
    await vi.advanceTimersByTimeAsync(clock.now - before);
    for (const { offeredMs, session } of workers)
      must(
        session.closed || offeredMs === null || over() || clock.now - offeredMs < LONGEST_MS,
        'nobody waits for a verdict for ever',
      );
    requireWhole();
  }
  if (!over()) await vi.advanceTimersByTimeAsync(limitMs - clock.now);
  const liars = sessions > 0;
  if (failed === null) {
    must(began !== null, 'the run begins once honest workers are there');
    const right = initialSha256((began as unknown as ModelDescription) ?? TRUTH) === truth.initialSha256;
    must(right, 'a run that goes on has begun with the right weights');
    for (const worker of workers)
      must(worker.ready || isLiar(worker) || worker.trouble.what !== 'none', 'every honest worker has joined');
    const stays = [...workers].filter(({ kind, ready }) => ready && (kind === 'initial' || kind === 'golden'));
    must(stays.length === 0, 'no liar is left among those that agree');
  }
  const code = (failed as ExpectedError | null)?.code ?? '';
  must(
    ['', 'FIRST_WORKER_WRONG', 'WORKERS_DISAGREE', 'DATA_LABELS'].includes(code) && liars,
    `it ends for a known reason, not ${code}`,
  );
  must(code !== 'DATA_LABELS' || faultedFairly, 'one worker’s word ends a run only where nobody else is there');
  must(code !== 'FIRST_WORKER_WRONG' || asked === 1, 'two that agree are no liar');
  admissions.close();
  requireWhole();
  return {
    ...{ began: began !== null, firstWrong: code === 'FIRST_WORKER_WRONG', disagreed: code === 'WORKERS_DISAGREE' },
    ...{ outvoted, faulted: code === 'DATA_LABELS' },
  };
}

/** A dispute's minute, and as many descriptions before it as there may be workers. */
const LONGEST_MS = LIMITS.disputeMs + 6 * LIMITS.describeTimeoutMs;
