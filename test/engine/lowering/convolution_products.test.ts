/** Owns: that convolutions which are computed as products give what convolutions do, and which these are. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { computesProducts, planProducts } from '../../../src/engine/lowering/convolution_products.js';
import { Uses } from '../../../src/engine/lowering/loop_plan.js';
import type { Engine } from '../../../src/engine/index.js';
import { convolveAndDerive, convolved, outputShape, type Convolution, type Shape } from '../../support/convolution_truth.js';
import { engineForTests, irregular } from '../../support/gradient_checks.js';
import { recordedNodes, withContext } from '../../support/recorded_nodes.js';

const CASES: [string, Convolution][] = [
  ['one pixel', { x: [2, 3, 4, 5], filter: [1, 1, 5, 6], strides: [1, 1], pad: 'same' }],
  ['one pixel of a map of one', { x: [3, 1, 1, 7], filter: [1, 1, 7, 2], strides: [1, 1], pad: 'valid' }],
  ['one pixel, strides, odd sides', { x: [2, 5, 7, 3], filter: [1, 1, 3, 4], strides: [2, 2], pad: 'same' }],
  ['one pixel, strides, even sides', { x: [2, 6, 4, 3], filter: [1, 1, 3, 4], strides: [2, 2], pad: 'valid' }],
  ['one pixel, unequal strides', { x: [1, 7, 6, 3], filter: [1, 1, 3, 4], strides: [3, 1], pad: 'valid' }],
  ['2 × 2 of 4 × 4', { x: [2, 4, 4, 128], filter: [3, 3, 128, 256], strides: [1, 1], pad: 'valid' }],
  ['2 × 2 with zeros around', { x: [2, 2, 2, 256], filter: [3, 3, 256, 128], strides: [1, 1], pad: 'same' }],
  ['2 × 2 by strides, zeros after', { x: [1, 4, 4, 128], filter: [3, 3, 128, 256], strides: [2, 2], pad: 'same' }],
  ['2 × 2 by strides, zeros on both sides', { x: [1, 3, 3, 128], filter: [3, 3, 128, 256], strides: [2, 2], pad: 'same' }],
  ['1 × 2, an even filter, pixels left over', { x: [2, 4, 6, 256], filter: [2, 4, 256, 128], strides: [3, 2], pad: 'valid' }],
  ['2 × 1, zeros before and after', { x: [2, 2, 1, 128], filter: [5, 1, 128, 256], strides: [1, 1], pad: 'same' }],
];

/** Which kinds of a function's convolutions become products. */
function planned(
  engine: Engine,
  fn: (...args: tf.Tensor[]) => tf.Tensor[],
  shapes: readonly (readonly number[])[],
  precision: 'fp32' | 'bf16' = 'fp32',
): string[] {
  const { nodes, results } = recordedNodes(engine, fn, shapes);
  const chosen = planProducts(nodes, { uses: new Uses(nodes, results), precision });
  return [...new Set([...chosen].map(({ op }) => op))].sort();
}

const ALL = ['Conv2D', 'Conv2DBackpropFilter', 'Conv2DBackpropInput'];

// In bf16 both factors of each term are off by up to 2^-8, and so is the sum that is given: 3 · 2^-8 and what their products add.
describe.each([
  ['fp32', 0],
  ['bf16', 2 ** -6],
] as const)('convolutions by products in %s', (precision, rounding) => {
  const engine = engineForTests({ precision });

  it.each(CASES)('%s: as in float64', (_, given) => {
    tf.tidy(() => {
      const y = outputShape(given);
      const isPixel = given.filter[0] * given.filter[1] === 1;
      const shapes = [given.x, given.filter, y];
      expect(planned(engine(), convolveAndDerive(given), shapes)).toEqual(isPixel ? ALL : ['Conv2DBackpropFilter']);
      const inputs = shapes.map((shape, seed) => irregular(shape, seed + 1));
      const numbers = inputs.map((input) => input.dataSync() as Float32Array);
      const compiled = engine().compile(convolveAndDerive(given), { name: 'convolution' });
      const call = (): tf.Tensor[] => compiled(inputs[0], inputs[1], inputs[2]);
      const results = withContext(engine(), { convolvesByProducts: true }, call).map((result) => result.dataSync());
      compiled.dispose();
      const wanted = convolved(given, numbers, y);
      for (const [at, { sum, absolute, terms }] of [wanted.y, wanted.dx, wanted.dw].entries()) {
        // A float32 sum of n products is off by no more than n roundings of each.
        const limit = (i: number): number => absolute[i] * (terms[i] * 2 ** -23 + rounding);
        const wrong = sum.findIndex((value, i) => !(Math.abs(results[at][i] - value) <= limit(i)));
        expect([at, wrong]).toEqual([at, -1]);
      }
    });
  });
});

