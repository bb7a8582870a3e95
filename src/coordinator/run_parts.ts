/** Owns: what a run's loop is given: its settings, its plane, and who hears of it. Does not: use any of it (run.ts, epoch_steps.ts). */
import type { Monitor } from '../common/objective.js';
import type { ModelDescription } from '../common/replica.js';
import type { RunObserver } from '../common/run_events.js';
import type { RunWishes } from '../common/run_wishes.js';
import type { StopRequest } from '../common/stop_request.js';
import type { TrainConfig } from '../common/train_config.js';
import type { BatchStream } from './batch_stream.js';
import type { Plane } from './planes/plane.js';
import type { RunProgress } from './progress.js';
import type { RunHooks } from './run_hooks.js';
import type { RunStore } from './storage/run_store.js';
import type { Watched } from './watch.js';

export interface RunParts {
  readonly config: TrainConfig;
  readonly model: Pick<ModelDescription, 'objective'>;
  /** Examples in each split, limits applied; 0 where there is none, null where a stream has not told. */
  readonly examples: { readonly train: number | null; readonly validation: number | null };
  readonly plane: Plane;
  readonly progress: RunProgress;
  readonly monitor: Monitor;
  readonly watched: Watched;
  /** Keeps the weights of an epoch that is the best so far. */
  readonly keepBest?: (epoch: number) => Promise<void>;
  /** Hands on the weights after an epoch, where that is asked for. */
  readonly tellWeights?: (epoch: number) => Promise<void>;
  /** Before the run says that it ended, where its training is complete. */
  readonly completed?: () => Promise<void>;
  readonly store: RunStore;
  /** Names the weights and slots that the plane holds. */
  readonly digest: () => Promise<string>;
  readonly observe: RunObserver;
  readonly stop: StopRequest;
  readonly wishes?: RunWishes;
  readonly hooks?: RunHooks;
  /** Where batches come from a stream: rows 0, 1, … of the training split are then the batch of the next step. */
  readonly stream?: BatchStream;
  /** Where what is validated on comes from one: rows 0, 1, … of the validation split are then its next batch. */
  readonly validationStream?: BatchStream;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}
