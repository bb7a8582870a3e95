/**
 * Owns: where the time of a step goes, as the main thread sees it.
 * Does not: read a clock of its own.
 */
import type { ShardResult } from '../../../common/replica.js';
import type { PhasesMs } from '../../../common/run_events.js';

export class StepMeter {
  private beganMs = 0;
  private markedMs = 0;
  private phases: PhasesMs = noPhases();

  constructor(private readonly nowMs: () => number) {}

  begin(): void {
    this.phases = noPhases();
    this.beganMs = this.nowMs();
    this.markedMs = this.beganMs;
  }

  /** Everything since the last mark was `phase`. */
  mark(phase: keyof PhasesMs, ms?: number): void {
    const now = this.nowMs();
    this.phases[phase] += ms ?? now - this.markedMs;
    this.markedMs = now;
  }

  /** The time since the last mark was the slowest replica's computation, and waiting beside it. */
  computed(results: readonly ShardResult[]): void {
    const elapsed = this.nowMs() - this.markedMs;
    const compute = Math.min(elapsed, Math.max(0, ...results.map((result) => result.computeMs)));
    this.mark('wait', elapsed - compute);
    this.phases.compute += compute;
  }

  /** Of the time since the last mark so much went into adding gradients, the rest into the update. */
  updated(reduceMs: number): void {
    const elapsed = this.nowMs() - this.markedMs;
    const reduce = Math.min(elapsed, reduceMs);
    this.mark('apply', elapsed - reduce);
    this.phases.reduce += reduce;
  }

  end(): { ms: number; phasesMs: PhasesMs } {
    return { ms: this.nowMs() - this.beganMs, phasesMs: this.phases };
  }
}

function noPhases(): PhasesMs {
  return { data: 0, compute: 0, wait: 0, reduce: 0, apply: 0, publish: 0 };
}
