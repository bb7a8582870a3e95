/** Owns: telling of a run that is resumed by its names where its model was an object of the program that began it. */
import { StorageError, ExpectedError } from '../common/errors.js';

/** @throws StorageError RUN_OF_A_PROGRAM */
export async function orOfProgram<T>(
  run: string | null,
  what: 'model' | 'data',
  name: string,
  find: () => Promise<T>,
): Promise<T> {
  try {
    return await find();
  } catch (cause) {
    const isUnknown = cause instanceof ExpectedError && ['MODEL_UNKNOWN', 'DATA_UNKNOWN'].includes(cause.code);
    if (run === null || !isUnknown) throw cause;
    throw new StorageError({
      code: 'RUN_OF_A_PROGRAM',
      message: `${run} was begun with ${what === 'model' ? 'a model' : 'data'} that a program holds (${name}), and there is none of this name`,
      next: `Go on with it in that program: train({ model, data, resume: '${run}' }), or fit(model, x, y, { resume: '${run}' }) where fit() began it.`,
      cause,
    });
  }
}
