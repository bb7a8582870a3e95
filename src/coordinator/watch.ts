/**
 * Owns: early stopping and lowering the rate on a plateau, as Keras decides them: from the state before and an epoch's value to the state after.
 * Does not: know an epoch's other values, or act (run.ts does). Its state is in the run's progress, so that a resumed run decides the same.
 */
import type { Monitor } from '../common/objective.js';
import type { TrainConfig } from '../common/train_config.js';
import { isBetter } from '../objective/values.js';
import type { Watch } from './storage/state/state_schema.js';

/** What each watches; null where it is off. */
export interface Watched {
  readonly stopping: Monitor | null;
  readonly plateau: Monitor | null;
}

export interface WatchOutcome {
  readonly watch: Watch;
  /** The best epoch so far, for early stopping. */
  readonly improved: boolean;
  /** Words for the run's observers. */
  readonly notices: readonly { readonly code: string; readonly message: string }[];
}

type Settings = Pick<TrainConfig, 'earlyStopping' | 'reduceOnPlateau' | 'optimizer'>;

interface Epoch {
  readonly epoch: number;
  readonly values: Readonly<Record<string, number>>;
}

export function watchEpoch(settings: Settings, watched: Watched, before: Watch, at: Epoch): WatchOutcome {
  const stopping = watched.stopping === null ? null : stop(settings, watched.stopping, before, at);
  const plateau = watched.plateau === null ? null : lower(settings, watched.plateau, before, at);
  return {
    watch: { ...(stopping && { stopping: stopping.state }), ...(plateau && { plateau: plateau.state }) },
    improved: stopping?.improved ?? false,
    notices: [stopping?.notice, plateau?.notice].filter((notice) => notice !== undefined),
  };
}

/** Whether early stopping has ended the run: also of one that is resumed. */
export function isStopped({ patience }: TrainConfig['earlyStopping'], { stopping }: Watch): boolean {
  return patience !== null && stopping !== undefined && stopping.wait > 0 && stopping.wait >= patience;
}

const shown = (best: number | null): string => (best === null ? 'at first' : String(Number(best.toPrecision(5))));

/** What the base rate is multiplied by. */
export const rateFactor = ({ plateau }: Watch): number => plateau?.factor ?? 1;

function stop({ earlyStopping }: Settings, monitor: Monitor, { stopping }: Watch, { epoch, values }: Epoch) {
  const { baseline, minDelta } = earlyStopping;
  const { best, bestEpoch, wait } = stopping ?? { best: baseline, bestEpoch: null, wait: 0 };
  const value = values[monitor.name];
  const improved = isImproved(monitor, value, { best, minDelta });
  const state = improved ? { best: value, bestEpoch: epoch, wait: 0 } : { best, bestEpoch, wait: wait + 1 };
  if (!isStopped(earlyStopping, { stopping: state })) return { state, improved };
  const since = bestEpoch === null ? '' : ` since epoch ${bestEpoch}`;
  const message = `${monitor.name} was no better than ${shown(best)} for ${state.wait === 1 ? 'an epoch' : `${state.wait} epochs`}${since}`;
  return { state, improved, notice: { code: 'STOPPED_EARLY', message } };
}

function lower({ reduceOnPlateau, optimizer }: Settings, monitor: Monitor, { plateau }: Watch, { values }: Epoch) {
  const { patience, factor: by, minDelta, cooldown: rest, minLearningRate } = reduceOnPlateau;
  const { best, factor, ...before } = plateau ?? { best: null, wait: 0, cooldown: 0, factor: 1 };
  const cooldown = Math.max(0, before.cooldown - 1);
  const value = values[monitor.name];
  const isResting = cooldown > 0;
  if (isImproved(monitor, value, { best, minDelta })) return { state: { best: value, wait: 0, cooldown, factor } };
  if (isResting) return { state: { best, wait: 0, cooldown, factor } };
  const wait = (before.cooldown > 0 ? 0 : before.wait) + 1;
  if (wait < (patience ?? Infinity)) return { state: { best, wait, cooldown, factor } };
  const lowest = minLearningRate / optimizer.learningRate;
  const next = Math.max(factor * by, Math.min(lowest, factor));
  const message = `${monitor.name} was no better than ${shown(best)}: the base learning rate is multiplied by ${Number(next.toPrecision(6))} from now on`;
  const notice = next < factor ? { code: 'RATE_REDUCED', message } : undefined;
  return { state: { best, wait: 0, cooldown: rest, factor: next }, notice };
}

function isImproved(monitor: Monitor, value: number, { best, minDelta }: { best: number | null; minDelta: number }): boolean {
  if (!Number.isFinite(value)) return false;
  return best === null || isBetter(monitor, monitor.direction === 'max' ? value - minDelta : value + minDelta, best);
}
