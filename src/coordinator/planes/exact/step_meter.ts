/**
 * Owns: where the time of a step goes, as the main thread sees it.
 * Does not: read a clock of its own.
 */
import type { ShardResult } from '../../../common/replica.js';
import type { PhasesMs, ReplicaTime } from '../../../common/run_events.js';

export class StepMeter {
  private beganMs = 0;
  private markedMs = 0;
  private phases: PhasesMs = noPhases();
  private replicas = new Map<string, ReplicaTime>();

  constructor(private readonly nowMs: () => number) {}

  begin(): void {
    this.phases = noPhases();
    this.replicas = new Map();
    this.beganMs = this.nowMs();
    this.markedMs = this.beganMs;
  }

  /** Everything since the last mark was `phase`. */
  mark(phase: keyof PhasesMs, ms?: number): void {
    const now = this.nowMs();
    this.phases[phase] += ms ?? now - this.markedMs;
    this.markedMs = now;
  }

  /** The time since the last mark was the slowest replica's computation, of which it may have waited for rows, and waiting beside it. */
  computed(results: readonly ShardResult[]): void {
    const elapsed = this.nowMs() - this.markedMs;
    const slowest = results.reduce(
      (most, { computeMs, dataMs = 0 }) => (computeMs > most.ms ? { ms: computeMs, dataMs } : most),
      {
        ms: 0,
        dataMs: 0,
      },
    );
    const compute = Math.min(elapsed, slowest.ms);
    const data = Math.min(compute, slowest.dataMs);
    this.mark('wait', elapsed - compute);
    this.phases.compute += compute - data;
    this.phases.data += data;
    for (const result of results) if (result.replica !== undefined) this.#took(result.replica, result);
  }

  #took(
    replica: string,
    { computeMs, givenMs = this.beganMs, answeredMs = this.nowMs(), parametersChecksum }: ShardResult,
  ): void {
    const before = this.replicas.get(replica);
    this.replicas.set(replica, {
      replica,
      computeMs: (before?.computeMs ?? 0) + computeMs,
      startMs: Math.min(before?.startMs ?? Infinity, givenMs - this.beganMs),
      endMs: Math.max(before?.endMs ?? 0, answeredMs - this.beganMs),
      ...(parametersChecksum !== undefined && { parameters: parametersChecksum.toString(16).padStart(8, '0') }),
    });
  }

  /** Of the time since the last mark so much went into adding gradients, the rest into the update. */
  updated(reduceMs: number): void {
    const elapsed = this.nowMs() - this.markedMs;
    const reduce = Math.min(elapsed, reduceMs);
    this.mark('apply', elapsed - reduce);
    this.phases.reduce += reduce;
  }

  /** Of each of so many steps that were taken together. */
  end(steps = 1): { ms: number; phasesMs: PhasesMs; replicaTimes: ReplicaTime[] } {
    const phases = Object.entries(this.phases).map(([phase, ms]) => [phase, ms / steps]);
    const replicaTimes = [...this.replicas.values()].map(({ computeMs, startMs, endMs, ...replica }) => {
      return { ...replica, computeMs: computeMs / steps, startMs: startMs / steps, endMs: endMs / steps };
    });
    return { ms: (this.nowMs() - this.beganMs) / steps, phasesMs: Object.fromEntries(phases) as PhasesMs, replicaTimes };
  }
}

function noPhases(): PhasesMs {
  return { data: 0, compute: 0, wait: 0, reduce: 0, apply: 0, publish: 0 };
}
