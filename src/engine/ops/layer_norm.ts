/**
 * Owns: layer normalization over the last axis, with its gradient in as few passes over the data as TensorFlow's ops allow.
 * Does not: know layers (training_ops.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { float32Barrier } from '../lowering/float32_barrier.js';

interface LayerNormArguments {
  /** [channels]; none where the layer does not scale or shift. */
  readonly gamma?: tfjs.Tensor;
  readonly beta?: tfjs.Tensor;
  readonly epsilon: number;
}

/**
 * (x − mean) / sqrt(variance + epsilon) · gamma + beta, of each row by itself: mean and biased variance are over the last axis. Differentiable in x, gamma
 * and beta, once. float32, rank 2 or more, at least one element; float32 under bf16 too, as in Keras and PyTorch.
 *
 * With n the normalized row and g = dy · gamma: dx = (g − mean(g) − n · mean(g · n)) / sqrt(variance + epsilon), dgamma = Σ dy · n, dbeta = Σ dy.
 */
export function layerNormLastAxis(x: tfjs.Tensor, { gamma, beta, epsilon }: LayerNormArguments): tfjs.Tensor {
  const rows = x.shape.slice(0, -1).map((_, axis) => axis);
  const rowMean = (values: tfjs.Tensor): tfjs.Tensor => tf.mean(values, -1, true);
  const op = tf.customGrad((...args: unknown[]) => {
    const save = args.pop() as (tensors: tfjs.Tensor[]) => void;
    const given = float32Barrier(args[0] as tfjs.Tensor);
    const centered = tf.sub(given, rowMean(given));
    const inverse = tf.rsqrt(tf.add(rowMean(tf.square(centered)), epsilon));
    const normal = tf.mul(centered, inverse);
    save(gamma === undefined ? [normal, inverse] : [normal, inverse, gamma]);
    const scaled = gamma === undefined ? normal : tf.mul(normal, gamma);
    const value = beta === undefined ? scaled : tf.add(scaled, beta);
    const gradFunc = (dy: tfjs.Tensor, [n, root, scale]: tfjs.Tensor[]): tfjs.Tensor[] => {
      const float = float32Barrier(dy);
      const g = gamma === undefined ? float : tf.mul(float, scale);
      const dx = tf.mul(tf.sub(tf.sub(g, rowMean(g)), tf.mul(n, rowMean(tf.mul(g, n)))), root);
      const dGamma = gamma === undefined ? [] : [tf.sum(tf.mul(float, n), rows)];
      return [dx, ...dGamma, ...(beta === undefined ? [] : [tf.sum(float, rows)])];
    };
    return { value, gradFunc };
  });
  return op(...[x, gamma, beta].filter((tensor) => tensor !== undefined));
}
