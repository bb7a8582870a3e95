/**
 * Owns: a worker process of the simulated cluster: the real worker core, with integers for parameters and a clock from outside.
 * Does not: decide when it computes, dies or is stopped (simulated_cluster.ts does).
 */
import type { Job, Message } from '../../src/common/protocol/messages.js';
import type { Answer } from '../../src/coordinator/planes/exact/fleet/membership_answers.js';
import type { Attempt } from '../../src/coordinator/planes/exact/fleet/membership_state.js';
import type { reduceWorker } from '../../src/worker/host/worker_core.js';
import { createWorkerState, type Assign, type WorkerCommand, type WorkerState } from '../../src/worker/host/worker_core.js';

export type WorkerCore = typeof reduceWorker;
const SOFTWARE = '1';
const RUN_ID = 'run-001';

/** What a session says before any shard; the simulated worker has every job ready. */
const welcome = (coordinatorEpoch: number): Message => ({
  type: 'welcome',
  software: SOFTWARE,
  runId: RUN_ID,
  coordinatorEpoch,
  silenceMs: 10_000,
  job: {} as Job,
});

export interface GivenShard {
  readonly assign: Assign;
  /** What the worker computes it from. */
  readonly parameters: number;
}

export class SimulatedWorker {
  /** Counts its sessions. */
  session = 0;
  #state: WorkerState = createWorkerState(SOFTWARE);
  #parameters = NaN;

  constructor(private readonly core: WorkerCore) {}

  /** A session up to its admission. */
  join(coordinatorEpoch: number): void {
    this.session += 1;
    this.#state = createWorkerState(SOFTWARE, this.#state.epochs);
    this.#hear(welcome(coordinatorEpoch));
    this.#reduce({ type: 'prepared', replicas: 1 });
    this.#hear({ type: 'admitted', worker: 'w' });
  }

  /** What it would do if this start of the coordinator spoke to it now. */
  greetedBy(coordinatorEpoch: number): readonly WorkerCommand[] {
    const fresh = createWorkerState(SOFTWARE, this.#state.epochs);
    return this.core(fresh, { type: 'heard', message: welcome(coordinatorEpoch) }).commands;
  }

  hearParameters(version: number, parameters: number): void {
    for (const { type } of this.#hear({ type: 'parameters', version })) if (type === 'publish') this.#parameters = parameters;
  }

  hearAssign(attempt: Attempt): GivenShard {
    const message = { type: 'assign', ...attempt, replica: 0, firstExample: 0, regularizationWeight: 0 } as const;
    const [command] = this.#hear(message);
    if (command?.type !== 'compute') throw new Error('an assignment is computed');
    return { assign: command.assign, parameters: this.#parameters };
  }

  /** What it sends when the shard is computed. */
  finish(): { assign: Assign; coordinatorEpoch: number } {
    const [command] = this.#reduce({ type: 'computed', replica: 0 });
    if (command?.type !== 'send_result') throw new Error('what is computed is sent');
    return command;
  }

  #hear(message: Message): readonly WorkerCommand[] {
    return this.#reduce({ type: 'heard', message });
  }

  #reduce(event: Parameters<WorkerCore>[1]): readonly WorkerCommand[] {
    const { state, commands } = this.core(this.#state, event);
    this.#state = state;
    return commands;
  }
}

/** The process around a worker, as the simulation sees it. */
export interface Process {
  readonly name: string;
  readonly worker: SimulatedWorker;
  /** The coordinator's memory of what this session was sent. */
  sentVersion: number | null;
  /** Relative speed; 0 while stopped. */
  msPerShard: number;
  member: number | null;
  stopped: boolean;
  /** Answers heartbeats, never finishes: only the deadline finds it. */
  stuck: boolean;
  /** Every gradient it computes is off by one bit. */
  faulty: boolean;
  /** Its link breaks at most shards that it is given; it lives. */
  sick: boolean;
  /** Some of its gradients are finite and absurd; `then` says what it answers when such a step comes back. */
  absurd: { readonly then: 'honest' | 'lying' } | null;
  lastAnswer: { answer: Answer; gradient: number; huge: boolean } | null;
  alive: boolean;
}
