/**
 * Owns: what a user of bf16 calls around a model, and the question whether this machine computes in bfloat16 at all.
 * Does not: choose what stays in float32 (mixed_precision.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { EnvironmentError } from '../../common/errors.js';
import type { Engine } from '../engine.js';
import { float32Barrier, isCompiledForBfloat16 } from './float32_barrier.js';
import { oneDnnHasBfloat16 } from '../tensorflow/instruction_set.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import { TensorFlowError } from '../capi/status.js';

/**
 * The output of a model on its way into a loss: the end of the forward pass. In a function that is compiled for bf16 the loss, its gradient and the
 * model's last bias and activation are float32 from here on; elsewhere it is the tensor itself.
 */
export function intoFloat32(output: tfjs.Tensor): tfjs.Tensor {
  const { recorder } = kernelBackend().binding;
  if (recorder === undefined) return output;
  const result = isCompiledForBfloat16() && output.dtype === 'float32' ? barred(output) : output;
  recorder.endForward();
  return result;
}

function barred(output: tfjs.Tensor): tfjs.Tensor {
  const op = tf.customGrad((x: unknown) => ({ value: float32Barrier(x as tfjs.Tensor), gradFunc: float32Barrier }));
  return op(output);
}

export interface Bfloat16Support {
  /** False: precision bf16 computes in float32 here, silently. */
  readonly computed: boolean;
  /** Why not, as the end of a sentence; empty where it is. */
  readonly reason: string;
}

/**
 * What an engine of precision bf16 really does, by trying: 1 + 1/512 is 1 in bfloat16. Takes some milliseconds.
 * @throws EnvironmentError BF16_FAILS where TensorFlow tries and cannot.
 */
export function bfloat16Support(engine: Engine): Bfloat16Support {
  if (engine.context.precision !== 'bf16') return { computed: false, reason: 'the engine was installed with precision fp32' };
  const rounded = engine.compile((x: tfjs.Tensor2D, y: tfjs.Tensor2D) => tf.matMul(tf.matMul(x, y), y), {
    name: 'bfloat16_probe',
  });
  const one = tf.tensor2d([[1]]);
  const above = tf.tensor2d([[1 + 2 ** -9]]);
  try {
    const product = rounded(above, one);
    const [value] = product.dataSync();
    product.dispose();
    return value === 1 ? { computed: true, reason: '' } : { computed: false, reason: reasonAgainst() };
  } catch (error) {
    if (!(error instanceof TensorFlowError)) throw error;
    throw new EnvironmentError({
      code: 'BF16_FAILS',
      message: `precision bf16 does not work on this processor: ${error.tfMessage}`,
      next: 'Use precision fp32; where ONEDNN_MAX_CPU_ISA is set, unset it.',
      cause: error,
    });
  } finally {
    tf.dispose([one, above]);
    rounded.dispose();
  }
}

function reasonAgainst(): string {
  if (process.env.TF_ENABLE_ONEDNN_OPTS === '0') return 'oneDNN, which computes it, is switched off (TF_ENABLE_ONEDNN_OPTS=0)';
  if (!oneDnnHasBfloat16())
    return 'this processor has no instructions for it (AVX-512, or bf16 on Arm), so TensorFlow leaves oneDNN off';
  return 'TensorFlow leaves oneDNN off on this processor';
}
