/**
 * Owns: the error of a run whose numbers are finite no more: where in the run, and what to do, from which state.
 * Does not: find out what is not finite (the plane and the fleet do).
 */
import { DivergedError } from '../common/errors.js';
import type { TrainConfig } from '../common/train_config.js';
import { OPTIMIZERS } from '../optimizers/table.js';
import type { RunProgress } from './progress.js';
import type { RunStore } from './storage/run_store.js';

interface DivergedRun {
  readonly config: Pick<TrainConfig, 'optimizer'>;
  readonly progress: RunProgress;
  readonly store: Pick<RunStore, 'sound'>;
}

/** All shards were finite, and adding them or applying the update was not. */
export function diverged(run: DivergedRun, what: string): DivergedError {
  const { epoch, stepInEpoch, step } = run.progress.now;
  const message = `epoch ${epoch}, step ${stepInEpoch + 1} (step ${step + 1} of the run) gave NaN or Inf in ${what}; the step was not applied`;
  const { optimizer } = run.config;
  const { next } = OPTIMIZERS[optimizer.name].whenNotFinite?.(optimizer) ?? { next: afterDiverging(run) };
  return new DivergedError({ code: 'NON_FINITE', message, next });
}

/** A shard was not finite, twice: the fleet says which, where and on whom, and does not know epochs. */
export function divergedInShard(run: DivergedRun, { code, message, cause }: DivergedError): DivergedError {
  return new DivergedError({
    code,
    message: `epoch ${run.progress.now.epoch}: ${message}`,
    next: afterDiverging(run),
    cause,
  });
}

/** The last state is finite; that of the last good evaluation is known to be well, too. */
function afterDiverging({ store: { sound } }: DivergedRun): string {
  const from =
    sound === null
      ? 'anew, or from the last state with --init-from RUN: it is finite, and no evaluation has shown it to be good'
      : `with --init-from ${sound.path}: of epoch ${sound.epoch}, the newest state after which an evaluation was good (later ones are finite, no more is known)`;
  return `start a new run with a lower learning rate (--lr) or clipped gradients (--set optimizer.clip_norm=1), ${from}`;
}
