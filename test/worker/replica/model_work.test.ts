/** Owns: how large the products of models are said to be. Plain tfjs: no engine. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { workOf } from '../../../src/worker/replica/model_work.js';

const { layers } = tf;
const work = (...all: tf.layers.Layer[]): number | null => workOf(tf.sequential({ layers: all })).multiplyAdds;

describe("a model's products", () => {
  it('are counted at each position of a row, and weighted by their size', () => {
    expect(work(layers.dense({ inputShape: [5], units: 4 }))).toBe(20);
    expect(work(layers.dense({ inputShape: [7, 5], units: 4 }))).toBe(140);
    expect(work(layers.dense({ inputShape: [30], units: 10 }), layers.dense({ units: 10 }))).toBe((300 ** 2 + 100 ** 2) / 400);
    expect(work(layers.conv2d({ inputShape: [8, 8, 3], filters: 2, kernelSize: 3 }))).toBe(6 * 6 * 3 * 3 * 3 * 2);
    const conv = { filters: 2, kernelSize: 3 };
    expect(work(layers.conv2d({ ...conv, inputShape: [3, 8, 8], dataFormat: 'channelsFirst' }))).toBe(6 * 6 * 3 * 3 * 3 * 2);
    expect(work(layers.conv2dTranspose({ ...conv, inputShape: [4, 4, 3], strides: 2, padding: 'same' }))).toBe(
      4 * 4 * 3 * 3 * 3 * 2,
    );
  });

  it('are those of models within models and of wrapped layers too, and of recurrent ones one for each step of time', () => {
    const inner = tf.sequential({ layers: [layers.dense({ inputShape: [5], units: 4 })] });
    expect(work(inner as unknown as tf.layers.Layer)).toBe(20);
    expect(work(layers.timeDistributed({ inputShape: [7, 5], layer: layers.dense({ units: 4 }) }))).toBe(20);
    expect(work(layers.simpleRNN({ inputShape: [100, 4], units: 4 }))).toBe(16);
    expect(work(layers.bidirectional({ inputShape: [100, 4], layer: layers.simpleRNN({ units: 4 }), mergeMode: 'concat' }))).toBe(
      16,
    );
  });

  it('are those of the calls that the model is made of, whatever else its layers are part of', () => {
    const conv = layers.conv2d({ filters: 2, kernelSize: 3 });
    const on = (size: number): tf.LayersModel => {
      const input = tf.input({ shape: [size, size, 3] });
      return tf.model({ inputs: input, outputs: conv.apply(input) as tf.SymbolicTensor });
    };
    const [large, small] = [on(30), on(8)];
    const again = on(20);
    const each = (size: number): number => (size - 2) ** 2 * 3 * 3 * 3 * 2;
    expect([large, small, again].map((model) => workOf(model).multiplyAdds)).toEqual([each(30), each(8), each(20)]);
    const dense = layers.dense({ units: 4 });
    const [a, b] = [tf.input({ shape: [4] }), tf.input({ shape: [9, 4] })];
    const twice = tf.model({ inputs: [a, b], outputs: [dense.apply(a), dense.apply(b)] as tf.SymbolicTensor[] });
    expect(workOf(twice).multiplyAdds).toBe((16 ** 2 + 144 ** 2) / 160);
    const rebuilt = tf.models.modelFromJSON({ modelTopology: JSON.parse(small.toJSON(null, true) as string) as never });
    return expect(rebuilt.then(workOf)).resolves.toEqual(workOf(small));
  });

  it('are not looked up, normalized or multiplied element by element', () => {
    const looked = layers.embedding({ inputShape: [7], inputDim: 100, outputDim: 5 });
    expect(work(looked, layers.prelu(), layers.batchNormalization(), layers.dense({ units: 4 }))).toBe(140);
    expect(work(looked)).toBeNull();
    expect(work(layers.flatten({ inputShape: [3, 3] }))).toBeNull();
  });

  it('are not known where an axis has no fixed extent, or images are taken one by one', () => {
    expect(work(layers.dense({ inputShape: [null, 5], units: 4 }))).toBeNull();
    const each = layers.conv2d({ filters: 2, kernelSize: 3 });
    expect(work(layers.timeDistributed({ inputShape: [7, 8, 8, 3], layer: each }))).toBeNull();
    expect(work(layers.convLstm2d({ inputShape: [2, 8, 8, 3], filters: 2, kernelSize: 3 }) as tf.layers.Layer)).toBeNull();
  });
});
