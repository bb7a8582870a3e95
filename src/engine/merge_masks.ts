/**
 * Owns: the mask of layers that join others value by value (Add, Average, Maximum, Minimum, Multiply). tfjs gives the first one's with an axis too many,
 * which no layer after it can read; here it is Keras 3's: a position counts where it counts in any of the inputs, and all do where one input has no mask.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';

interface MergeLayer {
  computeMask(inputs: unknown, masks?: tfjs.Tensor | (tfjs.Tensor | null)[] | null): tfjs.Tensor | null;
}

/** `add` is any layer of tf.layers.add, whose class has the others' mask. */
export function installMergeMasks(add: tfjs.layers.Layer): void {
  let prototype = add as unknown as MergeLayer;
  while (!Object.hasOwn(prototype, 'computeMask')) prototype = Object.getPrototypeOf(prototype) as MergeLayer;
  const plain = prototype.computeMask;
  prototype.computeMask = function (this: MergeLayer, inputs, masks) {
    if (!Array.isArray(masks)) return plain.call(this, inputs, masks);
    if (masks.includes(null) || masks.includes(undefined as never)) return null;
    const [first, ...others] = masks as tfjs.Tensor[];
    return tf.tidy(() => others.reduce((any, mask) => tf.logicalOr(any, mask), tf.clone(first)));
  };
}
