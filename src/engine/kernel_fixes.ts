/**
 * Owns: tfjs-node kernels that must differ because TensorFlow 2.21 differs from the one they were written for. Does not: add kernels.
 */
import * as tf from '@tensorflow/tfjs';

/**
 * Round of integers gives zeros since TensorFlow 2.17 (tensorflow/tensorflow#74789); they are whole already, which is also how Python's
 * tf.round gets around it. Call once, after tfjs-node's kernels are registered.
 */
export function fixKernels(backendName: string): void {
  const round = tf.getKernel('Round', backendName);
  const identity = tf.getKernel('Identity', backendName);
  const fixedRound: tf.KernelFunc = (call) => {
    const kernel = (call.inputs.x as tf.TensorInfo).dtype === 'int32' ? identity : round;
    return kernel.kernelFunc(call);
  };
  tf.unregisterKernel('Round', backendName);
  tf.registerKernel({ ...round, kernelFunc: fixedRound });
}
