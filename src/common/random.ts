/**
 * Owns: the random numbers that a run's result depends on: the generator, its keys, and the epoch's permutation.
 * Does not: say what a dropout mask is (dropout_mask.ts), draw masks in training (src/engine/ops/dropout.ts does), or know what a layer is.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns a 64-bit key and a 128-bit
 * counter into four 32-bit words. There is no state: equal keys and counters give equal words in any thread, process or order.
 *
 *   key      = deriveKey({ seed, purpose, layer })
 *   counter  = low 64 bits, high 64 bits, each as two words, little end first:
 *
 *     purpose      low 64 bits                              high 64 bits
 *     shuffle      block number within the epoch            epoch
 *     dropout      example · blocksPerExample + block       step
 *     noise        example · blocksPerExample + block       step
 *     augment      block number (low word), row in the data (high word)    epoch
 *     mixup        the same                                 epoch
 *     buffer       block number within the epoch            epoch
 *     (streams)    block number within the stream           stream
 *
 * TensorFlow's stateless ops with alg = 1 (StatelessRandomUniformFullIntV2, ...) draw the same words when given
 *   key uint64[1] = low + 2^32 · high,  counter uint64[2] = [low 64 bits, high 64 bits]
 * : word i of the output is word i mod 4 of the block at counter + floor(i / 4). Their floats take a word's low 23 bits, not its high ones
 * (tensorflow/core/lib/random/random_distributions.h, Uint32ToFloat).
 */
import { invariant } from './errors.js';

// Taken once: in a `node:vm` context, such as Jest's, each look at a global costs a hundred times the arithmetic.
const { floor, imul } = Math;

/** 64 bits as two unsigned 32-bit words. */
export interface PhiloxKey {
  readonly low: number;
  readonly high: number;
}

/** What a key is for. The numbers are part of every result: never change or reuse one. */
export const PURPOSE = {
  shuffle: 1,
  dropout: 2,
  initializer: 3,
  synthetic: 4,
  noise: 5,
  augment: 6,
  mixup: 7,
  buffer: 8,
} as const;
export type Purpose = (typeof PURPOSE)[keyof typeof PURPOSE];

const TWO_32 = 2 ** 32;

/** The key of one use: words 0 and 1 of the block at counter (layer, purpose) under the seed as key. `seed` and `layer` are safe integers ≥ 0. */
export function deriveKey({ seed, purpose, layer }: { seed: number; purpose: Purpose; layer: number }): PhiloxKey {
  invariant(Number.isSafeInteger(seed) && seed >= 0, 'a seed is a safe integer of at least 0');
  const block = new Uint32Array(4);
  philoxBlock({ low: lowWord(seed), high: highWord(seed) }, lowWord(layer), highWord(layer), purpose, 0, block, 0);
  return { low: block[0], high: block[1] };
}

/** Unsigned 32-bit words, one per call, from block 0 of `stream` on. Streams of one key never overlap. */
export function wordStream({ key, stream }: { key: PhiloxKey; stream: number }): () => number {
  const block = new Uint32Array(4);
  const streamLow = lowWord(stream);
  const streamHigh = highWord(stream);
  let drawn = 0;
  return () => {
    const word = drawn & 3;
    if (word === 0) philoxBlock(key, lowWord(drawn / 4), highWord(drawn / 4), streamLow, streamHigh, block, 0);
    drawn += 1;
    return block[word];
  };
}

/** Unsigned 32-bit words of one example (its row in the data set, below 2^31) in one epoch, from block 0 on. */
export function exampleWords(key: PhiloxKey, { row, epoch }: { row: number; epoch: number }): () => number {
  const block = new Uint32Array(4);
  let drawn = 0;
  return () => {
    const word = drawn & 3;
    if (word === 0) philoxBlock(key, lowWord(drawn / 4), row, lowWord(epoch), highWord(epoch), block, 0);
    drawn += 1;
    return block[word];
  };
}

/** The order in which an epoch (from 1) visits `count` examples: a Fisher–Yates shuffle of 0, 1, ..., count − 1 from the last place down. */
export function permutation({ seed, epoch, count }: { seed: number; epoch: number; count: number }): Int32Array {
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  const next = wordStream({ key: deriveKey({ seed, purpose: PURPOSE.shuffle, layer: 0 }), stream: epoch });
  for (let i = count - 1; i > 0; i--) {
    const j = below(i + 1, next);
    const held = order[i];
    order[i] = order[j];
    order[j] = held;
  }
  return order;
}

/**
 * An unbiased number from 0 to bound − 1 (bound from 1 to 2^32 − 1): the high half of word × bound, drawn again while the low half falls in
 * the part of the range that would make small results likelier (Lemire: "Fast random integer generation in an interval", TOMACS 2019).
 */
export function below(bound: number, next: () => number): number {
  let word = next();
  let low = imul(word, bound) >>> 0;
  if (low < bound) {
    const threshold = (TWO_32 - bound) % bound;
    while (low < threshold) {
      word = next();
      low = imul(word, bound) >>> 0;
    }
  }
  return highProduct(word, bound);
}

/** The part of a layer's dropout mask that one shard of one step needs. */
export interface DropoutSlice {
  /** `deriveKey({ seed, purpose: PURPOSE.dropout, layer })`. */
  key: PhiloxKey;
  step: number;
  /** Position of the first example in the global batch. */
  firstExample: number;
  examples: number;
  elementsPerExample: number;
}

/** Of the generator: factors of words 0 and 2 of a counter, and what the words of a key grow by in each round. */
export const PHILOX = { multipliers: [0xd2511f53, 0xcd9e8d57], weyl: [0x9e3779b9, 0xbb67ae85], rounds: 10 } as const;
const [MULTIPLIER_0, MULTIPLIER_1] = PHILOX.multipliers;
const [WEYL_0, WEYL_1] = PHILOX.weyl;
const ROUNDS = PHILOX.rounds;

/** Writes the four words of one block to `into[at .. at + 3]`. Counter words are given little end first. */
export function philoxBlock(
  { low, high }: PhiloxKey,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  into: Uint32Array,
  at: number,
): void {
  let k0 = low | 0;
  let k1 = high | 0;
  let c0 = counter0 | 0;
  let c1 = counter1 | 0;
  let c2 = counter2 | 0;
  let c3 = counter3 | 0;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = highProduct(MULTIPLIER_0, c0);
    const high1 = highProduct(MULTIPLIER_1, c2);
    const low0 = imul(MULTIPLIER_0, c0);
    const low1 = imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  into[at] = c0;
  into[at + 1] = c1;
  into[at + 2] = c2;
  into[at + 3] = c3;
}

/** The upper 32 bits of the 64-bit product of two unsigned words, by halves of 16 bits: a double holds only 53. */
function highProduct(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = (imul(aHigh, bLow) >>> 0) + (imul(aLow, bLow) >>> 16);
  const carry = (imul(aLow, bHigh) >>> 0) + (middle & 0xffff);
  return (imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) >>> 0;
}

function lowWord(value: number): number {
  return value >>> 0;
}

function highWord(value: number): number {
  return floor(value / TWO_32);
}
