/** Owns: putting another gradient in the place of one of tfjs's, for this backend alone. Does not: know any (activation_ops.ts, reduction_gradients.ts). */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';
import { BACKEND_NAME } from './kernel_backend.js';
import { tfjsEngine } from '../compile/tfjs_watch.js';

export type Gradient = Omit<tfjs.GradConfig, 'kernelName'>;

/** True inside tf.grad of tf.grad: the gradients of what runs now will be differentiated themselves. */
export function isDifferentiatedTwice(): boolean {
  return tfjsEngine().state.gradientDepth > 1;
}

/** tfjs's own gradient stays in force under its other backends, and where none is given. `composed`: for gradients of gradients. */
export function replaceGradient(kernelName: string, gradient?: Gradient, composed?: Gradient): void {
  const plain = tf.getGradient(kernelName);
  const pick = (): Gradient => {
    if (tf.getBackend() !== BACKEND_NAME) return plain;
    return (isDifferentiatedTwice() ? composed : gradient) ?? plain;
  };
  // tfjs asks for all three when the op runs, so that what is saved and what uses it later belong together.
  tf.registerGradient({
    kernelName,
    get inputsToSave() {
      return pick().inputsToSave;
    },
    get outputsToSave() {
      return pick().outputsToSave;
    },
    get gradFunc() {
      return pick().gradFunc;
    },
  });
}
