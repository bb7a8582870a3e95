/**
 * Owns: the masks of layers that join others. Add, Average, Maximum, Minimum and Multiply: tfjs gives the first one's with an axis too many, which no layer
 * after it can read; here it is Keras 3's: a position counts where it counts in any of the inputs, and all do where one input has no mask. Concatenate:
 * tfjs's own, of which it can make only some: along time it cannot join masks to an input that has none.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from './tfjs.js';

type Masks = tfjs.Tensor | (tfjs.Tensor | null)[] | null;

interface MergeLayer {
  readonly axis?: number;
  computeMask(inputs: unknown, masks?: Masks): tfjs.Tensor | null;
}

/** `add` is any layer of tf.layers.add, whose class has the others' mask, and `concatenate` one of tf.layers.concatenate. */
export function installMergeMasks({ add, concatenate }: { add: tfjs.layers.Layer; concatenate: tfjs.layers.Layer }): void {
  replaceMask(add, (_, masks) => {
    if (masks.includes(null)) return null;
    const [first, ...others] = masks as tfjs.Tensor[];
    return others.reduce((any, mask) => tf.logicalOr(any, mask), tf.clone(first));
  });
  replaceMask(concatenate, (inputs, masks, { axis = -1 }) => {
    const given = masks.filter((mask) => mask !== null);
    if (given.length === 0) return null;
    const values = inputs.map((input, at) => maskOfValues(input, masks[at]));
    const joined = tf.concat(values, axis < 0 ? axis + inputs[0].rank : axis);
    // One for each position: those axes that no mask had hold a value's parts, and a position counts where all of them do.
    const rank = Math.max(...given.map((mask) => mask.rank));
    const parts = Array.from({ length: joined.rank - rank }, (_, at) => rank + at);
    return parts.length === 0 ? joined : tf.all(joined, parts);
  });
}

type Join = (inputs: tfjs.Tensor[], masks: (tfjs.Tensor | null)[], layer: MergeLayer) => tfjs.Tensor | null;

function replaceMask(layer: tfjs.layers.Layer, join: Join): void {
  let prototype = layer as unknown as MergeLayer;
  while (!Object.hasOwn(prototype, 'computeMask')) prototype = Object.getPrototypeOf(prototype) as MergeLayer;
  const plain = prototype.computeMask;
  prototype.computeMask = function (this: MergeLayer, inputs, masks) {
    if (!Array.isArray(masks) || !Array.isArray(inputs)) return plain.call(this, inputs, masks);
    // A null inside a tidy is no container of tensors for tfjs's types, and is one for its code.
    return tf.tidy(
      () =>
        join(
          inputs as tfjs.Tensor[],
          masks.map((mask) => mask ?? null),
          this,
        ) as tfjs.Tensor,
    );
  };
}

/** One for each value of an input, true where its position counts. */
function maskOfValues({ shape, rank }: tfjs.Tensor, mask: tfjs.Tensor | null): tfjs.Tensor {
  if (mask === null) return tf.ones(shape, 'bool');
  const aligned = tf.reshape(mask, [...mask.shape, ...Array.from({ length: rank - mask.rank }, () => 1)]);
  return tf.logicalAnd(aligned, tf.ones(shape, 'bool'));
}
