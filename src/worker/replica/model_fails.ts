/** Owns: what a user's model throws, as an error of the run that names the model's own place. */
import { isErrorLike } from '../../common/error_facts.js';
import { ExpectedError, UsageError } from '../../common/errors.js';
import { TensorFlowError } from '../../engine/index.js';
import { placeOf } from '../../engine/record_error.js';

/**
 * What the model itself throws, a layer of the user's, tfjs's refusal of its shapes or an op without a gradient, is neither a bug of ours nor a
 * device that died.
 */
export function orModelFails<T>(compute: () => T, { during, next }: { during: string; next: string }): T {
  try {
    return compute();
  } catch (error) {
    const ours = error instanceof ExpectedError || error instanceof TensorFlowError;
    if (!isErrorLike(error) || ours || error.message.startsWith('internal: ')) throw error;
    throw new UsageError({
      code: 'MODEL_FAILS',
      message: `the model fails in ${during}: ${error.message}${whereThrown(error)}`,
      next,
      cause: error,
    });
  }
}

/** Unless that is in tfjs. */
function whereThrown(error: Error): string {
  const place = placeOf(error);
  return place === undefined || place.includes('/node_modules/') ? '' : ` (${place})`;
}
