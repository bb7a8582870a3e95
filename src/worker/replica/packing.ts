/**
 * Owns: many tensors as one array and back, on the device, each way one call: what goes to another device or comes from there costs a launch and a wait for
 * each array, and not only for its bytes. Does not: move it.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { CompiledFunction, Engine } from '../../engine/index.js';

export interface Packing {
  /** One array, in order; it may be of the same memory where there is but one tensor. */
  readonly pack: CompiledFunction<[tfjs.Tensor[]], tfjs.Tensor>;
  readonly unpack: CompiledFunction<[tfjs.Tensor], tfjs.Tensor[]>;
  dispose(): void;
}

/** Of float32 tensors of these shapes. */
export function createPacking({ tf, compile }: Pick<Engine, 'tf' | 'compile'>, shapes: readonly (readonly number[])[]): Packing {
  const sizes = shapes.map((shape) => shape.reduce((a, b) => a * b, 1));
  const pack = compile(
    (tensors: tfjs.Tensor[]): tfjs.Tensor => tf.tidy(() => tf.concat1d(tensors.map((each) => each.flatten()))),
    {
      name: 'pack',
    },
  );
  const unpack = compile(
    (packed: tfjs.Tensor): tfjs.Tensor[] =>
      tf.tidy(() => tf.split(packed, sizes).map((part, at) => part.reshape([...shapes[at]]))),
    { name: 'unpack' },
  );
  const dispose = (): void => {
    pack.dispose();
    unpack.dispose();
  };
  return { pack, unpack, dispose };
}
