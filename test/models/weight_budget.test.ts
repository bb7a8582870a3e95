import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { trainableWeights, withWeightBudget } from '../../src/models/weight_budget.js';

const dense = (units: number) =>
  tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4] }), tf.layers.dense({ name: 'wide', units })] });

it('counts each weight before memory is taken for it: 10^9 units are refused at once', async () => {
  const before = process.memoryUsage();
  await expect(withWeightBudget(tf, 10 ** 6, () => dense(10 ** 9))).rejects.toMatchObject({
    code: 'MODEL_TOO_MANY_WEIGHTS',
    message: 'with kernel of layer wide [3, 1000000000] the model has more than the 1000000 weights that this machine can train',
  });
  const after = process.memoryUsage();
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 20);
});

it('allows exactly as many as fit, cells of recurrent layers too', async () => {
  // 4 × 3 + 3, 3 × 5 + 5.
  expect((await withWeightBudget(tf, 35, () => dense(5))).countParams()).toBe(35);
  await expect(withWeightBudget(tf, 34, () => dense(5))).rejects.toThrow('with bias of layer wide [5]');
  const wide = () => tf.sequential({ layers: [tf.layers.lstm({ units: 10 ** 6, inputShape: [2, 1] })] });
  await expect(withWeightBudget(tf, 10 ** 9, wide)).rejects.toThrow('[1000000, 4000000] the model has more than');
  // tfjs is as it was.
  expect(dense(5).countParams()).toBe(35);
});

it('reads a topology no further than its weights are too many, whatever tfjs makes of the error', async () => {
  const topology = JSON.parse(JSON.stringify(dense(5).toJSON(null, false))) as {
    config: { layers: { config: { units: number } }[] };
  };
  topology.config.layers[1].config.units = 10 ** 6;
  const build = () => tf.models.modelFromJSON(topology as unknown as tf.io.ModelJSON);
  await expect(withWeightBudget(tf, 10 ** 6, build)).rejects.toMatchObject({ code: 'MODEL_TOO_MANY_WEIGHTS' });
});

it('allows a sixteenth of the memory’s bytes, and no more than the wire does', () => {
  expect(trainableWeights(16_000)).toBe(1000);
  expect(trainableWeights(2 ** 50)).toBe(2 ** 30);
});
