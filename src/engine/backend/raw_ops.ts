/**
 * Owns: calling TensorFlow ops that tfjs has no kernel for, on types that tfjs does not have, eagerly or while recording.
 * Does not: know gradients (the callers wrap in tf.customGrad).
 */
import type * as tf from '@tensorflow/tfjs';
import { TF_ATTR_BOOL, TF_ATTR_FLOAT, TF_ATTR_INT, TF_ATTR_STRING, TF_ATTR_TYPE, TF_INT32 } from '../capi/data_types.js';
import { kernelBackend, type KernelBackend } from './kernel_backend.js';
import type { OpAttribute, TensorMetadata } from './op_executor.js';

export const typeAttr = (name: string, value: number | number[]): OpAttribute => ({ name, type: TF_ATTR_TYPE, value });
export const intAttr = (name: string, value: number | number[]): OpAttribute => ({ name, type: TF_ATTR_INT, value });
export const floatAttr = (name: string, value: number): OpAttribute => ({ name, type: TF_ATTR_FLOAT, value });
export const boolAttr = (name: string, value: boolean): OpAttribute => ({ name, type: TF_ATTR_BOOL, value });
export const stringAttr = (name: string, value: string): OpAttribute => ({ name, type: TF_ATTR_STRING, value });

export const castAttrs = (from: number, to: number): OpAttribute[] => [
  ...[typeAttr('SrcT', from), typeAttr('DstT', to), boolAttr('Truncate', false)],
];
export const bitcastAttrs = (from: number, to: number): OpAttribute[] => [typeAttr('T', from), typeAttr('type', to)];

/** A tfjs tensor, or what an earlier op of the same sequence gave. */
export type RawInput = tf.TensorInfo | TensorMetadata;

/** A sequence of ops whose intermediate results are freed at its end. */
export class RawOps {
  private readonly temporaries: number[] = [];

  constructor(private readonly backend: KernelBackend) {}

  /** All outputs of one op. */
  run(opName: string, inputs: readonly RawInput[], attributes: OpAttribute[], outputCount: number): TensorMetadata[] {
    const ids = inputs.map((input) =>
      'id' in input && 'dtype' in input && typeof input.dtype === 'number' ? input.id : this.idOf(input),
    );
    const outputs = this.backend.binding.executeOp(opName, attributes, ids, outputCount);
    for (const { id } of outputs) this.temporaries.push(id);
    return outputs;
  }

  /** The only output of one op. */
  one(opName: string, inputs: readonly RawInput[], attributes: OpAttribute[] = []): TensorMetadata {
    return this.run(opName, inputs, attributes, 1)[0];
  }

  constant(values: unknown, shape: number[], dtype: number): TensorMetadata {
    const id = this.backend.binding.createTensor(shape, dtype, values);
    this.temporaries.push(id);
    return { id, shape, dtype };
  }

  /** TensorFlow's type of a tfjs tensor, which may be one that tfjs does not have. */
  dtypeOf(tensor: tf.TensorInfo): number {
    return this.backend.binding.dtypeOf(this.idOf(tensor));
  }

  /** Makes a tfjs tensor of a result; it is no longer freed at the end. */
  keep(result: TensorMetadata): tf.Tensor {
    const index = this.temporaries.indexOf(result.id);
    if (index >= 0) this.temporaries.splice(index, 1);
    return this.backend.createOutputTensor(result);
  }

  free(): void {
    for (const id of this.temporaries.splice(0)) this.backend.binding.deleteTensor(id);
  }

  idOf(input: RawInput): number {
    return this.backend.getInputTensorIds([input as tf.TensorInfo])[0];
  }
}

/** Runs a sequence of raw ops; `build` returns the tensors it kept. */
export function withRawOps<Result>(build: (ops: RawOps) => Result): Result {
  const ops = new RawOps(kernelBackend());
  try {
    return build(ops);
  } finally {
    ops.free();
  }
}

/** Ops that many sequences need; `from`, `to` and `type` are TensorFlow's numbers of types (data_types.ts). */
export function bitcast(ops: RawOps, input: RawInput, from: number, to: number): TensorMetadata {
  return ops.one('Bitcast', [input], bitcastAttrs(from, to));
}

export function cast(ops: RawOps, input: RawInput, from: number, to: number): TensorMetadata {
  return ops.one('Cast', [input], castAttrs(from, to));
}

/** A single number of an unsigned type, of which tfjs has no constants. */
export function unsignedConstant(ops: RawOps, value: number, dtype: number): TensorMetadata {
  return cast(ops, ops.constant(Int32Array.of(value), [], TF_INT32), TF_INT32, dtype);
}

export function reshape(ops: RawOps, input: RawInput, type: number, shape: readonly number[]): TensorMetadata {
  const dimensions = ops.constant(Int32Array.from(shape), [shape.length], TF_INT32);
  return ops.one('Reshape', [input, dimensions], [typeAttr('T', type), typeAttr('Tshape', TF_INT32)]);
}
