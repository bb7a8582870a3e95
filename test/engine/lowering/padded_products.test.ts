/** Owns: that products which are computed with more columns give what they do as they are, and which these are. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/engine/index.js';
import { padsProducts, planPadded } from '../../../src/engine/lowering/padded_products.js';
import { engineForTests, irregular } from '../../support/gradient_checks.js';
import { recordedNodes, withContext } from '../../support/recorded_nodes.js';

type Kind = 'x · w' | 'xᵀ · w' | 'x · wᵀ';

/** Of x and w as they are stored. */
function product(kind: Kind): (...args: tf.Tensor[]) => tf.Tensor[] {
  return (x, w) => [tf.matMul(x, w, kind === 'xᵀ · w', kind === 'x · wᵀ')];
}

function stored(kind: Kind, [rows, inner, columns]: readonly number[]): [[number, number], [number, number]] {
  return [kind === 'xᵀ · w' ? [inner, rows] : [rows, inner], kind === 'x · wᵀ' ? [columns, inner] : [inner, columns]];
}

/** On tensors of these shapes, with more columns where that is asked for. */
function computed(
  engine: Engine,
  fn: (...args: tf.Tensor[]) => tf.Tensor[],
  inputs: tf.Tensor[],
  padsProducts: boolean,
): Float32Array[] {
  const compiled = engine.compile(fn, { name: 'product' });
  const results = withContext(engine, { padsProducts }, () =>
    compiled(...inputs).map((result) => result.dataSync() as Float32Array),
  );
  compiled.dispose();
  return results;
}

describe('products with more columns', () => {
  const engine = engineForTests();

  it.each([
    ['x · w', [200, 100, 512]],
    ['x · w', [9, 1000, 1024]],
    ['xᵀ · w', [130, 70, 1024]],
  ] as const)('%s of %j: as in float64', (kind, sizes) => {
    tf.tidy(() => {
      const shapes = stored(kind, sizes);
      expect(planPadded(recordedNodes(engine(), product(kind), shapes).nodes).size).toBe(1);
      const [x, w] = shapes.map((shape, seed) => irregular(shape, seed + 1));
      const [found] = computed(engine(), product(kind), [x, w], true);
      const [rows, inner, columns] = sizes;
      expect(found.length).toBe(rows * columns);
      const [a, b] = [x.dataSync(), w.dataSync()];
      const at = (row: number, k: number): number => a[kind === 'xᵀ · w' ? k * rows + row : row * inner + k];
      const wrong = found.findIndex((value, index) => {
        const [row, column] = [Math.floor(index / columns), index % columns];
        let [sum, absolute] = [0, 0];
        for (let k = 0; k < inner; k++) {
          const term = at(row, k) * b[k * columns + column];
          sum += term;
          absolute += Math.abs(term);
        }
        // A float32 sum of n products is off by no more than n roundings of each.
        return !(Math.abs(value - sum) <= inner * 2 ** -23 * absolute);
      });
      expect(wrong).toBe(-1);
    });
  });

  it('a matrix that is used several times is copied once, and what uses it otherwise has it as it is', () => {
    tf.tidy(() => {
      const several = (x: tf.Tensor, w: tf.Tensor): tf.Tensor[] => {
        const y = tf.matMul(x, w);
        return [tf.matMul(tf.relu(tf.add(y, x)), w), tf.matMul(y, w, false, true), tf.sum(w, 0)];
      };
      const inputs = [irregular([40, 512], 1), irregular([512, 512], 2)];
      const shapes = inputs.map(({ shape }) => shape);
      expect(planPadded(recordedNodes(engine(), several as never, shapes).nodes).size).toBe(2);
      const [found, wanted] = [true, false].map((padded) => computed(engine(), several as never, inputs, padded));
      found.forEach((values, index) => {
        expect(values.length).toBe(wanted[index].length);
        // Two sums of 512 products, one after the other, that may be added in two orders.
        const largest = Math.max(...wanted[index].map(Math.abs));
        expect(values.findIndex((value, i) => !(Math.abs(value - wanted[index][i]) <= 4 * 512 * 2 ** -23 * largest))).toBe(-1);
      });
    });
  });

  it.each([
    ['x · w', [200, 784, 1024], true],
    ['x · w', [200, 784, 1000], false],
    ['x · w', [200, 784, 1040], false],
    ['x · w', [32, 512, 1536], true],
    ['x · w', [4, 1024, 1024], false],
    ['x · w', [340, 1024, 1024], true],
    ['x · w', [2048, 1024, 1024], false],
    // Of 1,024 columns copied nowhere, of 1,040 would be.
    ['x · w', [353, 1024, 1024], false],
    ['xᵀ · w', [256, 200, 1024], true],
    ['xᵀ · w', [1024, 200, 1024], false],
    ['x · wᵀ', [200, 784, 1024], false],
  ] as const)('which: %s of %j: %s', (kind, sizes, wanted) => {
    expect(planPadded(recordedNodes(engine(), product(kind), stored(kind, sizes)).nodes).size).toBe(wanted ? 1 : 0);
  });

  it('of matrices alone, not of many at once', () => {
    const many = (x: tf.Tensor, w: tf.Tensor): tf.Tensor[] => [tf.matMul(x, w)];
    const shapes = [
      [2, 200, 512],
      [2, 512, 512],
    ];
    expect(planPadded(recordedNodes(engine(), many as never, shapes).nodes).size).toBe(0);
  });

  it('on processors that multiply so', () => {
    const on = (instructions: string, ceiling = '', precision: 'fp32' | 'bf16' = 'fp32'): boolean =>
      padsProducts({ precision, oneDnn: 'on', ceiling }, instructions);
    const [avx2, avx512] = ['x64 avx2+fma', 'x64 avx2+fma+avx512f+avx512_vnni'];
    expect([on(avx2), on(`${avx2}+avx_vnni`), on(avx512), on('x64'), on('arm64 asimd')]).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(['SSE41', 'AVX', 'AVX2', 'AVX2_VNNI', 'AVX512_CORE'].map((level) => on(avx512, level))).toEqual([
      false,
      false,
      true,
      true,
      false,
    ]);
    expect([on(avx2, '', 'bf16'), padsProducts({ precision: 'fp32', oneDnn: 'off', ceiling: '' }, avx2)]).toEqual([false, false]);
  });
});
