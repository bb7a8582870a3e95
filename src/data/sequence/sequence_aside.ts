/**
 * Owns: a data module's sequence read by a thread of its own, so that the run and the screen go on whatever the module does.
 * Does not: read (sequence_thread.ts does).
 */
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { toldError } from '../../common/environment_error.js';
import { DataError } from '../../common/errors.js';
import { builtFile, requirePackageFile } from '../../system/package_file.js';
import type { SequenceBatch, SequenceMark, SequenceReader } from './sequence_batches.js';
import type { SequenceAnswer, SequenceRequest, SequenceThreadData } from './sequence_thread.js';

const THREAD_FILE = builtFile('data/sequence/sequence_thread.js');

type Ask = SequenceRequest extends infer Request ? (Request extends unknown ? Omit<Request, 'id'> : never) : never;

export function openSequenceAside(data: SequenceThreadData): SequenceReader {
  requirePackageFile(THREAD_FILE);
  const worker = new Worker(THREAD_FILE, { workerData: data, env: SHARE_ENV });
  const waiting = new Map<
    number,
    { done: (value: SequenceBatch | SequenceMark | null) => void; fail: (error: unknown) => void }
  >();
  let asked = 0;
  let ended: unknown = null;
  const endAll = (error: unknown): void => {
    ended ??= error;
    for (const { fail } of waiting.values()) fail(error);
    waiting.clear();
  };
  worker.on('message', (answer: SequenceAnswer) => {
    const one = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('value' in answer) return one?.done(answer.value);
    one?.fail(toldError(answer.failure));
  });
  worker.on('error', (error) => endAll(failed(data, `failed: ${error.name}: ${error.message}`)));
  worker.on('exit', (code) => endAll(failed(data, `ended its thread (${code}) while examples were wanted`)));
  const ask = <T extends SequenceBatch | SequenceMark | null>(request: Ask): Promise<T> =>
    new Promise<T>((done, fail) => {
      if (ended !== null) return fail(ended as Error);
      const id = ++asked;
      waiting.set(id, { done: done as (value: SequenceBatch | SequenceMark | null) => void, fail });
      worker.postMessage({ ...request, id } as SequenceRequest);
    });
  return {
    begin: ({ epoch, skip }) => ask<SequenceMark>({ ask: 'begin', epoch, skip }),
    readThrough: (epoch) => ask<SequenceMark>({ ask: 'read_through', epoch }),
    next: () => ask<SequenceBatch | null>({ ask: 'next' }),
    async close() {
      await worker.terminate();
    },
  };
}

function failed({ where: { path } }: SequenceThreadData, what: string): DataError {
  return new DataError({
    code: 'DATA_MODULE',
    message: `${path}: ${what}`,
    next: 'Correct the module: its sequence throws an error where it cannot go on, and ends nothing but itself.',
  });
}
