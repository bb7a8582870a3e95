/**
 * Owns: which steps of a bench count, when there are enough of them, and how long they took. Steps of one call end at the same moment, so that where a replica
 * takes several in one call the time of one is an epoch's divided by its steps.
 * Does not: run them (bench.ts).
 */
import { performance } from 'node:perf_hooks';
import { invariant } from '../common/errors.js';
import type { RunEvent, StepEvent } from '../common/run_events.js';
import type { StopReason, StopRequest } from '../common/stop_request.js';

/** Epochs whose times are told, where one call is several steps. */
const FEWEST_EPOCHS = 4;

interface Wanted {
  readonly steps: number;
  /** Before the clock counts, at least: it waits too until it is known how many steps one call takes. */
  readonly warmupSteps: number;
  /** Steps of an epoch. */
  readonly perEpoch: number;
}

interface Times {
  /** All of them, one for each step that counts. */
  readonly counted: readonly StepEvent[];
  readonly inOneCall: number;
  /** Of one step, or where one call is several steps of the mean one of each epoch: by the clock, and of the processor in all threads. */
  readonly stepMs: readonly number[];
  readonly cpuMs: readonly number[];
  /** From the start of the process. */
  readonly firstStepMs: number;
}

export class BenchClock {
  readonly #wanted: Wanted;
  readonly #plane: { readonly stepsInOneCall: number | null };
  readonly #steps: StepEvent[] = [];
  readonly #endsMs: number[] = [];
  readonly #cpuEndsMs: number[] = [];
  #counted: { readonly from: number; readonly inOneCall: number; readonly together: number; readonly upTo: number } | null = null;
  readonly #stop = {
    reason: null as StopReason | null,
    asked: new AbortController().signal,
    hurry: new AbortController().signal,
  };

  constructor(wanted: Wanted, plane: { readonly stepsInOneCall: number | null }) {
    this.#wanted = wanted;
    this.#plane = plane;
  }

  /** Ends the run when it has counted enough. */
  get stop(): StopRequest {
    return this.#stop;
  }

  take(event: RunEvent): void {
    if (event.type !== 'step') return;
    this.#steps.push(event);
    this.#endsMs.push(performance.now());
    const { user, system } = process.cpuUsage();
    this.#cpuEndsMs.push((user + system) / 1000);
    const taken = this.#steps.length;
    this.#counted ??= this.#countFrom(taken);
    if (this.#counted !== null && taken >= this.#counted.upTo) this.#stop.reason = 'stopped';
  }

  times(): Times {
    invariant(this.#counted !== null, 'a bench ends when it has counted enough');
    const { from, inOneCall, together } = this.#counted;
    const counted = this.#steps.slice(from);
    const lengths = (ends: readonly number[]): number[] =>
      Array.from({ length: Math.floor(counted.length / together) }, (_, index) => {
        const at = from + index * together;
        return (ends[at + together - 1] - ends[at - 1]) / together;
      });
    const [stepMs, cpuMs] = [lengths(this.#endsMs), lengths(this.#cpuEndsMs)];
    return { counted, inOneCall, stepMs, cpuMs, firstStepMs: this.#endsMs[0] };
  }

  #countFrom(taken: number): { from: number; inOneCall: number; together: number; upTo: number } | null {
    const { steps, warmupSteps, perEpoch } = this.#wanted;
    const most = this.#plane.stepsInOneCall;
    if (taken < warmupSteps || most === null) return null;
    if (most === 1) return { from: taken, inOneCall: 1, together: 1, upTo: taken + steps };
    // From the end of an epoch on, after one in which the first call of several steps records them.
    const from = perEpoch * (1 + Math.ceil(taken / perEpoch));
    const epochs = Math.max(FEWEST_EPOCHS, Math.ceil(steps / perEpoch));
    return { from, inOneCall: Math.min(most, perEpoch), together: perEpoch, upTo: from + epochs * perEpoch };
  }
}

/** Nearest-rank quantile. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(fraction * sorted.length) - 1))];
}
