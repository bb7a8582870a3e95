import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createBucketLayout } from '../../../../../src/common/bucket_layout.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../../../src/common/train_config.js';
import type { OptimizerConfig } from '../../../../../src/common/train_config.js';
import { firstSlots } from '../../../../../src/optimizers/optimizer_program.js';
import { sumGradients } from '../../../../../src/coordinator/planes/exact/update/reducer.js';
import { createUpdate } from '../../../../../src/coordinator/planes/exact/update/update.js';
import { shardResult } from '../../../../support/shard_results.js';

type Change = Partial<OptimizerConfig>;

/** A run of the update alone: parameters and slots double-buffered, one shard gradient per entry of `gradients`. */
function trainer(change: Change, sizes: readonly number[], initial: readonly number[]) {
  const config = { ...DEFAULT_TRAIN_CONFIG.optimizer, ...change };
  const layout = createBucketLayout({
    weights: sizes.map((size, i) => ({ name: `w${i}`, shape: [size] })),
    trained: sizes.length,
  });
  const update = createUpdate({ layout, optimizer: config, nowMs: () => 0 });
  const buffers = () => ({
    parameters: new Float32Array(layout.totalSize),
    slots: firstSlots(update.slots, Float32Array.from(initial)),
  });
  let current = buffers();
  let next = buffers();
  current.parameters.set(initial);
  let step = 0;
  return async ({
    gradients,
    globalBatch,
    learningRate,
  }: {
    gradients: number[][];
    globalBatch: number;
    learningRate: number;
  }) => {
    const results = gradients.map((gradient, shard) => shardResult({ shard, gradient: Float32Array.from(gradient) }));
    const outcome = await update({
      gradients: [sumGradients({ results, shards: gradients.length, layout })],
      results,
      shards: gradients.length,
      globalBatch,
      learningRate,
      step,
      current,
      next,
    });
    expect(outcome.nonFinite).toBeUndefined();
    [current, next] = [next, current];
    step += 1;
    return { weights: [...current.parameters], slots: current.slots.map((slot) => [...slot]) };
  };
}

test('SGD: w − rate · sum / batch', async () => {
  const step = trainer({}, [3], [10, 20, 30]);
  // Sums 8, −4, 0 over a batch of 4 are means 2, −1, 0.
  const gradients = [
    [5, -1, 2],
    [3, -3, -2],
  ];
  expect((await step({ gradients, globalBatch: 4, learningRate: 1 })).weights).toEqual([8, 21, 30]);
  expect((await step({ gradients, globalBatch: 4, learningRate: 0.5 })).weights).toEqual([7, 21.5, 30]);
});

test('the batch is divided by the examples, not by the shards: 3 examples as 2 + 1', async () => {
  const step = trainer({}, [1], [0]);
  expect((await step({ gradients: [[4], [2]], globalBatch: 3, learningRate: 1 })).weights).toEqual([-2]);
});

test('momentum: the velocity doubles up', async () => {
  const step = trainer({ momentum: 0.5 }, [1], [0]);
  const again = { gradients: [[4]], globalBatch: 1, learningRate: 1 };
  expect(await step(again)).toEqual({ weights: [-4], slots: [[4]] });
  expect(await step(again)).toEqual({ weights: [-10], slots: [[6]] }); // v = 2 + 4
  expect(await step(again)).toEqual({ weights: [-17], slots: [[7]] }); // v = 3 + 4
});

test('what is below 2^-126 is zero: a velocity dies, and a gradient or weight that small counts for nothing', async () => {
  const least = 2 ** -126;
  const step = trainer({ momentum: 0.5 }, [3], [least / 2, -least / 2, 1]);
  const first = await step({ gradients: [[least, 0, -least / 2]], globalBatch: 1, learningRate: 1 });
  expect(first).toEqual({ weights: [-least, -0, 1], slots: [[least, 0, 0]] });
  const second = await step({ gradients: [[0, 0, 0]], globalBatch: 1, learningRate: 1 });
  expect(second).toEqual({ weights: [-least, -0, 1], slots: [[0, 0, 0]] });
});

