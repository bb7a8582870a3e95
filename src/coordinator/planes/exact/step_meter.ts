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
  private replicas = new Map<string, number>();

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
    for (const { replica, computeMs } of results)
      if (replica !== undefined) this.replicas.set(replica, (this.replicas.get(replica) ?? 0) + computeMs);
  }

  /** Of the time since the last mark so much went into adding gradients, the rest into the update. */
  updated(reduceMs: number): void {
    const elapsed = this.nowMs() - this.markedMs;
    const reduce = Math.min(elapsed, reduceMs);
    this.mark('apply', elapsed - reduce);
    this.phases.reduce += reduce;
  }

  end(): { ms: number; phasesMs: PhasesMs; replicaTimes: ReplicaTime[] } {
    const replicaTimes = [...this.replicas].map(([replica, computeMs]) => ({ replica, computeMs }));
    return { ms: this.nowMs() - this.beganMs, phasesMs: this.phases, replicaTimes };
  }
}

function noPhases(): PhasesMs {
  return { data: 0, compute: 0, wait: 0, reduce: 0, apply: 0, publish: 0 };
}
