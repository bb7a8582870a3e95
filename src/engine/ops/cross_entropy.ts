/**
 * Owns: cross-entropies from logits with their gradients, one TensorFlow op for softmax (few on a GPU), few for sigmoid.
 * Does not: sum or average over examples.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { isDifferentiatedTwice } from '../backend/replace_gradient.js';
import { TF_FLOAT, TF_INT32 } from '../capi/data_types.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import { cast, typeAttr, withRawOps } from '../backend/raw_ops.js';

/** customGrad's second argument, which tfjs types as a tensor. */
type SaveTensors = (tensors: tfjs.Tensor[]) => void;

/**
 * −Σ label · log softmax(logits) per example. `labels`: class indices `[n]` (int32 or uint8) or rows `[n, c]` (float32) of any sum that is not negative;
 * `logits`: `[n, c]`. Differentiable in the logits, any number of times; labels count as constants.
 * Source: tensorflow/core/ops/nn_ops.cc, (Sparse)SoftmaxCrossEntropyWithLogits.
 */
export function softmaxCrossEntropy(labels: tfjs.Tensor, logits: tfjs.Tensor2D): tfjs.Tensor1D {
  if (labels.rank === 1) return ofDistributions(labels, logits);
  // The op's gradient is softmax − label whatever the row adds up to, which is that of its value only where the sum is 1. Rows are made
  // distributions, and their sum becomes the example's weight; where it is 1, as in one-hot rows, neither changes a bit.
  const rows = tf.cast(labels, 'float32');
  const weight = tf.sum(rows, -1, true);
  const shares = tf.div(rows, tf.where(tf.equal(weight, 0), tf.onesLike(weight), weight));
  return tf.mul(ofDistributions(shares, logits), tf.squeeze(weight, [-1]));
}

/** `labels` are class indices, or rows that add up to 1 (or hold nothing but 0). */
function ofDistributions(labels: tfjs.Tensor, logits: tfjs.Tensor2D): tfjs.Tensor1D {
  const op = tf.customGrad((x: unknown, save: unknown) => {
    const [loss, backprop] = lossAndGradient(labels, x as tfjs.Tensor2D);
    if (isDifferentiatedTwice()) {
      // The op's own gradient would count as a constant.
      const wanted = labels.rank === 1 ? tf.oneHot(tf.cast(labels, 'int32'), logits.shape[1]) : labels;
      (save as SaveTensors)([x as tfjs.Tensor, wanted]);
      const gradFunc = (dy: tfjs.Tensor, saved: tfjs.Tensor[]): tfjs.Tensor =>
        tf.mul(tf.reshape(dy, [-1, 1]), tf.sub(tf.softmax(saved[0]), saved[1]));
      return { value: loss, gradFunc };
    }
    (save as SaveTensors)([backprop]);
    return {
      value: loss,
      gradFunc: (dy: tfjs.Tensor, saved: tfjs.Tensor[]) => tf.mul(tf.reshape(dy, [-1, 1]), saved[0]),
    };
  });
  return op(logits) as tfjs.Tensor1D;
}

/** Losses `[n]`, and their gradients `[n, c]` in the logits. */
function lossAndGradient(labels: tfjs.Tensor, logits: tfjs.Tensor2D): tfjs.Tensor[] {
  // TensorFlow's kernels for GPUs refuse where the same bits are asked for on every run; Python's takes several ops there, too.
  if (kernelBackend().binding.isUsingGpuDevice()) return composed(labels, logits);
  return labels.rank === 1 ? sparse(labels, logits) : dense(labels, logits);
}

function composed(labels: tfjs.Tensor, logits: tfjs.Tensor2D): tfjs.Tensor[] {
  const rows = labels.rank === 1 ? tf.oneHot(tf.cast(labels, 'int32'), logits.shape[1], 1, 0, 'float32') : labels;
  const logs = withRawOps((ops) => ops.keep(ops.one('LogSoftmax', [logits], [typeAttr('T', TF_FLOAT)])));
  // A probability of 0 that is not asked for has a logarithm of −∞.
  const terms = tf.where(tf.equal(rows, 0), tf.zerosLike(logs), tf.mul(rows, tf.neg(logs)));
  const losses = tf.sum(terms, -1);
  // An index of no class has a row of zeros; 0 / 0 tells it from a loss of nothing.
  return [labels.rank === 1 ? tf.div(losses, tf.sum(rows, -1)) : losses, tf.sub(tf.softmax(logits), rows)];
}

function sparse(labels: tfjs.Tensor, logits: tfjs.Tensor): tfjs.Tensor[] {
  return withRawOps((ops) => {
    const dtype = ops.dtypeOf(labels);
    const indices = dtype === TF_INT32 ? labels : cast(ops, labels, dtype, TF_INT32);
    const attributes = [typeAttr('T', TF_FLOAT), typeAttr('Tlabels', TF_INT32)];
    return ops.run('SparseSoftmaxCrossEntropyWithLogits', [logits, indices], attributes, 2).map((output) => ops.keep(output));
  });
}

function dense(labels: tfjs.Tensor, logits: tfjs.Tensor): tfjs.Tensor[] {
  return withRawOps((ops) =>
    ops.run('SoftmaxCrossEntropyWithLogits', [logits, labels], [typeAttr('T', TF_FLOAT)], 2).map((output) => ops.keep(output)),
  );
}

/**
 * −z·log σ(x) − (1−z)·log(1−σ(x)) per element, as max(x, 0) − x·z + log1p(exp(−|x|)); gradient σ(x) − z.
 * `labels` and `logits` of one shape; labels count as constants. Source of the formula: TensorFlow's nn_impl.py, sigmoid_cross_entropy_with_logits.
 */
export function sigmoidCrossEntropy(labels: tfjs.Tensor, logits: tfjs.Tensor): tfjs.Tensor {
  const wanted = tf.cast(labels, 'float32');
  const op = tf.customGrad((x: unknown, save: unknown) => {
    const logit = x as tfjs.Tensor;
    (save as SaveTensors)([logit, wanted]);
    const value = tf.add(tf.sub(tf.relu(logit), tf.mul(logit, wanted)), tf.log1p(tf.exp(tf.neg(tf.abs(logit)))));
    return { value, gradFunc: (dy: tfjs.Tensor, saved: tfjs.Tensor[]) => tf.mul(dy, tf.sub(tf.sigmoid(saved[0]), saved[1])) };
  });
  return op(logits);
}
