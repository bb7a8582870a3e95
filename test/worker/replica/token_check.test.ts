/**
 * Owns: that a token which an embedding has no row for is found where its example's number is known, on any device.
 */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { DataError } from '../../../src/common/errors.js';
import { requireTokens, tokenLimitsOf } from '../../../src/worker/replica/token_check.js';

const embedding = (inputDim: number, name: string) => tf.layers.embedding({ inputDim, outputDim: 2, inputLength: 3, name });
const pooled = () => tf.layers.globalAveragePooling1d();

it('finds the smallest embedding that the input feeds, in a nested model too', () => {
  expect(tokenLimitsOf(tf.sequential({ layers: [embedding(10, 'words'), pooled()] }))).toEqual([{ layer: 'words', rows: 10 }]);
  const input = tf.input({ shape: [3] });
  const both = tf.layers.add().apply([embedding(10, 'a').apply(input), embedding(7, 'b').apply(input)] as tf.SymbolicTensor[]);
  expect(tokenLimitsOf(tf.model({ inputs: input, outputs: both as tf.SymbolicTensor }))).toEqual([{ layer: 'b', rows: 7 }]);
  const inner = tf.sequential({ layers: [embedding(5, 'inner'), pooled()] });
  const outer = inner.apply(tf.input({ shape: [3] })) as tf.SymbolicTensor;
  expect(tokenLimitsOf(tf.model({ inputs: outer.inputs, outputs: outer }))).toEqual([{ layer: 'inner', rows: 5 }]);
  expect(tokenLimitsOf(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3] })] }))).toEqual([null]);
  const [words, numbers] = [tf.input({ shape: [3] }), tf.input({ shape: [2] })];
  const joined = tf.layers.concatenate().apply([pooled().apply(embedding(4, 'w').apply(words)), numbers] as tf.SymbolicTensor[]);
  const two = tf.model({ inputs: [numbers, words], outputs: joined as tf.SymbolicTensor });
  expect(tokenLimitsOf(two)).toEqual([null, { layer: 'w', rows: 4 }]);
});

it('names the example by its number in the data, the token and its position', () => {
  const check = (values: Float32Array | Uint8Array, scale = 1) =>
    requireTokens(
      { layer: 'words', rows: 10 },
      { values, rows: Int32Array.of(40, 41), scale, dataset: 'reviews', split: 'train' },
    );
  check(Float32Array.of(0, 9, 9.9, 1, -0.5, 3));
  check(Uint8Array.of(0, 18, 2, 4, 6, 8), 0.5);
  for (const [wrong, shown] of [
    [10, '10'],
    [-1, '-1'],
    [NaN, 'NaN'],
  ] as const) {
    const at = () => check(Float32Array.of(0, 1, 2, 3, wrong, 5));
    expect(at).toThrow(DataError);
    expect(at).toThrow(`train example 41 of reviews has the token ${shown} at position 1; embedding words has rows for 0 … 9`);
  }
});
