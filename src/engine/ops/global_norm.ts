/**
 * Owns: clipping gradients by their global norm in a compiled function, with the bits of the host's norm (coordinator/planes/exact/update/squared_norm.ts):
 * squares in float64, added by halves. Does not: have a gradient of its own.
 *
 * A sum by halves: the numbers, filled up with zeros to a power of two; the upper half is added to the lower half until one number is left. So are
 * the squares of each tensor, and then the tensors' sums. Zeros change nothing, so all tensors are added together once each is down to `WIDTH`.
 */
import type * as tf from '@tensorflow/tfjs';
import { TF_DOUBLE, TF_FLOAT, TF_INT32 } from '../capi/data_types.js';
import type { TensorMetadata } from '../backend/op_executor.js';
import { bitcast, cast, intAttr, reshape, typeAttr, withRawOps, type RawOps } from '../backend/raw_ops.js';

/** Numbers left of each tensor before all are added together. */
const WIDTH = 256;

const DOUBLE = typeAttr('T', TF_DOUBLE);

export interface ClippedNorm {
  /** float32 scalar, clipNorm / norm or 1; not a number where the norm is none. */
  readonly factor: tf.Tensor;
  /** The norm's float64 as two int32, which tfjs can read; `normOf` puts them together. */
  readonly bits: tf.Tensor;
}

export function globalNorm(tensors: readonly tf.Tensor[], clipNorm: number): ClippedNorm {
  return withRawOps((ops) => {
    const add = (a: TensorMetadata, b: TensorMetadata): TensorMetadata => ops.one('AddV2', [a, b], [DOUBLE]);
    const narrow = tensors.map((tensor) => toWidth(ops, squares(ops, tensor), add));
    const missing = powerOfTwoFrom(narrow.length) - narrow.length;
    const zeros = missing > 0 ? [double(ops, ops.constant(new Int32Array(WIDTH), [WIDTH], TF_INT32))] : [];
    const columns = [...narrow, ...Array.from({ length: missing }, () => zeros[0])];
    const table = ops.one('Pack', columns, [DOUBLE, intAttr('N', columns.length), intAttr('axis', 1)]);
    const sums = reshape(ops, halve(ops, table, { to: 1, add }), TF_DOUBLE, [columns.length]);
    const norm = reshape(ops, ops.one('Sqrt', [halve(ops, sums, { to: 1, add })], [DOUBLE]), TF_DOUBLE, []);
    const words = ops.constant(new Int32Array(Float64Array.of(clipNorm).buffer), [2], TF_INT32);
    const limit = bitcast(ops, words, TF_INT32, TF_DOUBLE);
    const share = cast(ops, ops.one('RealDiv', [limit, norm], [DOUBLE]), TF_DOUBLE, TF_FLOAT);
    const isOver = ops.one('Greater', [norm, limit], [DOUBLE]);
    const one = ops.constant(Float32Array.of(1), [], TF_FLOAT);
    const factor = ops.one('SelectV2', [isOver, share, one], [typeAttr('T', TF_FLOAT)]);
    const bits = bitcast(ops, norm, TF_DOUBLE, TF_INT32);
    return { factor: ops.keep(factor), bits: ops.keep(bits) };
  });
}

export function normOf(bits: Int32Array): number {
  return new Float64Array(Int32Array.from(bits).buffer)[0];
}

type Add = (a: TensorMetadata, b: TensorMetadata) => TensorMetadata;

function squares(ops: RawOps, tensor: tf.Tensor): TensorMetadata {
  const flat = reshape(ops, tensor, TF_FLOAT, [tensor.size]);
  const wide = double(ops, flat);
  return ops.one('Mul', [wide, wide], [DOUBLE]);
}

/** Halves until `WIDTH` are left, or fills up to as many. */
function toWidth(ops: RawOps, values: TensorMetadata, add: Add): TensorMetadata {
  const [size] = values.shape;
  const full = powerOfTwoFrom(size);
  if (full <= WIDTH) return padded(ops, values, WIDTH);
  if (full === size) return halve(ops, values, { to: WIDTH, add });
  // Only the upper half wants zeros.
  const half = full / 2;
  const sizes = ops.constant(Int32Array.of(half, size - half), [2], TF_INT32);
  const attributes = [DOUBLE, typeAttr('Tlen', TF_INT32), intAttr('num_split', 2)];
  const [lower, upper] = ops.run('SplitV', [values, sizes, ops.constant(Int32Array.of(0), [], TF_INT32)], attributes, 2);
  return halve(ops, add(lower, padded(ops, upper, half)), { to: WIDTH, add });
}

/** Along the first axis, whose extent is a power of two. */
function halve(ops: RawOps, values: TensorMetadata, { to, add }: { to: number; add: Add }): TensorMetadata {
  let sum = values;
  while (sum.shape[0] > to) {
    const axis = ops.constant(Int32Array.of(0), [], TF_INT32);
    const [lower, upper] = ops.run('Split', [axis, sum], [DOUBLE, intAttr('num_split', 2)], 2);
    sum = add(lower, upper);
  }
  return sum;
}

function padded(ops: RawOps, values: TensorMetadata, to: number): TensorMetadata {
  const [size] = values.shape;
  if (size === to) return values;
  const after = ops.constant(Int32Array.of(0, to - size), [1, 2], TF_INT32);
  return ops.one('Pad', [values, after], [DOUBLE, typeAttr('Tpaddings', TF_INT32)]);
}

const double = (ops: RawOps, values: TensorMetadata): TensorMetadata => cast(ops, values, values.dtype, TF_DOUBLE);

function powerOfTwoFrom(count: number): number {
  let power = 1;
  while (power < count) power *= 2;
  return power;
}
