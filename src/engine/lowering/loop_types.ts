/**
 * Owns: bfloat16 in functions of XLA's, as the upper half of float32, by shifts.
 * Does not: say what is bfloat16 (mixed_precision.ts).
 *
 * LLVM computes what stands beside its own conversions number by number (tanh of 8.7 M numbers 18 ms, with shifts 5; one thread).
 */
import { TF_BFLOAT16, TF_FLOAT, TF_UINT16, TF_UINT32 } from '../capi/data_types.js';
import type { TensorMetadata } from '../backend/op_executor.js';
import { bitcast, cast, typeAttr, unsignedConstant, type RawOps } from '../backend/raw_ops.js';

/** The bits of no number, positive and quiet. */
const NONE = 0x7fc0;

/** A bfloat16 value in float32; any other as it is. */
export function fromBfloat16(ops: RawOps, value: TensorMetadata): TensorMetadata {
  if (value.dtype !== TF_BFLOAT16) return value;
  const bits = cast(ops, bitcast(ops, value, TF_BFLOAT16, TF_UINT16), TF_UINT16, TF_UINT32);
  return bitcast(ops, ofWords(ops, 'LeftShift', bits, unsignedConstant(ops, 16, TF_UINT32)), TF_UINT32, TF_FLOAT);
}

/** The bfloat16 nearest to a float32, of two the even one; what is no number stays none. */
export function toBfloat16(ops: RawOps, value: TensorMetadata): TensorMetadata {
  const sixteen = unsignedConstant(ops, 16, TF_UINT32);
  const bits = bitcast(ops, value, TF_FLOAT, TF_UINT32);
  const odd = ofWords(ops, 'BitwiseAnd', ofWords(ops, 'RightShift', bits, sixteen), unsignedConstant(ops, 1, TF_UINT32));
  const half = ofWords(ops, 'AddV2', bits, unsignedConstant(ops, 0x7fff, TF_UINT32));
  const nearest = ofWords(ops, 'RightShift', ofWords(ops, 'AddV2', half, odd), sixteen);
  const isNone = ops.one('IsNan', [value], [typeAttr('T', TF_FLOAT)]);
  const choices = [isNone, unsignedConstant(ops, NONE, TF_UINT16), cast(ops, nearest, TF_UINT32, TF_UINT16)];
  return bitcast(ops, ops.one('SelectV2', choices, [typeAttr('T', TF_UINT16)]), TF_UINT16, TF_BFLOAT16);
}

function ofWords(ops: RawOps, op: string, left: TensorMetadata, right: TensorMetadata): TensorMetadata {
  return ops.one(op, [left, right], [typeAttr('T', TF_UINT32)]);
}
