/** Owns: that the benchmark models are the peers' models: equal parameter counts, as `python torch_train.py --count` prints them. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';

interface ModelModule {
  createModel(tf: unknown): tf.LayersModel;
  exampleShape: number[];
}

describe('benchmark models', () => {
  it.each([
    ['mlp', 1_863_690, 1_863_690, 6],
    ['resnet', 175_258, 176_378, 15 + 15 * 4 + 2], // 15 convolutions, each with a batch norm; the dense layer,
    ['transformer', 10_694_794, 10_694_794, 2 + 1 + 6 * (2 * 2 + 4 * 2) + 2 + 2], // embedding, positions, six layers, norm, dense layer,
  ])('%s has %i trained of %i values, as in PyTorch and Keras', async (name, trained, all, tensors) => {
    await tf.setBackend('cpu');
    const module = (await import(new URL(`../../scripts/bench/models/${name}.mjs`, import.meta.url).href)) as ModelModule;
    const model = module.createModel(tf);
    expect(model.countParams()).toBe(all);
    expect(model.trainableWeights.reduce((sum, { shape }) => sum + (shape as number[]).reduce((a, b) => a * b, 1), 0)).toBe(
      trained,
    );
    expect(model.weights.length).toBe(tensors);
    expect(model.inputs[0].shape).toEqual([null, ...module.exampleShape]);
    // A pass of the large one takes tfjs's own backend a minute.
    if (all < 5_000_000) expect((model.apply(tf.zeros([2, ...module.exampleShape])) as tf.Tensor).shape).toEqual([2, 10]);
    expect(model.outputs[0].shape).toEqual([null, 10]);
  });
});
