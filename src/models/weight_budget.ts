/**
 * Owns: that a model's weights are counted before memory is taken for them: a layer of 10^6 units on as many inputs is refused, not begun.
 * Does not: know layers: whatever makes a weight makes it by tfjs's Layer.addWeight.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { EnvironmentError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import { availableMemory } from '../system/memory_limit.js';

interface WeighedLayer {
  name: string;
  addWeight(name: string, shape: (number | null)[], ...rest: unknown[]): unknown;
}

/** Weights that this process can train: each is here four times, as itself, as gradient, on its way and as the next. */
export function trainableWeights(memoryBytes = availableMemory()): number {
  return Math.min(LIMITS.maxWireWeights, Math.floor(memoryBytes / (4 * LIMITS.workerWeightCopies)));
}

/** Runs `build`, whose weights are at most `most`. @throws EnvironmentError MODEL_TOO_MANY_WEIGHTS, before memory is taken for the weight that is too much. */
export async function withWeightBudget<T>(tf: typeof tfjs, most: number, build: () => T | Promise<T>): Promise<T> {
  const prototype = tf.layers.Layer.prototype as unknown as WeighedLayer;
  const original = prototype.addWeight;
  let weights = 0;
  let refusal: EnvironmentError | null = null;
  prototype.addWeight = function (this: WeighedLayer, name, shape, ...rest) {
    const size = shape.reduce<number>((product, extent) => product * (extent ?? 1), 1);
    weights += size;
    if (weights > most) {
      refusal = tooLarge({ layer: this.name, weight: name, shape, most });
      throw refusal;
    }
    return original.call(this, name, shape, ...rest);
  };
  try {
    return await build();
  } catch (error) {
    // tfjs and createModel() put errors in words of their own.
    throw refusal ?? error;
  } finally {
    prototype.addWeight = original;
  }
}

function tooLarge(what: { layer: string; weight: string; shape: readonly (number | null)[]; most: number }): EnvironmentError {
  const { layer, weight, shape, most } = what;
  return new EnvironmentError({
    code: 'MODEL_TOO_MANY_WEIGHTS',
    message: `with ${weight} of layer ${layer} [${shape.join(', ')}] the model has more than the ${most} weights that this machine can train`,
    next: 'Use fewer units there, or a machine with more memory.',
  });
}
