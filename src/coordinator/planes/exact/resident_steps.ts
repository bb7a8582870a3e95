/**
 * Owns: the steps of a run whose weights stay on its replicas, one by one or several in one call (a stretch), each committed before it is told. What a replica
 * computed of a stretch beyond the last commit is taken back where somebody wants that commit's values.
 * Does not: plan steps (exact_plane.ts), or know where the values are (resident_weights.ts).
 */
import { LIMITS } from '../../../common/limits.js';
import type { ShardSums } from '../../../common/objective.js';
import type { ShardResult } from '../../../common/replica.js';
import { invariant } from '../../../common/errors.js';
import type { CommittedStep, StepOutcome } from '../plane.js';
import { sumOf } from '../../../objective/values.js';
import type { RoundComputer } from './evaluate.js';
import type { PlannedStep, ResidentWeights } from './resident_weights.js';
import type { StepMeter } from './step_meter.js';
import { unlessAborted } from './unless_aborted.js';

export interface Round {
  readonly planned: PlannedStep;
  /** The one after it, where replicas that keep the weights may begin it before they are asked. */
  readonly early: PlannedStep | null;
  readonly signal: AbortSignal;
  readonly meter: StepMeter;
}

/** A stretch of which some steps are committed. */
interface UnderWay {
  readonly steps: readonly PlannedStep[];
  committed: number;
}

export class ResidentSteps {
  readonly #weights: ResidentWeights;
  readonly #fleet: RoundComputer;
  #underWay: UnderWay | null = null;

  constructor(weights: ResidentWeights, fleet: RoundComputer) {
    this.#weights = weights;
    this.#fleet = fleet;
  }

  /** One outcome for each of the round's steps, each after its commit; null where it was given up, nothing after what is not finite or was taken back. */
  async *take({ planned, early, signal, meter }: Round): AsyncGenerator<StepOutcome | null, void> {
    const weights = this.#weights;
    const there = await weights.residing(planned, early);
    meter.mark('data');
    // A replica alone that goes on by itself may have left these values behind as the signal comes: then the step is complete, and counts.
    const graceMs = early === null || !weights.isAlone ? 0 : LIMITS.residentAnswerMs;
    const results = await unlessAborted(this.#fleet.computeRound(there), signal, graceMs);
    if (results === null) return yield null;
    meter.computed(results);
    if (planned.then.length > 0) return yield* this.#stretch(planned, results, meter);
    const outcome = await weights.ended(planned, results);
    if (!outcome.finite) return yield NOT_FINITE;
    meter.mark('apply');
    weights.committed();
    meter.mark('publish');
    const { gradientNorm } = outcome;
    yield committed({ sums: sumOf(results), learningRate: planned.learningRate, gradientNorm, ...meter.end() });
    await weights.homeNowAndThen();
  }

  /** The replica holds the last commit again; true where it had gone on. */
  async takeBack(): Promise<boolean> {
    const underWay = this.#underWay;
    this.#underWay = null;
    if (underWay === null || underWay.committed === underWay.steps.length) return false;
    const { steps, committed } = underWay;
    await this.#weights.dropAfter(steps[0].version);
    for (const step of steps.slice(0, committed)) {
      const there = await this.#weights.residing({ ...step, then: [] }, null);
      await this.#fleet.computeRound(there);
    }
    return true;
  }

  /** What was taken of a stretch is another run's. */
  forget(): void {
    this.#underWay = null;
    this.#weights.forgetPlan();
  }

  async *#stretch(planned: PlannedStep, [result]: readonly ShardResult[], meter: StepMeter): AsyncGenerator<StepOutcome, void> {
    const steps = [planned, ...planned.then];
    const { resident } = result;
    invariant(resident !== undefined, 'a replica that has all shards completes the step');
    const told = [{ ...result, resident }, ...(result.then ?? [])];
    const underWay = (this.#underWay = { steps, committed: 0 });
    meter.mark('apply');
    const times = meter.end(steps.length);
    for (const [at, { lossSum, sums, resident: outcome }] of told.entries()) {
      // Somebody wanted the values after the last one.
      if (this.#underWay !== underWay) return;
      if (!outcome.finite) return yield NOT_FINITE;
      underWay.committed += 1;
      this.#weights.committed();
      const { learningRate, globalBatch: examples } = steps[at];
      yield committed({ sums: { examples, lossSum, sums }, learningRate, gradientNorm: outcome.gradientNorm, ...times });
    }
    await this.#weights.homeNowAndThen();
  }
}

const NOT_FINITE: StepOutcome = { kind: 'non_finite', what: 'the step' };

export function committed({
  gradientNorm,
  ...step
}: Omit<CommittedStep, 'kind' | 'gradientNorm'> & {
  readonly sums: ShardSums;
  readonly gradientNorm: number | undefined;
}): CommittedStep {
  return { kind: 'committed', ...step, ...(gradientNorm !== undefined && { gradientNorm }) };
}
