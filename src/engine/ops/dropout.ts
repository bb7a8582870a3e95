/**
 * Owns: dropout whose mask is a function of (key, step, example, element) alone, drawn in TensorFlow; so any slice of a batch, on any replica,
 * draws the mask that the whole batch would. Does not: choose keys or layers (training_ops.ts, and the training step).
 * The mask is specified, and computed in plain JavaScript, by `dropoutMask` in common/dropout_mask.ts; the tests compare the two bit by bit.
 *
 * One StatelessRandomUniformFullInt draws the bits; each element takes 8 of them if the rate is a multiple of 1/256, else 16, so that one
 * Philox word serves four or two elements: the generator is the cost of dropout, and comparing whole words would double or quadruple it.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { sizeOf } from '../../common/shape_size.js';
import { tf } from '../backend/tfjs.js';
import { maskLayout } from '../../common/dropout_mask.js';
import type { PhiloxKey } from '../../common/random.js';
import { TF_BOOL, TF_FLOAT, TF_INT32, TF_INT64, TF_UINT16, TF_UINT32, TF_UINT64, TF_UINT8 } from '../capi/data_types.js';
import type { TensorMetadata } from '../backend/op_executor.js';
import { bitcast, cast, intAttr, reshape, typeAttr, unsignedConstant, withRawOps, type RawOps } from '../backend/raw_ops.js';

/** TensorFlow's number of Philox (tensorflow/core/framework/rng_alg.h). */
export const ALGORITHM_PHILOX = 1;

/**
 * x with elements set to 0 with probability `rate` and the others scaled so that the expectation stays x. The first axis counts examples.
 *
 * `position`: int32 [4]: step (low word, high word), the first example's index in the global batch, 0.
 * `maskShape`: 1 in an axis gives its elements one decision (tfjs's noiseShape); the first axis is the batch's.
 */
export function keyedDropout(
  x: tfjs.Tensor,
  rate: number,
  key: PhiloxKey,
  position: tfjs.Tensor,
  maskShape: readonly number[] = x.shape,
): tfjs.Tensor {
  if (rate <= 0 || x.size === 0) return tf.clone(x);
  const op = tf.customGrad((input: unknown, save: unknown) => {
    const mask = drawMask(maskShape, rate, key, position);
    (save as (tensors: tfjs.Tensor[]) => void)([mask]);
    return {
      value: tf.mul(input as tfjs.Tensor, mask),
      gradFunc: (dy: tfjs.Tensor, saved: tfjs.Tensor[]) => tf.mul(dy, saved[0]),
    };
  });
  return op(x);
}

/** The mask as factors: 0 for dropped elements, 1 / (1 − rate) for kept ones. */
function drawMask(shape: readonly number[], rate: number, key: PhiloxKey, position: tfjs.Tensor): tfjs.Tensor {
  const [examples, ...rest] = shape;
  const elements = sizeOf(rest);
  const { bits, threshold, keptScale, blocksPerExample, elementsPerBlock } = maskLayout(rate, elements);
  return withRawOps((ops) => {
    const words = ops.one(
      'StatelessRandomUniformFullIntV2',
      [
        ops.constant(Int32Array.of(examples, 4 * blocksPerExample), [2], TF_INT32),
        keyTensor(ops, key),
        counterTensor(ops, position, blocksPerExample),
        ops.constant(Int32Array.of(ALGORITHM_PHILOX), [], TF_INT32),
      ],
      [typeAttr('dtype', TF_UINT32), typeAttr('Tshape', TF_INT32)],
    );
    const type = bits === 8 ? TF_UINT8 : TF_UINT16;
    const padded = reshape(ops, bitcast(ops, words, TF_UINT32, type), type, [examples, blocksPerExample * elementsPerBlock]);
    const cut = sliceElements(ops, padded, type, examples, elements);
    const draws = reshape(ops, cut, type, shape);
    const limit = unsignedConstant(ops, threshold, type);
    const kept = ops.one('GreaterEqual', [draws, limit], [typeAttr('T', type)]);
    const scale = ops.constant(Float32Array.of(keptScale), [], TF_FLOAT);
    return ops.keep(ops.one('Mul', [cast(ops, kept, TF_BOOL, TF_FLOAT), scale], [typeAttr('T', TF_FLOAT)]));
  });
}

/** The first `elements` numbers of each example, of a whole number of blocks. */
export function sliceElements(
  ops: RawOps,
  padded: TensorMetadata,
  type: number,
  examples: number,
  elements: number,
): TensorMetadata {
  if (padded.shape[1] === elements) return padded;
  return ops.one(
    'Slice',
    [padded, ops.constant(Int32Array.of(0, 0), [2], TF_INT32), ops.constant(Int32Array.of(examples, elements), [2], TF_INT32)],
    [typeAttr('T', type), typeAttr('Index', TF_INT32)],
  );
}

/** uint64 [1]: low + 2^32 · high. */
export function keyTensor(ops: RawOps, key: PhiloxKey): TensorMetadata {
  return bitcast(ops, ops.constant(Int32Array.of(key.low, key.high), [1, 2], TF_INT32), TF_INT32, TF_UINT64);
}

/** uint64 [2]: first example · blocks per example, then the step. */
export function counterTensor(ops: RawOps, position: tfjs.Tensor, blocksPerExample: number): TensorMetadata {
  const part = (begin: number, size: number): TensorMetadata =>
    ops.one(
      'Slice',
      [position, ops.constant(Int32Array.of(begin), [1], TF_INT32), ops.constant(Int32Array.of(size), [1], TF_INT32)],
      [typeAttr('T', TF_INT32), typeAttr('Index', TF_INT32)],
    );
  const step = bitcast(ops, reshape(ops, part(0, 2), TF_INT32, [1, 2]), TF_INT32, TF_INT64);
  const example = cast(ops, part(2, 1), TF_INT32, TF_INT64);
  // An int64 is given as two int32 words.
  const blocks = ops.constant(Int32Array.of(blocksPerExample, 0), [1], TF_INT64);
  const first = ops.one('Mul', [example, blocks], [typeAttr('T', TF_INT64)]);
  const pair = ops.one(
    'ConcatV2',
    [first, step, ops.constant(Int32Array.of(0), [], TF_INT32)],
    [intAttr('N', 2), typeAttr('T', TF_INT64), typeAttr('Tidx', TF_INT32)],
  );
  return bitcast(ops, pair, TF_INT64, TF_UINT64);
}
