/**
 * Owns: the losses and the notion of "correct", per example, for a model's output.
 * Does not: average: sums over examples are exact under sharding, means are not.
 *
 * Cross-entropies are taken from logits. A model that ends in its own softmax or sigmoid is used as it is: the logarithm
 * of its output (for sigmoid the log-odds) is a logit of the same distribution.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../common/errors.js';
import type { LossName } from '../common/train_config.js';

/** Keras's guard against log(0) (keras/backend, epsilon). */
const PROBABILITY_EPSILON = 1e-7;

/** Cross-entropies of the engine: `[n]` losses from logits, differentiable. */
export interface CrossEntropies {
  softmaxCrossEntropy(labels: tfjs.Tensor, logits: tfjs.Tensor2D): tfjs.Tensor1D;
  sigmoidCrossEntropy(labels: tfjs.Tensor, logits: tfjs.Tensor): tfjs.Tensor;
}

export interface LossValue {
  /** Scalar: sum over the shard's examples. */
  readonly sum: tfjs.Scalar;
  /** Scalar int32: correct predictions; 0 for regression. */
  readonly correct: tfjs.Scalar;
}

export type LossFunction = (labels: tfjs.Tensor, output: tfjs.Tensor) => LossValue;

/** `labelShape` and `classes` as in Dataset: `[]` class indices, else one vector per example. Errors: LABELS_SHAPE. */
export function createLoss(
  tf: typeof tfjs,
  fused: CrossEntropies,
  {
    loss,
    model,
    inputShape,
    labelShape,
    classes,
  }: {
    loss: LossName;
    model: tfjs.LayersModel;
    inputShape: readonly number[];
    labelShape: readonly number[];
    classes?: number | undefined;
  },
): LossFunction {
  const outputShape = outputShapeOf(tf, model, inputShape);
  checkLabels(loss, outputShape, labelShape, classes);
  const activation = outputActivation(model);
  switch (loss) {
    case 'softmax_cross_entropy':
      return (labels, output) => {
        const logits = (
          activation === 'softmax' ? tf.log(tf.clipByValue(output, PROBABILITY_EPSILON, 1)) : output
        ) as tfjs.Tensor2D;
        const classes = labelShape.length === 0 ? labels : tf.argMax(labels, -1);
        return {
          sum: tf.sum(fused.softmaxCrossEntropy(labels, logits)),
          correct: countTrue(tf, tf.equal(tf.argMax(logits, -1), tf.cast(classes, 'int32'))),
        };
      };
    case 'sigmoid_cross_entropy':
      return (labels, output) => {
        const wanted = tf.reshape(tf.cast(labels, 'float32'), output.shape);
        const logits = activation === 'sigmoid' ? logOdds(tf, output) : output;
        const perOutput = tf.reshape(fused.sigmoidCrossEntropy(wanted, logits), [output.shape[0], -1]);
        const right = tf.equal(tf.greater(logits, 0), tf.greater(wanted, 0.5));
        return {
          sum: tf.sum(tf.mean(perOutput, 1)),
          correct: countTrue(tf, tf.all(tf.reshape(right, [output.shape[0], -1]), 1)),
        };
      };
    case 'mean_squared_error':
      return (labels, output) => {
        const difference = tf.sub(output, tf.reshape(tf.cast(labels, 'float32'), output.shape));
        const perExample = tf.mean(tf.reshape(tf.mul(difference, difference), [output.shape[0], -1]), 1);
        return { sum: tf.sum(perExample), correct: tf.scalar(0, 'int32') };
      };
  }
}

function countTrue(tf: typeof tfjs, condition: tfjs.Tensor): tfjs.Scalar {
  return tf.sum(tf.cast(condition, 'int32'));
}

function logOdds(tf: typeof tfjs, probability: tfjs.Tensor): tfjs.Tensor {
  const p = tf.clipByValue(probability, PROBABILITY_EPSILON, 1 - PROBABILITY_EPSILON);
  return tf.sub(tf.log(p), tf.log(tf.sub(1, p)));
}

interface LayerInternals {
  layer?: tfjs.layers.Layer;
  layers?: tfjs.layers.Layer[];
  outputs?: tfjs.SymbolicTensor[];
}

/** Layers that only move values: the activation is that of what comes before them. */
const SHAPE_ONLY = ['Flatten', 'Reshape', 'Permute'];

/** `softmax`, `sigmoid`, … of the layer that computes the output, inside nested models and wrappers too; undefined if it has none. */
function outputActivation(model: tfjs.LayersModel): string | undefined {
  let tensor = model.outputs[0];
  for (;;) {
    let layer = tensor.sourceLayer;
    const { layers, outputs } = layer as unknown as LayerInternals;
    if (Array.isArray(layers) && outputs?.length === 1) tensor = outputs[0];
    else if (SHAPE_ONLY.includes(layer.getClassName())) tensor = tensor.inputs[0];
    else {
      if (layer.getClassName() === 'TimeDistributed') layer = (layer as unknown as LayerInternals).layer ?? layer;
      if (layer.getClassName() === 'Softmax') return 'softmax';
      const { activation } = layer.getConfig() as { activation?: unknown };
      return typeof activation === 'string' ? activation : undefined;
    }
  }
}

/** Of one example. A model that takes examples of any size is given one of these: tfjs's computeOutputShape does not know sequential models. */
function outputShapeOf(tf: typeof tfjs, model: tfjs.LayersModel, inputShape: readonly number[]): number[] {
  const shape = (model.outputShape as (number | null)[]).slice(1);
  if (!shape.includes(null)) return shape as number[];
  return tf.tidy(() => (model.apply(tf.zeros([1, ...inputShape]), { training: false }) as tfjs.Tensor).shape.slice(1));
}

function checkLabels(loss: LossName, outputShape: number[], labelShape: readonly number[], classes: number | undefined): void {
  const outputs = outputShape.reduce((a, b) => a * b, 1);
  const labels = labelShape.reduce((a, b) => a * b, 1);
  const sparse = loss === 'softmax_cross_entropy' && labelShape.length === 0;
  if (loss === 'softmax_cross_entropy' && outputShape.length !== 1) {
    throw labelError(`softmax_cross_entropy wants one vector of logits per example, the model gives [${outputShape.join(', ')}]`);
  }
  if (loss === 'softmax_cross_entropy' && outputs === 1) {
    throw new UsageError({
      code: 'LOSS_UNFIT',
      message: 'the model gives one value per example, and the softmax over a single value is 1 whatever the model learns',
      next: 'Choose --loss sigmoid_cross_entropy for labels of 0 and 1 (no and yes), mean_squared_error for real-valued targets, or give the model one output per class.',
    });
  }
  if (sparse && classes !== undefined && classes > outputs) {
    throw labelError(`the model tells ${outputs} classes apart, the labels have ${classes}`);
  }
  if (!sparse && outputs !== labels) {
    throw labelError(`the model gives ${outputs} values per example, a label has ${labels} ([${labelShape.join(', ')}])`);
  }
}

function labelError(message: string): UsageError {
  return new UsageError({
    code: 'LABELS_SHAPE',
    message,
    next: 'change the last layer, the labels, or --loss (softmax_cross_entropy takes class indices or one-hot rows)',
  });
}
