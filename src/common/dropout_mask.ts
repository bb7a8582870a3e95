/**
 * Owns: what a keyed dropout mask is, bit by bit, and a plain reference of it. Does not: draw masks in training (engine/ops/dropout.ts does, alike).
 *
 *   key       64 bits: of (seed, purpose, layer), see random.ts
 *   counter   low 64 bits = example · blocksPerExample + block, high 64 bits = step
 *   block     four 32-bit Philox words, little end first; cut into 16 bytes, or 8 halves of 16 bits
 *   element i of an example takes piece i mod elementsPerBlock of block floor(i / elementsPerBlock); it is kept if piece >= threshold
 *
 * `example` is the position in the global batch, so each example starts on a block of its own. A piece has 8 bits if the rate is a multiple of
 * 1/256 (0.25, 0.5, ...), else 16: the rate drawn is then the nearest multiple of 1/65536, at most 0.0000077 off, and kept elements are scaled by
 * the rate drawn, so the expectation is exact.
 */
import { invariant } from './errors.js';
import { philoxBlock, type DropoutSlice } from './random.js';

export interface MaskLayout {
  /** Random bits of one element. */
  bits: 8 | 16;
  elementsPerBlock: 16 | 8;
  blocksPerExample: number;
  /** Pieces below it are dropped. */
  threshold: number;
  /** Factor of the kept elements, as float32: 1 / (1 − rate drawn). */
  keptScale: number;
}

/** `rate` in (0, 1). */
export function maskLayout(rate: number, elementsPerExample: number): MaskLayout {
  invariant(rate > 0 && rate < 1, 'a dropout rate lies between 0 and 1');
  const bits = Number.isInteger(rate * 256) ? 8 : 16;
  const pieces = 2 ** bits;
  const threshold = Math.min(Math.round(rate * pieces), pieces - 1);
  const elementsPerBlock = bits === 8 ? 16 : 8;
  return {
    bits,
    elementsPerBlock,
    blocksPerExample: Math.ceil(elementsPerExample / elementsPerBlock),
    threshold,
    keptScale: Math.fround(pieces / (pieces - threshold)),
  };
}

/** The factors of a slice of a batch, `examples × elementsPerExample`: 0 or `keptScale`. */
export function dropoutMask({
  key,
  step,
  firstExample,
  examples,
  elementsPerExample,
  rate,
}: DropoutSlice & { rate: number }): Float32Array {
  const { bits, elementsPerBlock, blocksPerExample, threshold, keptScale } = maskLayout(rate, elementsPerExample);
  const mask = new Float32Array(examples * elementsPerExample);
  const words = new Uint32Array(4);
  for (let example = 0; example < examples; example++) {
    for (let i = 0; i < elementsPerExample; i++) {
      const piece = i % elementsPerBlock;
      if (piece === 0) {
        const counter = (firstExample + example) * blocksPerExample + i / elementsPerBlock;
        philoxBlock(key, counter >>> 0, Math.floor(counter / 2 ** 32), step >>> 0, Math.floor(step / 2 ** 32), words, 0);
      }
      const bitAt = piece * bits;
      const drawn = (words[bitAt >>> 5] >>> (bitAt & 31)) & (2 ** bits - 1);
      mask[example * elementsPerExample + i] = drawn >= threshold ? keptScale : 0;
    }
  }
  return mask;
}
