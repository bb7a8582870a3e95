/**
 * Owns: where the time of a step and of an epoch goes, as the main thread sees it.
 * Does not: read a clock of its own.
 */
import type { ShardResult } from '../common/replica.js';
import type { PhasesMs } from '../common/run_events.js';

export class StepMeter {
  private readonly startMs: number;
  private beganMs = 0;
  private markedMs = 0;
  private phases: PhasesMs = noPhases();
  private steppingMs = 0;
  private steppedExamples = 0;

  constructor(private readonly nowMs: () => number) {
    this.startMs = nowMs();
  }

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

  end(examples: number): { imagesPerS: number; phasesMs: PhasesMs } {
    const ms = this.nowMs() - this.beganMs;
    this.steppingMs += ms;
    this.steppedExamples += examples;
    return { imagesPerS: (examples / ms) * 1000, phasesMs: this.phases };
  }

  /** Of the epoch so far, evaluation and saving included; the rate counts the training examples of this epoch. */
  total(examples: number): { seconds: number; imagesPerS: number } {
    const seconds = (this.nowMs() - this.startMs) / 1000;
    const rate = this.steppingMs > 0 ? (this.steppedExamples / this.steppingMs) * 1000 : examples / seconds;
    return { seconds, imagesPerS: rate };
  }
}

function noPhases(): PhasesMs {
  return { data: 0, compute: 0, wait: 0, reduce: 0, apply: 0, publish: 0 };
}
