/**
 * Owns: the learning rate of a step.
 * Does not: hold state: a resumed run computes the same rates.
 *
 * Warm-up (Goyal et al.: "Accurate, large minibatch SGD", 2017) is a factor that rises linearly until it is 1, on whatever the schedule says.
 * Cosine: Loshchilov and Hutter, "SGDR", 2017, without restarts, from the end of the warm-up to the end of the run.
 */
import { UsageError } from './errors.js';
import type { ScheduleConfig } from './train_config.js';

/** The learning rates of a whole run. */
export interface RatePlan {
  readonly schedule: ScheduleConfig;
  /** Base rate. */
  readonly base: number;
  readonly stepsPerEpoch: number;
  /** Planned epochs of the run. */
  readonly epochs: number;
  /** The step's, from 1, where it does not follow from the steps: epochs of a sequence may have other numbers of them. */
  readonly epoch?: number;
}

export interface ScheduleQuery extends RatePlan {
  /** Commits before this step: 0 for the first. */
  readonly step: number;
}

/** In float64; the optimizer rounds it to float32 once. */
export function learningRateAt({ schedule, base, step, stepsPerEpoch, epochs, epoch }: ScheduleQuery): number {
  const warmupSteps = schedule.warmupEpochs * stepsPerEpoch;
  const warmup = step + 1 < warmupSteps ? (step + 1) / warmupSteps : 1;
  return base * warmup * factorAt(schedule, { step, stepsPerEpoch, warmupSteps, steps: epochs * stepsPerEpoch, epoch });
}

/** @throws UsageError SCHEDULE_NEEDS_COUNT where the rates go by the steps of an epoch, and nobody knows them */
export function requireCounted(
  { name, warmupEpochs }: ScheduleConfig,
  data: { readonly name: string; readonly count: number | null },
): void {
  if (data.count !== null || (name !== 'cosine' && warmupEpochs === 0)) return;
  const what =
    name === 'cosine'
      ? 'a cosine schedule goes to the last step of the run'
      : `a warm-up of ${warmupEpochs} epochs ends after so many steps`;
  throw new UsageError({
    code: 'SCHEDULE_NEEDS_COUNT',
    message: `${what}, and how many examples ${data.name} has in an epoch is known when the first has ended`,
    next: 'Give their number beside the sequence, { examples, count }, or --train-limit N; or take the step schedule, or a function learningRate.',
  });
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
  readonly epoch: number | undefined;
}

function factorAt(schedule: ScheduleConfig, { step, stepsPerEpoch, warmupSteps, steps, epoch }: Position): number {
  switch (schedule.name) {
    case 'constant':
      return 1;
    case 'step': {
      const now = epoch ?? Math.floor(step / stepsPerEpoch) + 1;
      return schedule.decay ** schedule.milestones.filter((milestone) => now >= milestone).length;
    }
    case 'cosine': {
      // A warm-up as long as the run leaves nothing to anneal over.
      if (steps <= warmupSteps) return 1;
      const progress = Math.min(1, Math.max(0, (step - warmupSteps) / (steps - warmupSteps)));
      return schedule.finalFraction + ((1 - schedule.finalFraction) * (1 + Math.cos(Math.PI * progress))) / 2;
    }
  }
}