describe('which convolutions are products', () => {
  const engine = engineForTests();

  it('those of one pixel, but not where a bias or an activation is joined to them', () => {
    const [x, filter] = [
      [2, 4, 4, 8],
      [1, 1, 8, 8],
    ];
    const followed = (next: (y: tf.Tensor) => tf.Tensor[]): string[] =>
      planned(engine(), (image, w) => next(tf.conv2d(image as tf.Tensor4D, w as tf.Tensor4D, 1, 'same')), [x, filter]);
    expect(followed((y) => [tf.relu(y)])).toEqual([]);
    expect(followed((y) => [tf.add(y, tf.ones([8]))])).toEqual([]);
    expect(followed((y) => [tf.tanh(y)])).toEqual(['Conv2D']);
    expect(followed((y) => [tf.relu(y), tf.neg(y)])).toEqual(['Conv2D']);
  });

  it.each([
    [2, 3, 256, 'fp32', true],
    [3, 3, 256, 'fp32', false],
    [4, 3, 256, 'bf16', true],
    [5, 3, 256, 'bf16', false],
    [2, 3, 255, 'bf16', false],
    [2, 4, 256, 'bf16', false],
  ] as const)('gradients of larger filters: maps of %i, filters of %i, 128 × %i channels, %s', (...row) => {
    const [side, pixels, filters, precision, wanted] = row;
    const given: Convolution = { x: [2, side, side, 128], filter: [pixels, pixels, 128, filters], strides: [1, 1], pad: 'same' };
    const shapes = [given.x, given.filter, [2, side, side, filters]];
    expect(planned(engine(), convolveAndDerive(given), shapes, precision)).toEqual(wanted ? ['Conv2DBackpropFilter'] : []);
  });

  it('transposed ones of shapes that belong together', () => {
    const transposed = (x: number[], shape: Shape, strides: number): string[] =>
      planned(engine(), (y, w) => [tf.conv2dTranspose(y as tf.Tensor4D, w as tf.Tensor4D, shape, strides, 'same')], [
        x,
        [1, 1, 4, 3],
      ]);
    expect(transposed([1, 4, 4, 3], [1, 4, 4, 4], 1)).toEqual(['Conv2DBackpropInput']);
    expect(transposed([1, 2, 2, 3], [1, 3, 4, 4], 2)).toEqual(['Conv2DBackpropInput']);
    expect(transposed([1, 2, 8, 3], [1, 4, 4, 4], 1)).toEqual([]);
    expect(transposed([1, 2, 2, 3], [1, 8, 8, 4], 2)).toEqual([]);
  });

  it('none that is dilated, or has paddings of its own', () => {
    const plain = (
      image: tf.Tensor,
      w: tf.Tensor,
      pad: 'same' | tf.backend_util.ExplicitPadding,
      dilation: number,
    ): tf.Tensor[] => [tf.conv2d(image as tf.Tensor4D, w as tf.Tensor4D, 1, pad, 'NHWC', dilation)];
    const shapes = [
      [1, 4, 4, 8],
      [1, 1, 8, 8],
    ];
    const one: [number, number] = [1, 1];
    const none: [number, number] = [0, 0];
    expect(planned(engine(), (x, w) => plain(x, w, 'same', 1), shapes)).toEqual(['Conv2D']);
    expect(planned(engine(), (x, w) => plain(x, w, 'same', 2), shapes)).toEqual([]);
    expect(planned(engine(), (x, w) => plain(x, w, [none, one, one, none], 1), shapes)).toEqual([]);
  });

  it('those of processors of which that was measured', () => {
    const on = (instructions: string, ceiling = '', precision: 'fp32' | 'bf16' = 'fp32'): boolean =>
      computesProducts({ precision, oneDnn: 'on', ceiling }, instructions);
    const [avx2, avx512] = ['x64 avx2+fma', 'x64 avx2+fma+avx512f+avx512_vnni+avx512_bf16'];
    expect([avx2, avx512, `${avx512}+amx_tile+amx_bf16`].map((named) => on(named))).toEqual([false, true, true]);
    expect([avx512, `${avx512}+amx_tile+amx_bf16`].map((named) => on(named, '', 'bf16'))).toEqual([true, false]);
    expect(['SSE41', 'AVX2', 'AVX2_VNNI_2', 'AVX512_CORE'].map((level) => on(avx512, level))).toEqual([
      false,
      false,
      false,
      true,
    ]);
    expect([on('arm64 asimd+bf16'), on('x64')]).toEqual([false, false]);
    expect(computesProducts({ precision: 'fp32', oneDnn: 'off', ceiling: '' }, avx512)).toBe(false);
  });
});
