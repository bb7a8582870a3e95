/**
 * Owns: the learning rate of a step.
 * Does not: hold state: a resumed run computes the same rates.
 *
 * Warm-up (Goyal et al.: "Accurate, large minibatch SGD", 2017) is a factor that rises linearly until it is 1, on whatever the schedule says.
 * Cosine: Loshchilov and Hutter, "SGDR", 2017, without restarts, from the end of the warm-up to the end of the run.
 */
import type { ScheduleConfig } from './train_config.js';

/** The learning rates of a whole run. */
export interface RatePlan {
  readonly schedule: ScheduleConfig;
  /** Base rate. */
  readonly base: number;
  readonly stepsPerEpoch: number;
  /** Planned epochs of the run. */
  readonly epochs: number;
}

export interface ScheduleQuery extends RatePlan {
  /** Commits before this step: 0 for the first. */
  readonly step: number;
}

/** In float64; the optimizer rounds it to float32 once. */
export function learningRateAt({ schedule, base, step, stepsPerEpoch, epochs }: ScheduleQuery): number {
  const warmupSteps = schedule.warmupEpochs * stepsPerEpoch;
  const warmup = step + 1 < warmupSteps ? (step + 1) / warmupSteps : 1;
  return base * warmup * factorAt(schedule, { step, stepsPerEpoch, warmupSteps, steps: epochs * stepsPerEpoch });
}

/** The rate after the last step of a run planned for `before` epochs, and of the next one when it is made longer, where that one is higher; else null. */
export function rateRise(
  query: Omit<ScheduleQuery, 'epochs'>,
  epochs: { before: number; now: number },
): { from: number; to: number } | null {
  const at = (step: number, planned: number): number => learningRateAt({ ...query, step, epochs: planned });
  const { step } = query;
  if (step === 0) return null;
  const [from, to] = [at(step - 1, epochs.before), at(step, epochs.now)];
  return to > from && to > at(step, epochs.before) ? { from, to } : null;
}

interface Position {
  readonly step: number;
  readonly stepsPerEpoch: number;
  readonly warmupSteps: number;
  readonly steps: number;
}

function factorAt(schedule: ScheduleConfig, { step, stepsPerEpoch, warmupSteps, steps }: Position): number {
  switch (schedule.name) {
    case 'constant':
      return 1;
    case 'step': {
      const epoch = Math.floor(step / stepsPerEpoch) + 1;
      return schedule.decay ** schedule.milestones.filter((milestone) => epoch >= milestone).length;
    }
    case 'cosine': {
      // A warm-up as long as the run leaves nothing to anneal over.
      if (steps <= warmupSteps) return 1;
      const progress = Math.min(1, Math.max(0, (step - warmupSteps) / (steps - warmupSteps)));
      return schedule.finalFraction + ((1 - schedule.finalFraction) * (1 + Math.cos(Math.PI * progress))) / 2;
    }
  }
}
