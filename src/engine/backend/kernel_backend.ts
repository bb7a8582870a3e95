/**
 * Owns: the typed view of tfjs-node's NodeJSKernelBackend, through which the engine's own ops reach the binding as its kernels do.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';
import { invariant } from '../../common/errors.js';
import type { Binding } from './binding.js';
import type { TensorMetadata } from './op_executor.js';

export const BACKEND_NAME = 'tensorflow';

/** What the backend keeps for one dataId; `id` is -1 while `values` wait to be uploaded. */
interface TensorData {
  shape: number[];
  dtype: number;
  id: number;
  values: unknown;
  refCount: number;
}

export interface KernelBackend extends tfjs.KernelBackend {
  readonly binding: Binding;
  readonly tensorMap: { get(dataId: object): TensorData; has(dataId: object): boolean };
  /** Ids of the tensors in the binding; uploads values that still wait in JavaScript. */
  getInputTensorIds(tensors: readonly tfjs.TensorInfo[]): number[];
  /** A tfjs tensor over an output of the binding; owns it. */
  createOutputTensor(metadata: TensorMetadata): tfjs.Tensor;
  /** The input itself where there is nothing to apply. */
  applyActivation(input: tfjs.Tensor, activation: string, preluWeights?: tfjs.Tensor, leakyReluAlpha?: number): tfjs.Tensor;
}

/** The backend of the engine installed in this thread. */
export function kernelBackend(): KernelBackend {
  const backend = tf.findBackend(BACKEND_NAME) as KernelBackend | null;
  invariant(backend !== null && backend !== undefined, 'an engine is installed');
  return backend;
}
