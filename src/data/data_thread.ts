/**
 * Owns: the inside of the thread that loads data: the configuration in, the data set or a failure out.
 * Does not: know who waits for it (load_aside.ts).
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Dataset } from '../common/dataset.js';
import { factsToTell, type ToldFailure } from '../common/environment_error.js';
import { keepDeepStacks } from '../common/user_place.js';
import { loadDataset, type DataConfig } from './load.js';
import type { DataProgress } from './progress.js';

export type DataAnswer =
  | { readonly type: 'progress'; readonly progress: DataProgress }
  | { readonly type: 'dataset'; readonly dataset: Dataset }
  | { readonly type: 'failure'; readonly failure: ToldFailure }
  /** Nothing is left that could finish it. */
  | { readonly type: 'unfinished' };

const answer = (value: DataAnswer): void => parentPort?.postMessage(value);

keepDeepStacks();

/** Not awaited at the top level, where Node would warn of it in words of its own. */
void loadDataset(workerData as DataConfig, { onProgress: (progress) => answer({ type: 'progress', progress }) })
  .then((dataset) => answer({ type: 'dataset', dataset }))
  .catch((error: unknown) => {
    const failure = factsToTell(error);
    // The main thread hears of it as of any error that nobody caught.
    if (failure === null) throw error;
    answer({ type: 'failure', failure });
  });

process.once('beforeExit', () => answer({ type: 'unfinished' }));
