/**
 * Owns: the inside of the thread that runs a data module whose examples come one after the other: what is asked of a reader in, batches out in shared memory.
 * Does not: know the run (sequence_aside.ts), or shuffle (sequence_batches.ts).
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { SequenceFacts } from '../../common/dataset.js';
import type { ToldFailure } from '../../common/environment_error.js';
import { invariant } from '../../common/errors.js';
import { keepDeepStacks } from '../../common/user_place.js';
import { openModuleSequences, type SequenceWhere } from '../sources/module.js';
import { failureToTell } from '../thread_failure.js';
import type { ReaderSettings } from './sequence_dataset.js';
import type { SequenceBatch, SequenceMark, SequenceReader } from './sequence_batches.js';

export interface SequenceThreadData {
  readonly where: SequenceWhere;
  readonly which: 'train' | 'validation';
  readonly facts: SequenceFacts;
  readonly settings: ReaderSettings;
}

export type SequenceRequest = { readonly id: number } & (
  | { readonly ask: 'begin'; readonly epoch: number; readonly skip: number }
  | { readonly ask: 'read_through'; readonly epoch: number }
  | { readonly ask: 'next' }
);

export type SequenceAnswer = { readonly id: number } & (
  { readonly value: SequenceBatch | SequenceMark | null } | { readonly failure: ToldFailure }
);

keepDeepStacks();
const { where, which, facts, settings } = workerData as SequenceThreadData;
const reader = openModuleSequences(where).then((readers) => readers[which](facts, settings));
// Whoever asks first hears of its failure.
reader.catch(() => undefined);

invariant(parentPort, 'a reader is a thread');
const port = parentPort;
/** One after the other. */
let last: Promise<void> = Promise.resolve();
port.on('message', (request: SequenceRequest) => {
  last = last.then(() => answer(request));
});

async function answer(request: SequenceRequest): Promise<void> {
  const { id } = request;
  try {
    port.postMessage({ id, value: await asked(await reader, request) } satisfies SequenceAnswer);
  } catch (error) {
    const failure = failureToTell(error);
    if (failure !== null) port.postMessage({ id, failure } satisfies SequenceAnswer);
  }
}

function asked(from: SequenceReader, request: SequenceRequest): Promise<SequenceBatch | SequenceMark | null> {
  switch (request.ask) {
    case 'begin':
      return from.begin(request);
    case 'read_through':
      return from.readThrough(request.epoch);
    case 'next':
      return from.next();
  }
}
