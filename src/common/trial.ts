/**
 * Owns: runs that only try things out: `fast_dev_run` (does all of it work?) and `overfit` (can the model learn at all?): what they make of a
 * configuration, and what is said of them.
 */
import type { TrainConfig } from './train_config.js';

const STEPS = 2;

interface Sizes {
  /** Null where nobody knows: there may be fewer than a trial takes. */
  readonly train: number | null;
  /** 0 where there is none. */
  readonly validation: number | null;
}

/** One epoch of two steps and an evaluation of as many examples, judged by nothing; `sizes` are those of the data, limits applied. */
export function fastDevRun(config: TrainConfig, sizes: Sizes): TrainConfig {
  const most = STEPS * config.batch;
  return {
    ...config,
    ...{ epochs: 1, maxSteps: null, target: null, saveAbove: null },
    ...(config.overfit === null
      ? {
          trainLimit: Math.min(most, sizes.train ?? most),
          validationLimit: sizes.validation === 0 ? null : Math.min(most, sizes.validation ?? most),
        }
      : { overfit: Math.min(most, sizes.train ?? most) }),
  };
}

/** What the numbers of such a run do not say, for its warnings. */
export function trialNotes({ fastDevRun: isFast, overfit }: TrainConfig): { code: string; message: string }[] {
  const fast = {
    code: 'FAST_DEV_RUN',
    message: 'two steps and an evaluation, to see that all of it works; nothing is kept, and its values mean nothing',
  };
  const few = {
    code: 'OVERFIT_RUN',
    message: `trains and validates on the first ${overfit} training examples: its values say whether the model can learn these, and nothing of others`,
  };
  return [...(isFast ? [fast] : []), ...(overfit === null ? [] : [few])];
}
