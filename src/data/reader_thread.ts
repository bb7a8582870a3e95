/**
 * Owns: the inside of the thread that reads a replica's rows ahead: rows in, their inputs out in shared memory.
 * Does not: know which are wanted next (read_ahead.ts).
 */
import { parentPort, workerData } from 'node:worker_threads';
import { emptyArray, type DataFields, type NumericArray, type StoredSplit } from '../common/dataset.js';
import type { ToldFailure } from '../common/environment_error.js';
import { invariant } from '../common/errors.js';
import { keepDeepStacks } from '../common/user_place.js';
import { product } from './assemble.js';
import { openStored } from './open_stored.js';
import { failureToTell } from './thread_failure.js';

export interface ReadRequest {
  readonly id: number;
  readonly rows: Int32Array;
}

export type ReadAnswer = { readonly id: number } & (
  { readonly inputs: Readonly<Record<string, NumericArray>> } | { readonly failure: ToldFailure }
);

keepDeepStacks();
const { split, fields } = workerData as { split: StoredSplit; fields: DataFields };
const opened = openStored(split, fields);
/** One after the other: the first that is asked for is the first that is needed. */
let last: Promise<void> = opened.then(
  () => undefined,
  () => undefined,
);

invariant(parentPort, 'a reader is a thread');
const port = parentPort;
port.on('message', (request: ReadRequest) => {
  last = last.then(() => answer(request));
});

async function answer({ id, rows }: ReadRequest): Promise<void> {
  try {
    const inputs = Object.fromEntries(
      fields.inputs.map(({ name, type, shape }) => [name, emptyArray(type, rows.length * product(shape), { shared: true })]),
    );
    await (await opened).read(rows, { inputs, targets: {} });
    port.postMessage({ id, inputs } satisfies ReadAnswer);
  } catch (error) {
    const failure = failureToTell(error);
    if (failure !== null) port.postMessage({ id, failure } satisfies ReadAnswer);
  }
}
