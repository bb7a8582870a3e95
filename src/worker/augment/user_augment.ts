/**
 * Owns: a model module's own `augment(tf, { inputs, targets }, random)` as part of the step: called with the batch's examples as tensors, given numbers that
 * depend on seed, epoch and row alone, and held to the shapes that it was given.
 * Does not: import the module (models/user_augment.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { isErrorLike } from '../../common/error_facts.js';
import { ExpectedError, UsageError } from '../../common/errors.js';
import { deriveKey, PURPOSE } from '../../common/random.js';
import { placedMessage } from '../../common/user_place.js';
import { exampleNormals, exampleUniforms, type ExampleDraw, type KeyedRandomOptions } from '../../engine/index.js';
import { mapTensors, type Examples } from './examples.js';

/** float32 of [n, ...shape]: `shape` is one example's, [] for a number each. */
type ExampleRandom = (shape: readonly number[], options?: KeyedRandomOptions) => tfjs.Tensor;

/** As the module exports it. What it does not return stays as it is. */
export type AugmentFunction = (tf: typeof tfjs, examples: Examples, random: ExampleRandom) => Partial<Examples>;

export type UserAugment = (tf: typeof tfjs, examples: Examples, draw: Omit<ExampleDraw, 'key'> & { seed: number }) => Examples;

/** Keys of its draws, apart from those of the list. */
const FIRST_DRAW = 2 ** 20;

/** `name`: the module's, for messages. */
export function userAugment(name: string, given: AugmentFunction): UserAugment {
  return (tf, examples, { rows, epoch, seed }) => {
    let draws = FIRST_DRAW;
    const random: ExampleRandom = (shape, { distribution = 'uniform', minval = 0, maxval = 1, mean = 0, stddev = 1 } = {}) => {
      const key = deriveKey({ seed, purpose: PURPOSE.augment, layer: draws++ });
      const size = shape.reduce((product, extent) => product * extent, 1);
      const draw = distribution === 'uniform' ? exampleUniforms : exampleNormals;
      const numbers = tf.reshape(draw(size, { key, rows, epoch }), [rows.shape[0], ...shape]);
      const [scale, offset] = distribution === 'uniform' ? [maxval - minval, minval] : [stddev, mean];
      return tf.add(tf.mul(numbers, scale), offset);
    };
    let made: unknown;
    try {
      made = given(tf, examples, random);
    } catch (error) {
      if (error instanceof ExpectedError || !isErrorLike(error) || error.message.startsWith('internal: ')) throw error;
      throw fails(name, placedMessage(error), error);
    }
    if (typeof made !== 'object' || made === null) throw fails(name, `it returns ${made === null ? 'null' : typeof made}`);
    const { inputs = {}, targets = {} } = made as Partial<Examples>;
    return {
      inputs: taken(tf, name, { of: 'inputs', before: examples.inputs, after: inputs }),
      targets: taken(tf, name, { of: 'targets', before: examples.targets, after: targets }),
    };
  };
}

function taken(
  tf: typeof tfjs,
  name: string,
  { of, before, after }: { of: string; before: Examples['inputs']; after: Examples['inputs'] },
): Examples['inputs'] {
  const unknown = Object.keys(after).find((key) => !Object.hasOwn(before, key));
  if (unknown !== undefined) throw fails(name, `it returns ${of}.${unknown}, and ${of} are ${Object.keys(before).join(', ')}`);
  return mapTensors(before, (own, key) => {
    const value: unknown = Object.hasOwn(after, key) ? after[key] : own;
    if (!(value instanceof tf.Tensor)) throw fails(name, `${of}.${key} that it returns is ${typeof value}, wanted a tensor`);
    if (value.shape.join() !== own.shape.join())
      throw fails(name, `${of}.${key} that it returns is [${value.shape.join(', ')}], wanted [${own.shape.join(', ')}]`);
    return value.dtype === own.dtype ? value : tf.cast(value, own.dtype);
  });
}

function fails(name: string, why: string, cause?: unknown): UsageError {
  return new UsageError({
    code: 'MODEL_FAILS',
    message: `augment of ${name} fails: ${why}`,
    next: 'Mend it: of n examples it gives { inputs, targets } of the same names and shapes; what it leaves out stays as it is.',
    cause,
  });
}
