/** Owns: that threads which share a step's update leave the bits, and say the words, of one that does all of it. */
import { expect, test } from 'vitest';
import { createBucketLayout } from '../../../../../src/common/bucket_layout.js';
import { LIMITS } from '../../../../../src/common/limits.js';
import { sharedFloats } from '../../../../../src/common/shared_floats.js';
import { DEFAULT_TRAIN_CONFIG, type OptimizerConfig } from '../../../../../src/common/train_config.js';
import { createUpdate, type Update, type UpdateOutcome } from '../../../../../src/coordinator/planes/exact/update/update.js';
import { firstSlots } from '../../../../../src/optimizers/optimizer_program.js';
import { DRAWS, differences, draw } from '../../../../support/float_draws.js';
import { shardResult } from '../../../../support/shard_results.js';

// As many as are shared at least, of which no part ends where a weight does; weights of nothing and of one number; a constraint and moving statistics.
const layout = createBucketLayout({
  weights: [
    { name: 'a/kernel', shape: [100_000], constraint: { kind: 'nonNeg' } },
    { name: 'a/bias', shape: [1] },
    { name: 'b/kernel', shape: [LIMITS.minSharedUpdate - 100_000] },
    { name: 'b/none', shape: [0] },
    { name: 'c/kernel', shape: [3, 7] },
    { name: 'norm/moving_mean', shape: [5], statisticMomentum: 0.9 },
    { name: 'frozen', shape: [3] },
  ],
  trained: 5,
});

function shared(values: ArrayLike<number>): Float32Array {
  const memory = sharedFloats(values.length);
  memory.set(values);
  return memory;
}

interface Stepped {
  readonly outcome: UpdateOutcome;
  readonly parameters: Float32Array;
  readonly slots: readonly Float32Array[];
}

const gradientsOf = (summands: number, draws: (typeof DRAWS)[keyof typeof DRAWS]): Float32Array[] =>
  Array.from({ length: summands }, () => shared(draw(draws, layout.trainedSize)));

async function stepped(update: Update, gradients: readonly Float32Array[], parameters: Float32Array): Promise<Stepped> {
  const slots = firstSlots(update.slots, parameters.subarray(0, layout.trainedSize)).map(shared);
  const current = { parameters: shared(parameters), slots };
  const next = { parameters: sharedFloats(layout.totalSize), slots: slots.map(({ length }) => sharedFloats(length)) };
  const results = [shardResult({ shard: 0, gradient: gradients[0], statistics: Float32Array.of(1, 2, 3, 4, 5) })];
  const step = { gradients, results, shards: 1, globalBatch: 7, learningRate: 0.1, step: 0, current, next };
  const { reduceMs, ...outcome } = await update(step);
  expect(reduceMs).toBeGreaterThanOrEqual(0);
  return { outcome: { ...outcome, reduceMs: 0 }, ...next };
}

const CASES: [string, Partial<OptimizerConfig>][] = [
  ['sgd', {}],
  ['momentum, decay, clipped', { momentum: 0.9, weightDecay: 1e-3, clipNorm: 1 }],
  ['adam with rates by layer and a moving average', { name: 'adam', layerRates: ['a=0.5', 'c/kernel=0'], emaDecay: 0.9 }],
];

test.each(CASES)('%s: 3 threads leave the bits of one', async (_, change) => {
  const optimizer = { ...DEFAULT_TRAIN_CONFIG.optimizer, ...change };
  const alone = createUpdate({ layout, optimizer });
  const together = createUpdate({ layout, optimizer, cores: 3 });
  try {
    for (const [summands, draws] of [
      [1, DRAWS.training],
      [2, DRAWS.training],
      [2, DRAWS.tiny],
    ] as const) {
      const gradients = gradientsOf(summands, draws);
      const parameters = draw(draws, layout.totalSize);
      const wanted = await stepped(alone, gradients, parameters);
      const got = await stepped(together, gradients, parameters);
      expect(got.outcome).toEqual(wanted.outcome);
      expect(differences(wanted.parameters, got.parameters)).toBe(0);
      wanted.slots.forEach((slot, index) => expect(differences(slot, got.slots[index])).toBe(0));
    }
  } finally {
    await together.close();
  }
});

const BAD: [string, (gradients: Float32Array[], parameters: Float32Array) => void][] = [
  ['the gradient of b/kernel', ([, second]) => (second[200_000] = NaN)],
  ['the gradient of c/kernel', ([first]) => (first[layout.trainedSize - 1] = Infinity)],
  ['the updated a/kernel', (_, parameters) => (parameters[3] = Infinity)],
];

test.each([null, 1])('names what is not finite, wherever it is, with the gradient clipped to %s', async (clipNorm) => {
  const together = createUpdate({ layout, optimizer: { ...DEFAULT_TRAIN_CONFIG.optimizer, clipNorm }, cores: 2 });
  try {
    for (const [name, spoil] of BAD) {
      const gradients = gradientsOf(2, DRAWS.training);
      const parameters = draw(DRAWS.training, layout.totalSize);
      spoil(gradients, parameters);
      expect((await stepped(together, gradients, parameters)).outcome.nonFinite).toBe(name);
    }
  } finally {
    await together.close();
  }
});

test('gradients in memory of this thread alone are added here, to the same bits', async () => {
  const { optimizer } = DEFAULT_TRAIN_CONFIG;
  const update = createUpdate({ layout, optimizer, cores: 2 });
  try {
    const gradients = gradientsOf(2, DRAWS.training);
    const parameters = draw(DRAWS.training, layout.totalSize);
    const ours = gradients.map((values) => Float32Array.from(values));
    const [own, together] = [await stepped(update, ours, parameters), await stepped(update, gradients, parameters)];
    expect(own.outcome).toEqual(together.outcome);
    expect(differences(own.parameters, together.parameters)).toBe(0);
  } finally {
    await update.close();
  }
});
