/**
 * Owns: the gradient of `tf.tile` as one sum. tfjs adds slices, one after the other, an op or two for each copy: a layer normalization over 384 numbers tiles
 * its mean 384 times, so that a transformer's step had tens of thousands of ops. Does not: change the op itself.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';
import { BACKEND_NAME } from './kernel_backend.js';

/** Of any rank. tfjs's own stays in force under its other backends. */
export function installTileGradient(): void {
  const plain = tf.getGradient('Tile');
  tf.registerGradient({
    kernelName: 'Tile',
    inputsToSave: ['x'],
    gradFunc: (dy, saved, attributes) =>
      tf.getBackend() === BACKEND_NAME
        ? { x: () => sumOfCopies(dy as tfjs.Tensor, saved[0].shape, attributes.reps as number[]) }
        : plain.gradFunc(dy, saved, attributes),
  });
}

/** An axis of `size` numbers that is there `copies` times is one of copies beside one of numbers; the first is summed away. */
function sumOfCopies(dy: tfjs.Tensor, shape: number[], reps: readonly number[]): tfjs.Tensor {
  const apart: number[] = [];
  const copies: number[] = [];
  shape.forEach((size, axis) => {
    if (reps[axis] !== 1) {
      copies.push(apart.length);
      apart.push(reps[axis]);
    }
    apart.push(size);
  });
  return copies.length === 0 ? dy : tf.sum(tf.reshape(dy, apart), copies);
}
