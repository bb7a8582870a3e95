/**
 * Owns: the inside of the thread that loads data: the configuration in, the data set or a failure out.
 * Does not: know who waits for it (load_aside.ts).
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Dataset } from '../common/dataset.js';
import { environmentErrorOf } from '../common/environment_error.js';
import { isErrorLike } from '../common/error_facts.js';
import { ExpectedError, type ErrorDetails, type ExitCode } from '../common/errors.js';
import { loadDataset, type DataConfig } from './load.js';
import type { DataProgress } from './progress.js';

export type DataAnswer =
  | { readonly type: 'progress'; readonly progress: DataProgress }
  | { readonly type: 'dataset'; readonly dataset: Dataset }
  | {
      readonly type: 'failure';
      readonly exitCode: ExitCode;
      readonly details: ErrorDetails;
      readonly cause: { readonly message: string; readonly stack: string } | null;
    }
  /** Nothing is left that could finish it. */
  | { readonly type: 'unfinished' };

const answer = (value: DataAnswer): void => parentPort?.postMessage(value);

/** Not awaited at the top level, where Node would warn of it in words of its own. */
void loadDataset(workerData as DataConfig, { onProgress: (progress) => answer({ type: 'progress', progress }) })
  .then((dataset) => answer({ type: 'dataset', dataset }))
  .catch((error: unknown) => {
    const expected = error instanceof ExpectedError ? error : environmentErrorOf(error);
    // The main thread hears of it as of any error that nobody caught.
    if (expected === null) throw error;
    const { code, message, next, exitCode, cause } = expected;
    answer({ type: 'failure', exitCode, details: { code, message, next }, cause: causeOf(cause) });
  });

process.once('beforeExit', () => answer({ type: 'unfinished' }));

function causeOf(cause: unknown): { message: string; stack: string } | null {
  return isErrorLike(cause) ? { message: cause.message, stack: cause.stack ?? cause.message } : null;
}
