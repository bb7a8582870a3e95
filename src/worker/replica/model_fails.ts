/** Owns: what a user's model throws, or TensorFlow on its behalf, as an error of the run that says what to change. */
import { isErrorLike } from '../../common/error_facts.js';
import { ExpectedError, UsageError } from '../../common/errors.js';
import { placedMessage, withPlace } from '../../common/user_place.js';
import { TensorFlowError } from '../../engine/index.js';

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
      message: `the model fails in ${during}: ${placedMessage(error)}`,
      next,
      cause: error,
    });
  }
}

/** What TensorFlow finds wrong with the values themselves is the same on any device: the data or the model must change, not the replica. */
const FAULTS_OF_VALUES: readonly string[] = ['INVALID_ARGUMENT', 'OUT_OF_RANGE'];
/** So is what it has no kernel for. */
const FAULTS_OF_OPS: readonly string[] = ['UNIMPLEMENTED', 'NOT_FOUND'];

/** What a GPU's kernel says that adds in any order, where the same bits are asked for on every run. */
const NOT_DETERMINISTIC = /determinis/i;

/** The model applied to examples of these shapes, whatever is in them: sizes that are open in the model (`[null, null, 1]`) may not fit its layers. */
export function onShapes<T>(compute: () => T, shapes: readonly (readonly number[])[]): T {
  try {
    return compute();
  } catch (error) {
    if (!(error instanceof TensorFlowError) || !FAULTS_OF_VALUES.includes(error.tfCode)) throw error;
    const zeros = shapes.map((shape) => `tf.zeros([${[1, ...shape].join(', ')}])`).join(', ');
    throw new UsageError({
      code: 'MODEL_FAILS',
      message: withPlace(
        `the model does not take examples of ${shapes.map((shape) => `[${shape.join(', ')}]`).join(', ')}: ${error.operation}: ${error.tfMessage}`,
        error,
      ),
      next: `Bring the examples to a size that all layers take, or change the layers; model.apply(${shapes.length === 1 ? zeros : `[${zeros}]`}) shows the same.`,
      cause: error,
    });
  }
}

export function onExamples<T>(compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    if (error instanceof TensorFlowError && FAULTS_OF_OPS.includes(error.tfCode)) {
      throw new UsageError({
        code: 'MODEL_FAILS',
        message: withPlace(`TensorFlow cannot compute the model: ${error.operation}: ${error.tfMessage}`, error),
        next: NOT_DETERMINISTIC.test(error.tfMessage)
          ? 'Replace the layer or op that it names, or set TF_DETERMINISTIC_OPS=0: then bits may differ from run to run on this GPU.'
          : 'Replace the layer or op that it has no kernel for; another kind of device may have one.',
        cause: error,
      });
    }
    if (!(error instanceof TensorFlowError) || !FAULTS_OF_VALUES.includes(error.tfCode)) throw error;
    throw new UsageError({
      code: 'MODEL_FAILS',
      message: withPlace(`the model does not take these examples: ${error.operation}: ${error.tfMessage}`, error),
      next: 'Compare the values of the data with what the layers take, such as the tokens with the inputDim of an embedding.',
      cause: error,
    });
  }
}
