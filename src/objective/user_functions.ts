/**
 * Owns: a user's function as a loss or a metric: summed over examples where it gives one value per example, otherwise the value of a whole batch, which
 * only one shard can compute.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../common/errors.js';
import { placedMessage } from '../common/user_place.js';
import type { UserFunction } from './compiled.js';
import { sumOverExamples } from './example_sums.js';
import { ANY_LABELS, ANY_SUM, type Loss } from './loss.js';
import type { Metric } from './metric.js';

/** Numbers of examples that a function is tried on: what changes with them is one value per example. */
const TRIED = [2, 3];

export interface FunctionShapes {
  /** Of one example. */
  readonly output: readonly number[];
  readonly label: readonly number[];
}

/** Whether it gives one value, or one for each position, per example. @throws UsageError MODEL_FAILS with its own words where it throws */
export function isPerExample(tf: typeof tfjs, given: UserFunction, { output, label }: FunctionShapes): boolean {
  return TRIED.every((count) =>
    tf.tidy(() => {
      const { shape } = called(tf, given, tf.zeros([count, ...label]), tf.zeros([count, ...output]));
      return shape.length > 0 && shape[0] === count;
    }),
  );
}

export function lossOfFunction(given: UserFunction): Loss {
  return {
    labels: ANY_LABELS,
    sum: ANY_SUM,
    metrics: [],
    predicts: null,
    readsLogits: false,
    create: ({ tf }) => perExample(tf, given),
  };
}

export function metricOfFunction(given: UserFunction): Metric {
  return {
    describe: () => ({ sums: [ANY_SUM], per: 1, value: 'mean', direction: HIGHER_IS_BETTER.test(given.name) ? 'max' : 'min' }),
    create: ({ tf }) => {
      const values = perExample(tf, given);
      return (labels, output) => [sumOverExamples(tf, values(labels, output))];
    },
  };
}

/** As Keras guesses a direction from a name, and the usual scores besides. */
const HIGHER_IS_BETTER = /acc|auc|precision|recall|f1|score|iou|dice/i;

/** The value of a batch stands for each of its examples. */
function perExample(tf: typeof tfjs, given: UserFunction): UserFunction {
  return (labels, output) => {
    const count = output.shape[0];
    const values = called(tf, given, labels, output);
    if (values.rank > 0 && values.shape[0] === count) return values;
    return tf.mul(tf.ones([count]), tf.mean(values));
  };
}

function called(tf: typeof tfjs, given: UserFunction, labels: tfjs.Tensor, output: tfjs.Tensor): tfjs.Tensor {
  let result: unknown;
  try {
    result = given(labels, output);
  } catch (error) {
    throw functionFails(given, placedMessage(error), error);
  }
  if (result instanceof tf.Tensor) return tf.cast(result, 'float32');
  throw functionFails(given, `it gives ${typeof result}, wanted a tensor`);
}

function functionFails({ name }: UserFunction, why: string, cause?: unknown): UsageError {
  return new UsageError({
    code: 'MODEL_FAILS',
    message: `the function ${name === '' ? 'without a name' : name} that the model is compiled with fails: ${why}`,
    next: 'Mend it; called with labels and outputs of a few examples it does the same outside of tfjs-parallel.',
    cause,
  });
}
