/**
 * Owns: many tensors as one array and back, on the device: what goes to another device or comes from there costs a launch and a wait for each array, and not
 * only for its bytes; so does each operation on a GPU. Does not: move it.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { CompiledFunction, Engine } from '../../engine/index.js';

/** In order. */
export function pack(tf: typeof tfjs, tensors: readonly tfjs.Tensor[]): tfjs.Tensor {
  return tf.tidy(() => tf.concat1d(tensors.map((each) => each.flatten())));
}

/** Tensors of these shapes. */
export function unpack(tf: typeof tfjs, packed: tfjs.Tensor, shapes: readonly (readonly number[])[]): tfjs.Tensor[] {
  return tf.tidy(() => {
    const sizes = shapes.map((shape) => tf.util.sizeFromShape([...shape]));
    return tf.split(packed, sizes).map((part, at) => part.reshape([...shapes[at]]));
  });
}

/** The same of float32 tensors of the same shapes each time, each way one call. */
export interface Packing {
  readonly pack: CompiledFunction<[tfjs.Tensor[]], tfjs.Tensor>;
  readonly unpack: CompiledFunction<[tfjs.Tensor], tfjs.Tensor[]>;
}

export function createPacking({ tf, compile }: Pick<Engine, 'tf' | 'compile'>, shapes: readonly (readonly number[])[]): Packing {
  return {
    pack: compile((tensors: tfjs.Tensor[]) => pack(tf, tensors), { name: 'pack' }),
    unpack: compile((packed: tfjs.Tensor) => unpack(tf, packed, shapes), { name: 'unpack' }),
  };
}
