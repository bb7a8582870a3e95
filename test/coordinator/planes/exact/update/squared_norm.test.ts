import { expect, test } from 'vitest';
import { createBucketLayout } from '../../../../../src/common/bucket_layout.js';
import { deriveKey, PURPOSE, wordStream } from '../../../../../src/common/random.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../../../src/common/train_config.js';
import { ShardSum } from '../../../../../src/coordinator/planes/exact/update/reducer.js';
import { SLICE_ELEMENTS } from '../../../../../src/coordinator/planes/exact/update/slice_kernels.js';
import { normOfSquares, squaredNorms, sumByHalves } from '../../../../../src/coordinator/planes/exact/update/squared_norm.js';
import { createUpdate } from '../../../../../src/coordinator/planes/exact/update/update.js';
import { shardResult } from '../../../../support/shard_results.js';

const layoutOf = (sizes: readonly number[]) =>
  createBucketLayout({ weights: sizes.map((size, i) => ({ name: `w${i}`, shape: [size] })), trained: sizes.length });

function normOf(gradient: Float32Array, sizes: readonly number[]): number {
  const { slots } = layoutOf(sizes);
  const work = squaredNorms({ sum: new ShardSum([gradient]), divisor: 1 }, slots);
  for (;;) {
    const { done, value } = work.next();
    if (done) return normOfSquares(value);
  }
}

/** As the definition says it, over the whole weight at once. */
function byDefinition(gradient: Float32Array, sizes: readonly number[]): number {
  const filled = (values: readonly number[]) => {
    const length = 2 ** Math.ceil(Math.log2(Math.max(1, values.length)));
    return Float64Array.from({ length }, (_, i) => values[i] ?? 0);
  };
  return sumByHalves(
    filled(
      layoutOf(sizes).slots.map(({ offset, size }) =>
        sumByHalves(filled([...gradient.subarray(offset, offset + size)].map((value) => value * value))),
      ),
    ),
  );
}

test('the upper half is added to the lower half', () => {
  // (2^53 + 0) + (1 + 1), and (2^53 + 1) + (1 + 0), where 2^53 + 1 is no float64.
  expect(sumByHalves(Float64Array.of(2 ** 53, 1, 0, 1))).toBe(2 ** 53 + 2);
  expect(sumByHalves(Float64Array.of(2 ** 53, 1, 1, 0))).toBe(2 ** 53);
  expect(sumByHalves(Float64Array.of(7))).toBe(7);
});

test('rows of a slice give the sum of the whole weight by halves, to the bit', () => {
  const words = wordStream({ key: deriveKey({ seed: 3, purpose: PURPOSE.synthetic, layer: 0 }), stream: 0 });
  for (const sizes of [[1], [3, 0, 5], [SLICE_ELEMENTS], [SLICE_ELEMENTS + 1], [3 * SLICE_ELEMENTS + 7, 2, 5 * SLICE_ELEMENTS]]) {
    const length = sizes.reduce((sum, size) => sum + size, 0);
    const gradient = Float32Array.from({ length }, () => (words() / 2 ** 31 - 1) * 10 ** (words() % 9));
    expect(normOf(gradient, sizes)).toBe(Math.sqrt(byDefinition(gradient, sizes)));
    // In layout order rounding differs, which is why the order is part of the arithmetic.
    const inARow = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
    if (length > SLICE_ELEMENTS) expect(normOf(gradient, sizes)).not.toBe(inARow);
  }
});

test('where it shows: a factor of clipping next to a tie of float32', async () => {
  // Beside 1e16 float64 has no odd number: in layout order all 16,383 ones are lost, by halves but one.
  const size = SLICE_ELEMENTS;
  const gradient = new Float32Array(size).fill(1);
  gradient[0] = 1e8;
  const [inARow, byHalves] = [1e8, Math.sqrt(1e16 + 16_382)];
  expect(Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0))).toBe(inARow);
  expect(normOf(gradient, [size])).toBe(byHalves);
  // A half and half a unit of its last place: one norm's factor rounds up, the other's down.
  const clipNorm = (0.5 + 2 ** -25) * ((inARow + byHalves) / 2);
  expect(Math.fround(clipNorm / inARow)).toBe(0.5 + 2 ** -24);
  const update = createUpdate({ layout: layoutOf([size]), optimizer: { ...DEFAULT_TRAIN_CONFIG.optimizer, clipNorm } });
  const buffers = () => ({ parameters: new Float32Array(size), slots: [] });
  const next = buffers();
  const results = [shardResult({ shard: 0, gradient })];
  await update({ gradients: [gradient], results, shards: 1, globalBatch: 1, learningRate: 1, step: 0, current: buffers(), next });
  expect(next.parameters[1]).toBe(-0.5);
});
