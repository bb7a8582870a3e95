/**
 * Owns: a training on one machine, as a call. Next hop: compose.ts, with the crew of local_crew.ts.
 */
import { invariant } from '../common/errors.js';
import type { EndEvent } from '../common/run_events.js';
import { compose, type Trained } from './compose.js';
import { LocalRecruiter } from './local_crew.js';
import type { TrainingRequest } from './run_request.js';

export interface TrainingOutcome extends Trained {
  readonly end: EndEvent;
  /** Null where nothing was written. */
  readonly runFolder: string | null;
}

/** Runs one training. Frees threads and devices and lets go of the run folder whatever happens. */
export async function trainLocally(request: TrainingRequest): Promise<TrainingOutcome> {
  const { end, runFolder, trained } = await compose(request, new LocalRecruiter(request));
  invariant(trained !== null, 'a local crew is needed to the end');
  return { end, runFolder, ...trained };
}