test('Nesterov: the gradient and half of the new velocity', async () => {
  const step = trainer({ momentum: 0.5, nesterov: true }, [1], [0]);
  const again = { gradients: [[4]], globalBatch: 1, learningRate: 1 };
  expect(await step(again)).toEqual({ weights: [-6], slots: [[4]] }); // 4 + 2
  expect(await step(again)).toEqual({ weights: [-13], slots: [[6]] }); // 4 + 3
});

test('weight decay comes after clipping and before momentum', async () => {
  const step = trainer({ momentum: 0.5, weightDecay: 0.25, clipNorm: 5 }, [2], [8, 0]);
  // (6, 8) has norm 10, clipped to (3, 4); + 0.25 · (8, 0) = (5, 4)
  expect(await step({ gradients: [[6, 8]], globalBatch: 1, learningRate: 1 })).toEqual({ weights: [3, -4], slots: [[5, 4]] });
});

test('the norm that is clipped is that of the mean gradient over all tensors', async () => {
  const gradients = [[24, 0, 32]];
  // Mean (6, 0, 8): norm 10 over both tensors.
  const clipped = await trainer({ clipNorm: 5 }, [2, 1], [0, 0, 0])({ gradients, globalBatch: 4, learningRate: 1 });
  expect(clipped.weights).toEqual([-3, 0, -4]);
  const untouched = await trainer({ clipNorm: 10 }, [2, 1], [0, 0, 0])({ gradients, globalBatch: 4, learningRate: 1 });
  expect(untouched.weights).toEqual([-6, 0, -8]);
});

test('Adam: the first step is the learning rate, whatever the size of the gradient', async () => {
  const step = trainer({ name: 'adam', epsilon: 1e-30 }, [4], [1, 1, 1, 1]);
  const { weights, slots } = await step({ gradients: [[100, -0.01, 1e-10, 0]], globalBatch: 1, learningRate: 0.25 });
  [0.75, 1.25, 0.75, 1].forEach((expected, i) => expect(weights[i]).toBeCloseTo(expected, 6));
  expect(slots[0][0]).toBeCloseTo(10, 5); // (1 − 0.9) · 100
  expect(slots[1][0]).toBeCloseTo(10, 5); // (1 − 0.999) · 100²
});

test('AdamW: decay comes off the weights and never enters the moments', async () => {
  const step = trainer({ name: 'adamw', weightDecay: 0.5 }, [1], [8]);
  expect(await step({ gradients: [[0]], globalBatch: 1, learningRate: 0.25 })).toEqual({ weights: [7], slots: [[0], [0]] }); // 8 · (1 − 0.125)
  const coupled = await trainer(
    { name: 'adam', weightDecay: 0.5 },
    [1],
    [8],
  )({ gradients: [[0]], globalBatch: 1, learningRate: 0.25 });
  expect(coupled.weights[0]).toBeCloseTo(7.75, 6);
  expect(coupled.slots[0][0]).toBeCloseTo(0.4, 6);
});

const { fround, sqrt } = Math;

