/**
 * Owns: the gradients of `tf.tile`, `tf.sum` and `tf.mean` as one op each. tfjs adds the copies of a tile slice by slice, an op or two for each: a vector
 * that is repeated 384 times has a gradient of hundreds of ops; and it spreads the gradient of a sum by multiplying ones as large as the input, which a
 * compiled function would hold as a constant. Does not: change the ops themselves.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import { TF_FLOAT, TF_INT32 } from '../capi/data_types.js';
import { typeAttr, withRawOps } from '../backend/raw_ops.js';
import { replaceGradient } from '../backend/replace_gradient.js';

/** Of any rank. tfjs's own stay in force under its other backends, and for gradients of gradients. */
export function installReductionGradients(): void {
  const tileGradient: tfjs.GradConfig['gradFunc'] = (dy, [x], { reps }) => ({
    x: () => sumOfCopies(dy as tfjs.Tensor, x.shape, reps as number[]),
  });
  const tile = { inputsToSave: ['x'], gradFunc: tileGradient };
  replaceGradient('Tile', tile, tile);
  replaceGradient('Sum', {
    inputsToSave: ['x'],
    gradFunc: (dy, [x], { axis }) => ({ x: () => spread(dy as tfjs.Tensor, x.shape, axis as number | number[]) }),
  });
  replaceGradient('Mean', {
    inputsToSave: ['x'],
    gradFunc: (dy, [x], { axis }) => ({
      x: () => {
        const count = x.size / Math.max((dy as tfjs.Tensor).size, 1);
        return spread(tf.div(dy as tfjs.Tensor, count), x.shape, axis as number | number[]);
      },
    }),
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

/** Every number of `dy` to all the numbers of `shape` that were added up into it. */
function spread(dy: tfjs.Tensor, shape: number[], axis: number | number[]): tfjs.Tensor {
  const axes = new Set(tf.util.parseAxisParam(axis, shape));
  const kept = tf.reshape(
    dy.dtype === 'float32' ? dy : tf.cast(dy, 'float32'),
    shape.map((extent, at) => (axes.has(at) ? 1 : extent)),
  );
  return withRawOps((ops) => {
    const wanted = ops.constant(Int32Array.from(shape), [shape.length], TF_INT32);
    return ops.keep(ops.one('BroadcastTo', [kept, wanted], [typeAttr('T', TF_FLOAT), typeAttr('Tidx', TF_INT32)]));
  });
}
