/**
 * Owns: the straight way of typed arrays into tensors and out of them, one copy each or none, shared memory included.
 * Does not: convert values (except `scaledFloat`, which does it in TensorFlow).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';
import { TF_FLOAT, TF_INT32, TF_UINT8 } from '../capi/data_types.js';
import type { EngineParts } from './engine_parts.js';
import { kernelBackend } from './kernel_backend.js';
import { cast, withRawOps } from './raw_ops.js';

/**
 * A tensor of the array's own type: float32, int32, or uint8 (which tfjs, as in tfjs-node, takes for int32; read it back or give it to
 * `scaledFloat`).
 */
export function upload(
  { binding }: Pick<EngineParts, 'binding'>,
  values: Float32Array | Int32Array | Uint8Array,
  shape: readonly number[],
): tfjs.Tensor {
  const dtype = values instanceof Float32Array ? TF_FLOAT : values instanceof Int32Array ? TF_INT32 : TF_UINT8;
  const id = binding.createTensor([...shape], dtype, values);
  return kernelBackend().createOutputTensor({ id, shape: [...shape], dtype });
}

/**
 * A float32 tensor over the array's own memory where the device is the processor and the array, of shared memory, begins at a multiple of 64 bytes; a
 * copy elsewhere, straight to a GPU. The array stays as it is, and is kept by the caller, for as long as the tensor and its clones are used.
 */
export function uploadInPlace(
  { binding }: Pick<EngineParts, 'binding'>,
  values: Float32Array,
  shape: readonly number[],
): tfjs.Tensor {
  const id = binding.createTensorInPlace(shape, values);
  return kernelBackend().createOutputTensor({ id, shape: [...shape], dtype: TF_FLOAT });
}

/** Copies the tensor's values to `into`, which has exactly their number and width. */
export function download({ binding }: Pick<EngineParts, 'binding'>, tensor: tfjs.Tensor, into: Float32Array | Int32Array): void {
  const [id] = kernelBackend().getInputTensorIds([tensor]);
  binding.tensorDataInto(id, into);
}

/** `scale · x` in float32, for x of uint8, int32, bool or float32. Not differentiable: it prepares data. */
export function scaledFloat(x: tfjs.Tensor, scale: number): tfjs.Tensor {
  return tf.tidy(() => {
    const float = withRawOps((ops) => {
      const dtype = ops.dtypeOf(x);
      return dtype === TF_FLOAT ? x.clone() : ops.keep(cast(ops, x, dtype, TF_FLOAT));
    });
    return scale === 1 ? float : tf.mul(float, scale);
  });
}
