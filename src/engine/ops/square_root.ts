/**
 * Owns: square roots rounded as IEEE 754 has it, on every device. Does not: differentiate.
 *
 * A processor's are. The kernel for GPUs is off by the last bit for one in twelve of random numbers (H200, TensorFlow 2.21: docs/reproducibility.md). There
 * the root is taken in float64 and rounded once more: 53 bits are more than 2 · 24 + 2, so the two roundings give that of one (S. A. Figueroa, "When is
 * double rounding innocuous?", 1995).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { TF_DOUBLE, TF_FLOAT } from '../capi/data_types.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import { cast, typeAttr, withRawOps } from '../backend/raw_ops.js';

/** Of float32; denormals count as zeros of their sign, as in all else that TensorFlow computes of them. */
export function squareRoot(x: tfjs.Tensor): tfjs.Tensor {
  if (!kernelBackend().binding.isUsingGpuDevice()) return tf.sqrt(x);
  // An addition flushes denormals, which float64 would not; that of −0 leaves all else as it is, the sign of a zero too.
  return tf.tidy(() => {
    const flushed = tf.add(x, tf.scalar(-0));
    return withRawOps((ops) => {
      const root = ops.one('Sqrt', [cast(ops, flushed, TF_FLOAT, TF_DOUBLE)], [typeAttr('T', TF_DOUBLE)]);
      return ops.keep(cast(ops, root, TF_DOUBLE, TF_FLOAT));
    });
  });
}
