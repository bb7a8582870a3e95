/**
 * Owns: what a thread of ours answers where it fails.
 * Does not: answer (reader_thread.ts, sequence/sequence_thread.ts).
 */
import { factsToTell, type ToldFailure } from '../common/environment_error.js';

/**
 * An expected error's facts, to be told. Null for any other: nobody catches it here, it is thrown in a turn of its own, and whoever opened the thread
 * hears of it as of any error of it.
 */
export function failureToTell(error: unknown): ToldFailure | null {
  const failure = factsToTell(error);
  if (failure === null)
    setImmediate(() => {
      throw error;
    });
  return failure;
}