/** One element's second step, written out operation by operation; the first had gradient g too. All arguments are float32. */
const WRITTEN_OUT: [Change, (w: number, g: number) => number][] = [
  [{}, (w, g) => fround(fround(w - fround(RATE * g)) - fround(RATE * g))],
  [
    { momentum: 0.9 },
    (w, g) => {
      const v = fround(fround(MU * g) + g);
      return fround(fround(w - fround(RATE * g)) - fround(RATE * v));
    },
  ],
  [
    { momentum: 0.9, nesterov: true },
    (w, g) => {
      const v = fround(fround(MU * g) + g);
      const first = fround(w - fround(RATE * fround(g + fround(MU * g))));
      return fround(first - fround(RATE * fround(g + fround(MU * v))));
    },
  ],
  [
    { weightDecay: 0.3 },
    (w, g) => {
      const first = fround(w - fround(RATE * fround(g + fround(fround(0.3) * w))));
      return fround(first - fround(RATE * fround(g + fround(fround(0.3) * first))));
    },
  ],
  [
    { name: 'adamw', weightDecay: 0.3 },
    (w, g) => {
      const [b1, b2, keep] = [0.9, 0.999, 1 - 0.01 * 0.3].map(fround);
      const after = (t: number, weight: number, m: number, v: number) => {
        const divisor = fround(fround(fround(sqrt(v)) / fround(sqrt(1 - 0.999 ** t))) + fround(1e-7));
        return fround(fround(keep * weight) - fround(fround(fround(0.01 / (1 - 0.9 ** t)) * m) / divisor));
      };
      const m1 = fround(fround(1 - 0.9) * g);
      const v1 = fround(fround(1 - 0.999) * fround(g * g));
      const m2 = fround(fround(b1 * m1) + m1);
      const v2 = fround(fround(b2 * v1) + v1);
      return after(2, after(1, w, m1, v1), m2, v2);
    },
  ],
];
const RATE = fround(0.01);
const MU = fround(0.9);

test.each(WRITTEN_OUT)('every operation of %o is rounded to float32', async (change, expected) => {
  const weights = Array.from({ length: 997 }, (_, i) => fround(((i * 0.618033) % 1) - 0.5));
  const gradient = Array.from({ length: 997 }, (_, i) => fround(((i * 0.414213) % 1) - 0.5));
  const step = trainer(change, [997], weights);
  const again = { gradients: [gradient], globalBatch: 1, learningRate: 0.01 };
  await step(again);
  expect((await step(again)).weights).toEqual(weights.map((w, i) => expected(w, gradient[i])));
});

test('weight decay is rounded before and after it is added: the first velocity shows it', async () => {
  const weights = Array.from({ length: 997 }, (_, i) => fround(((i * 0.618033) % 1) - 0.5));
  const gradient = Array.from({ length: 997 }, (_, i) => fround(((i * 0.414213) % 1) - 0.5));
  const step = trainer({ momentum: 0.9, weightDecay: 0.3 }, [997], weights);
  const { slots } = await step({ gradients: [gradient], globalBatch: 1, learningRate: 0.01 });
  expect(slots[0]).toEqual(weights.map((w, i) => fround(gradient[i] + fround(fround(0.3) * w))));
});

interface Golden {
  sizes: number[];
  batch: number;
  rates: number[];
  initial: number[];
  gradients: number[][][];
  cases: { name: string; config: Change; weights: number[][] }[];
}
/** Made by scripts/golden/optimizers.py. */
const golden = JSON.parse(readFileSync(new URL('../../../../golden/optimizers.json', import.meta.url), 'utf8')) as Golden;

test.each(golden.cases)('$name follows PyTorch for six steps of three shards', async ({ config, weights }) => {
  const step = trainer(config, golden.sizes, golden.initial);
  for (const [i, learningRate] of golden.rates.entries()) {
    const found = (await step({ gradients: golden.gradients[i], globalBatch: golden.batch, learningRate })).weights;
    const expected = weights[i];
    const distance = Math.hypot(...found.map((value, at) => value - expected[at]));
    expect(distance / Math.hypot(...expected)).toBeLessThan(1e-6);
  }
});

test('the golden cases differ from each other, so that each says something', () => {
  expect(golden.cases.length).toBe(10);
  const last = golden.cases.map(({ weights }) => weights[5]);
  for (let a = 0; a < last.length; a++)
    for (let b = 0; b < a; b++) expect(Math.hypot(...last[a].map((value, i) => value - last[b][i]))).toBeGreaterThan(1e-3);
});
