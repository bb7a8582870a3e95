/**
 * Owns: Philox4x32-10 composed of 64-bit integer operations, each word of 32 bits in a lane of 64. The words are those of TensorFlow's own stateless ops.
 * Does not: choose counters and keys (example_random.ts, fused_loops.ts).
 *
 * Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011); `philoxBlock` in common/random.ts is the same in JavaScript.
 */
import { PHILOX } from '../../common/random.js';
import { TF_INT32, TF_INT64, TF_UINT32, TF_UINT64 } from '../capi/data_types.js';
import type { TensorMetadata } from '../backend/op_executor.js';
import { bitcast, cast, intAttr, typeAttr, type RawInput, type RawOps } from '../backend/raw_ops.js';

/** One more than the largest word. */
export const WORD = 2 ** 32;

/** Words of 32 bits that one counter gives. */
export const WORDS_OF_BLOCK = 4;

/** uint64 below 2^32 each, of shapes that broadcast. */
export type CounterWords = readonly [RawInput, RawInput, RawInput, RawInput];
/** Of one round: uint64 below 2^32, of shapes that broadcast with the counters'. */
type RoundKey = readonly [RawInput, RawInput];

/** The four words of each counter, uint64 below 2^32. `keyOf`: of the rounds 0 to 9. */
export function philox(ops: RawOps, counters: CounterWords, keyOf: (round: number) => RoundKey): TensorMetadata[] {
  const [m0, m1] = PHILOX.multipliers.map((multiplier) => word(ops, multiplier));
  const { low, high } = halves(ops);
  const xor = (left: RawInput, right: RawInput): TensorMetadata => binary(ops, 'BitwiseXor', left, right);
  let [c0, c1, c2, c3] = counters;
  for (let round = 0; round < PHILOX.rounds; round++) {
    const [k0, k1] = keyOf(round);
    const [p0, p1] = [binary(ops, 'Mul', c0, m0), binary(ops, 'Mul', c2, m1)];
    [c0, c1, c2, c3] = [xor(xor(high(p1), c1), k0), low(p1), xor(xor(high(p0), c3), k1), low(p0)];
  }
  return [c0, c1, c2, c3] as TensorMetadata[];
}

/** What the two words of a key have grown by in a round, below 2^32. */
export function grown(round: number): readonly [number, number] {
  const [low, high] = PHILOX.weyl.map((weyl) => (weyl * round) % WORD);
  return [low, high];
}

/**
 * The words of so many counters in a row, in pairs as uint64 `[blocks, 2]`, from a key and a first counter as TensorFlow's stateless ops take them:
 * uint64 `[1]` and `[2]`.
 */
export function wordsInOrder(ops: RawOps, blocks: number, key: RawInput, counter: RawInput): TensorMetadata {
  const { low, high, upwards } = halves(ops);
  const count = (value: number): TensorMetadata => ops.constant(Int32Array.of(value), [], TF_INT32);
  const numbers = ops.one('Range', [count(0), count(blocks), count(1)], [typeAttr('Tidx', TF_INT32)]);
  const [first, step] = [0, 1].map((at) => {
    const slice = [counter, ...[at, 1].map((value) => ops.constant(Int32Array.of(value), [1], TF_INT32))];
    return ops.one('Slice', slice, [typeAttr('T', TF_UINT64), typeAttr('Index', TF_INT32)]);
  });
  // The high 64 bits do not count on where the low ones overflow, at 2^64 blocks.
  const place = binary(ops, 'AddV2', first, cast(ops, numbers, TF_INT32, TF_UINT64));
  const keys = [low(key), high(key)];
  const words = philox(ops, [low(place), high(place), low(step), high(step)], (round) => {
    const [k0, k1] = grown(round).map((number, at) => low(binary(ops, 'AddV2', keys[at], word(ops, number))));
    return [k0, k1];
  });
  const pair = (even: RawInput, odd: RawInput): TensorMetadata => binary(ops, 'BitwiseOr', even, upwards(odd));
  const pairs = [pair(words[0], words[1]), pair(words[2], words[3])];
  return ops.one('Pack', pairs, [intAttr('N', 2), typeAttr('T', TF_UINT64), intAttr('axis', 1)]);
}

/** The low and the high 32 bits of uint64 numbers, and low ones moved up. */
function halves(ops: RawOps): Record<'low' | 'high' | 'upwards', (numbers: RawInput) => TensorMetadata> {
  const [half, mask] = [word(ops, 32), word(ops, WORD - 1)];
  return {
    low: (numbers) => binary(ops, 'BitwiseAnd', numbers, mask),
    high: (numbers) => binary(ops, 'RightShift', numbers, half),
    upwards: (numbers) => binary(ops, 'LeftShift', numbers, half),
  };
}

function binary(ops: RawOps, op: string, left: RawInput, right: RawInput): TensorMetadata {
  return ops.one(op, [left, right], [typeAttr('T', TF_UINT64)]);
}

/** int32 words as unsigned numbers in 64 bits. */
export function unsigned(ops: RawOps, words: TensorMetadata): TensorMetadata {
  return cast(ops, bitcast(ops, words, TF_INT32, TF_UINT32), TF_UINT32, TF_UINT64);
}

/** uint64 []: a number below 2^32. Constants of unsigned types do not exist in tfjs; an int64 is given as two int32 words. */
export function word(ops: RawOps, value: number): TensorMetadata {
  return bitcast(ops, ops.constant(Int32Array.of(value | 0, 0), [], TF_INT64), TF_INT64, TF_UINT64);
}
