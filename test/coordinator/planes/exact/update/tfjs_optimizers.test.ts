/** Owns: that an optimizer of tfjs's does what it does there. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createBucketLayout } from '../../../../../src/common/bucket_layout.js';
import { DEFAULT_TRAIN_CONFIG, type OptimizerConfig } from '../../../../../src/common/train_config.js';
import { firstSlots } from '../../../../../src/optimizers/optimizer_program.js';
import { sumGradients } from '../../../../../src/coordinator/planes/exact/update/reducer.js';
import { createUpdate } from '../../../../../src/coordinator/planes/exact/update/update.js';
import { shardResult } from '../../../../support/shard_results.js';

function read<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../../../../golden/${file}`, import.meta.url), 'utf8')) as T;
}
/** Made by scripts/golden/tfjs_optimizers.mjs from the numbers of optimizers.json. */
const golden = read<{ rate: number; cases: { name: string; config: Partial<OptimizerConfig>; weights: number[][] }[] }>(
  'tfjs_optimizers.json',
);
const { sizes, batch, initial, gradients } = read<{
  sizes: number[];
  batch: number;
  initial: number[];
  gradients: number[][][];
}>('optimizers.json');

test.each(golden.cases)('$name follows tfjs for six steps of three shards', async ({ config, weights }) => {
  const layout = createBucketLayout({
    weights: sizes.map((size, i) => ({ name: `w${i}`, shape: [size] })),
    trained: sizes.length,
  });
  const update = createUpdate({ layout, optimizer: { ...DEFAULT_TRAIN_CONFIG.optimizer, ...config } });
  const buffers = () => ({
    parameters: Float32Array.from(initial),
    slots: firstSlots(update.slots, Float32Array.from(initial)),
  });
  let [current, next] = [buffers(), buffers()];
  for (const [step, shards] of gradients.entries()) {
    const results = shards.map((gradient, shard) => shardResult({ shard, gradient: Float32Array.from(gradient) }));
    const outcome = await update({
      gradients: [sumGradients({ results, shards: 3, layout })],
      results,
      shards: 3,
      globalBatch: batch,
      learningRate: golden.rate,
      step,
      current,
      next,
    });
    expect(outcome.nonFinite).toBeUndefined();
    [current, next] = [next, current];
    const distance = Math.hypot(...weights[step].map((value, i) => value - current.parameters[i]));
    // Some ten roundings of 2^-24 a step on either side. Adam's 1 − beta2^t, which tfjs rounds to float32, is off by 2^-24 / (1 − beta2) at
    // most, half of that under the root, and so is each step, which is the rate or less in each of the seven weights.
    const { name, beta2 = 0.999 } = config;
    const inCorrection = name === 'adam' ? 2 ** -25 / (1 - beta2) : 0;
    const allowed = 1e-6 * Math.hypot(...weights[step]) + inCorrection * golden.rate * (step + 1) * Math.sqrt(7);
    expect(distance).toBeLessThan(allowed);
  }
});

test('the goldens differ from each other, so that each says something, but for adadelta, which is sgd in tfjs', () => {
  const last = new Map(golden.cases.map(({ name, weights }) => [name, JSON.stringify(weights[5])]));
  expect([last.get('adadelta'), last.get('adadelta, other settings')]).toEqual([last.get('sgd'), last.get('sgd')]);
  expect(new Set(last.values()).size).toBe(golden.cases.length - 2);
});
