/** Owns: outputs as probabilities, whatever they are, and labels in the same shape. */
import type * as tfjs from '@tensorflow/tfjs';
import type { MetricParts } from './metric.js';

export function predictedShares({ tf, kind, predicts, readsLogits }: MetricParts, output: tfjs.Tensor): tfjs.Tensor {
  if (kind !== 'unknown' || !readsLogits) return output;
  return predicts === 'class' ? tf.softmax(output) : tf.sigmoid(output);
}

export function wantedShares({ tf, indices, outputShape }: MetricParts, labels: tfjs.Tensor): tfjs.Tensor {
  if (!indices) return labels;
  return tf.cast(tf.oneHot(labels as tfjs.Tensor1D, outputShape[outputShape.length - 1]), 'float32');
}
