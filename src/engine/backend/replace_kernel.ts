/** Owns: putting another kernel in the place of one of tfjs-node's, under this backend. Does not: know any. */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';
import { BACKEND_NAME } from './kernel_backend.js';

/** `make` is given the kernel that was there, to call where it is right. Once per thread, after tfjs-node's kernels are registered. */
export function replaceKernel(kernelName: string, make: (plain: tfjs.KernelFunc) => tfjs.KernelFunc): void {
  const plain = tf.getKernel(kernelName, BACKEND_NAME);
  tf.unregisterKernel(kernelName, BACKEND_NAME);
  tf.registerKernel({ ...plain, kernelFunc: make(plain.kernelFunc) });
}
