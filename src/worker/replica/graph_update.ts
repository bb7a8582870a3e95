/**
 * Owns: an optimizer's list of operations as TensorFlow's, for tensors of any shape that stay on their device.
 * Does not: compile (engine.compile takes the function as it is), or know what is computed (src/optimizers).
 *
 * TensorFlow rounds each of these operations to float32 and flushes denormals (square_root.ts sees to that on a GPU), so this gives the bits of the host's slices
 * (coordinator/planes/exact/update/slice_module.ts). Scalars are tensors, not constants: Grappler would divide by a constant by multiplying.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { invariant } from '../../common/errors.js';
import { squareRoot } from '../../engine/index.js';
import type { Operator, Program } from '../../optimizers/expression.js';

/**
 * In the order of `program.operands`; the tensors returned are in that of `program.outputs`. Inputs are left alone. Each operation's result goes through
 * `kept`, which keeps a compiler from joining it with the next one.
 */
export type GraphUpdate = (
  operands: readonly tfjs.Tensor[],
  scalars: readonly tfjs.Scalar[],
  kept: (rounded: tfjs.Tensor) => tfjs.Tensor,
) => tfjs.Tensor[];

export function graphUpdate(tf: typeof tfjs, { operands, scalars, operations, outputs }: Program): GraphUpdate {
  const apply: Record<Operator, (left: tfjs.Tensor, right: tfjs.Tensor) => tfjs.Tensor> = {
    add: tf.add,
    subtract: tf.sub,
    multiply: tf.mul,
    divide: tf.div,
    maximum: tf.maximum,
    squareRoot,
    absolute: (of) => tf.abs(of),
  };
  return (arrays, numbers, kept) => {
    invariant(arrays.length === operands.length && numbers.length === scalars.length, 'an update gets what its program names');
    return tf.tidy(() => {
      const values: tfjs.Tensor[] = [...arrays, ...numbers];
      for (const { operator, inputs } of operations)
        values.push(kept(apply[operator](values[inputs[0]], values[inputs[1] ?? inputs[0]])));
      // A slot that stays as it is would be the same tensor twice.
      return outputs.map(({ value }) => (value < arrays.length ? tf.clone(values[value]) : values[value]));
    });
  };
}
