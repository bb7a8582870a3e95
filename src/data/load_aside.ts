/**
 * Owns: loading a run's data in a thread of its own, so that the main thread keeps signals and the screen whatever a user's module does: one that computes
 * for minutes is ended by Ctrl-C, and one that calls process.exit ends its thread and not the program.
 * Does not: load (data_thread.ts does, by load.ts).
 */
import { SHARE_ENV, Worker } from 'node:worker_threads';
import type { Dataset } from '../common/dataset.js';
import { environmentErrorOf, toldError } from '../common/environment_error.js';
import { DataError } from '../common/errors.js';
import { placedReason } from '../common/user_place.js';
import { builtFile, requirePackageFile } from '../system/package_file.js';
import type { DataAnswer } from './data_thread.js';
import { isDataModule, type DataConfig, type LoadOptions } from './load.js';
import { dataConfigOf } from './sources/source.js';

const THREAD_FILE = builtFile('data/data_thread.js');

/** As `loadDataset`, and DATA_MODULE where the module ended its thread. `signal` ends the thread, and rejects with its reason. */
export async function loadDatasetAside(
  config: DataConfig,
  { onProgress = () => undefined, signal }: LoadOptions & { signal?: AbortSignal } = {},
): Promise<Dataset> {
  signal?.throwIfAborted();
  requirePackageFile(THREAD_FILE);
  const { data } = config;
  const worker = new Worker(THREAD_FILE, { workerData: dataConfigOf(config), env: SHARE_ENV });
  let onAbort = (): void => {};
  try {
    return await new Promise<Dataset>((done, fail) => {
      onAbort = () => fail(signal?.reason as Error);
      signal?.addEventListener('abort', onAbort, { once: true });
      worker.on('message', (answer: DataAnswer) => {
        if (answer.type === 'progress') onProgress(answer.progress);
        else if (answer.type === 'dataset') done(answer.dataset);
        else if (answer.type === 'failure') fail(toldError(answer.failure));
        else fail(moduleEnded(`${data}: never finishes: it awaits something that cannot happen any more`));
      });
      worker.on('messageerror', fail);
      worker.on('error', (error) => fail(environmentErrorOf(error) ?? uncaughtIn(data, error)));
      worker.on('exit', (code) => fail(moduleEnded(`${data}: ended its thread by process.exit(${code})`)));
    });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    // What the module left open (timers, connections) is not waited for; the data are in shared memory.
    await worker.terminate();
  }
}

/** In a callback that nobody awaits: of a module it is the module's, elsewhere ours. */
function uncaughtIn(data: string, error: Error): unknown {
  if (!isDataModule(data)) return error;
  return new DataError({
    code: 'DATA_MODULE',
    message: `${data}: failed: ${placedReason(error)}`,
    next: 'Correct the module; -v shows where it failed.',
    cause: error,
  });
}

function moduleEnded(message: string): DataError {
  return new DataError({
    code: 'DATA_MODULE',
    message,
    next: 'Let the module export or return its sets, and throw an error where it cannot.',
  });
}
