/**
 * Owns: what a step of a loop reads of tensors that hold something for each step, and writes into one.
 * Does not: loop (compile_loop.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { TF_INT32 } from '../capi/data_types.js';
import { intAttr, reshape, typeAttr, withRawOps } from '../backend/raw_ops.js';

/** `all[index]`, of any type that TensorFlow has. `index`: int32 scalar. Not differentiable. */
export function partOf(all: tfjs.Tensor, index: tfjs.Tensor): tfjs.Tensor {
  return withRawOps((ops) => {
    const axis = ops.constant(Int32Array.of(0), [], TF_INT32);
    const types = [typeAttr('Tparams', ops.dtypeOf(all)), typeAttr('Tindices', TF_INT32), typeAttr('Taxis', TF_INT32)];
    return ops.keep(ops.one('GatherV2', [all, index, axis], types));
  });
}

/** The first axis of a tensor of any type as two, of which the first has this extent. */
export function apart(all: tfjs.Tensor, parts: number): tfjs.Tensor {
  const [rows, ...shape] = all.shape;
  return withRawOps((ops) => ops.keep(reshape(ops, all, ops.dtypeOf(all), [parts, rows / parts, ...shape])));
}

/** Tensors of one kind as parts of one. */
export function packed(parts: readonly tfjs.Tensor[]): tfjs.Tensor {
  return withRawOps((ops) => {
    const attributes = [typeAttr('T', ops.dtypeOf(parts[0])), intAttr('N', parts.length), intAttr('axis', 0)];
    return ops.keep(ops.one('Pack', parts, attributes));
  });
}

/** `all` with `row` as `all[index]`. */
export function withRow(all: tfjs.Tensor, index: tfjs.Tensor, row: tfjs.Tensor): tfjs.Tensor {
  return withRawOps((ops) => {
    const type = ops.dtypeOf(all);
    const rows = reshape(ops, row, type, [1, ...all.shape.slice(1)]);
    const at = reshape(ops, index, TF_INT32, [1, 1]);
    return ops.keep(ops.one('TensorScatterUpdate', [all, at, rows], [typeAttr('T', type), typeAttr('Tindices', TF_INT32)]));
  });
}
