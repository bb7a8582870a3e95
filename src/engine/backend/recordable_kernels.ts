/**
 * Owns: versions of tfjs-node's kernels that read values in JavaScript only to check them, so that they can be recorded.
 * Does not: change results.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';
import { kernelBackend } from './kernel_backend.js';
import { TF_INT32 } from '../capi/data_types.js';
import { intAttr, typeAttr, withRawOps } from './raw_ops.js';
import { replaceKernel } from './replace_kernel.js';

/** tfjs-node's kernel reads the indices to check them; TensorFlow's op checks them itself (on a GPU it gives zeros for wrong ones). */
export function installRecordableKernels(): void {
  replaceKernel('GatherV2', (plain) => (args) => (kernelBackend().binding.recorder === undefined ? plain(args) : gather(args)));
}

const gather: tfjs.KernelFunc = ({ inputs, attrs }) => {
  const { x, indices } = inputs as Record<string, tfjs.TensorInfo>;
  const { axis, batchDims } = attrs as { axis: number; batchDims: number };
  tf.backend_util.segment_util.collectGatherOpShapeInfo(x as tfjs.Tensor, indices as tfjs.Tensor, axis, batchDims);
  return withRawOps((ops) =>
    ops.keep(
      ops.one(
        'GatherV2',
        [x, indices, ops.constant(Int32Array.of(axis), [], TF_INT32)],
        [
          intAttr('batch_dims', batchDims),
          typeAttr('Tparams', ops.dtypeOf(x)),
          typeAttr('Tindices', ops.dtypeOf(indices)),
          typeAttr('Taxis', TF_INT32),
        ],
      ),
    ),
  );
};
