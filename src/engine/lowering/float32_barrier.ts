/** Owns: keeping a tensor float32 in a function that is compiled for bf16. Does not: choose which (mixed_precision.ts does of what is recorded). */
import type * as tfjs from '@tensorflow/tfjs';
import { TF_FLOAT } from '../capi/data_types.js';
import { kernelBackend } from '../backend/kernel_backend.js';
import { FLOAT32_BARRIER } from './mixed_precision.js';
import { typeAttr, withRawOps } from '../backend/raw_ops.js';

/** The float32 tensor, kept from being bfloat16 in a function that is compiled for bf16; elsewhere it is the tensor itself. Not differentiable. */
export function float32Barrier(x: tfjs.Tensor): tfjs.Tensor {
  if (!isCompiledForBfloat16()) return x;
  return withRawOps((ops) => ops.keep(ops.one(FLOAT32_BARRIER, [x], [typeAttr('T', TF_FLOAT)])));
}

export function isCompiledForBfloat16(): boolean {
  const { binding } = kernelBackend();
  return binding.recorder !== undefined && binding.context.bfloat16 !== null;
}
