import { expect, test } from 'vitest';
import { createBucketLayout } from '../../../../../src/common/bucket_layout.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../../../src/common/train_config.js';
import { sumGradients } from '../../../../../src/coordinator/planes/exact/update/reducer.js';
import { createUpdate } from '../../../../../src/coordinator/planes/exact/update/update.js';
import { shardResult } from '../../../../support/shard_results.js';

const layout = createBucketLayout({
  weights: [
    { name: 'dense/kernel', shape: [2] },
    { name: 'norm/moving_mean', shape: [1], statisticMomentum: 0.5 },
  ],
  trained: 1,
});
const { optimizer } = DEFAULT_TRAIN_CONFIG;
const buffers = (slots: number) => ({
  parameters: new Float32Array(3),
  slots: Array.from({ length: slots }, () => new Float32Array(2)),
});
const result = (shard: number, gradient: [number, number], mean = 0) =>
  shardResult({ shard, gradient: Float32Array.from(gradient), statistics: Float32Array.of(mean) });

test('shards are placed by their index, not by the order they came in', async () => {
  const update = createUpdate({ layout, optimizer });
  // By index (1e8 + 1) + (−1e8) = 0; by arrival −1e8 + 1e8 + 1 = 1.
  const results = [result(3, [-1e8, 4], 8), result(0, [1e8, 0], 0), result(1, [1, 0], 4)];
  const next = buffers(0);
  const outcome = await update({
    gradients: [sumGradients({ results, shards: 4, layout })],
    results,
    shards: 4,
    globalBatch: 2,
    learningRate: 1,
    step: 0,
    current: buffers(0),
    next,
  });
  expect(outcome.nonFinite).toBeUndefined();
  expect([...next.parameters]).toEqual([0, -2, 2]);
});

test('tells the norm of the mean gradient where it is clipped, and the time that adding took', async () => {
  // A clock that moves 1 ms whenever it is asked: adding the only slice takes 1 ms, and computing its norm takes more.
  const outcome = async (clipNorm: number | null, globalBatch: number) => {
    let ms = 0;
    const update = createUpdate({ layout, optimizer: { ...optimizer, clipNorm }, nowMs: () => ms++ });
    const results = [result(0, [2, 4]), result(1, [1, 0])];
    return update({
      gradients: [sumGradients({ results, shards: 2, layout })],
      results,
      shards: 2,
      globalBatch,
      learningRate: 1,
      step: 0,
      current: buffers(0),
      next: buffers(0),
    });
  };
  expect(await outcome(null, 1)).toEqual({ reduceMs: 1 });
  const clipped = await outcome(0.5, 1);
  expect(clipped.gradientNorm).toBe(5);
  expect(clipped.reduceMs).toBeGreaterThan(1);
  expect((await outcome(100, 2)).gradientNorm).toBe(2.5);
});

test('each optimizer names its slots', () => {
  const names = (change: object) =>
    createUpdate({ layout, optimizer: { ...optimizer, ...change } }).slots.map(({ name }) => name);
  expect(names({})).toEqual([]);
  expect(names({ momentum: 0.9 })).toEqual(['velocity']);
  expect(names({ name: 'adam' })).toEqual(['first_moment', 'second_moment']);
  expect(names({ name: 'adamw' })).toEqual(['first_moment', 'second_moment']);
});

test('a bad number is said in words', async () => {
  const said = async (change: object, gradient: [number, number], { learningRate = 1, mean = 0 } = {}) => {
    const update = createUpdate({ layout, optimizer: { ...optimizer, ...change } });
    const [current, next] = [buffers(update.slots.length), buffers(update.slots.length)];
    const results = [result(0, gradient, mean)];
    return (
      await update({
        gradients: [sumGradients({ results, shards: 1, layout })],
        results,
        shards: 1,
        globalBatch: 1,
        learningRate,
        step: 0,
        current,
        next,
      })
    ).nonFinite;
  };
  expect(await said({}, [0, NaN])).toBe('the gradient of dense/kernel');
  expect(await said({}, [3e38, 0], { learningRate: 10 })).toBe('the updated dense/kernel');
  expect(await said({}, [0, 0], { mean: Infinity })).toBe('the updated norm/moving_mean');
  expect(await said({ name: 'adam' }, [1e30, 0])).toBe("the optimizer's memory of dense/kernel");
});

test('the average is of the weights as their constraints leave them', async () => {
  const constrained = createBucketLayout({
    weights: [{ name: 'dense/kernel', shape: [2], constraint: { kind: 'nonNeg' } }],
    trained: 1,
  });
  const update = createUpdate({ layout: constrained, optimizer: { ...optimizer, name: 'adagrad', emaDecay: 0.75 } });
  expect(update.slots.map(({ name }) => name)).toEqual(['accumulator', 'average']);
  const made = () => ({ parameters: Float32Array.of(1, 1), slots: [Float32Array.of(0, 0), Float32Array.of(1, 1)] });
  let [current, next] = [made(), made()];
  const average = [1, 1];
  for (let step = 0; step < 3; step++) {
    const results = [shardResult({ shard: 0, gradient: Float32Array.of(1, -1), statistics: new Float32Array(0) })];
    const gradients = [sumGradients({ results, shards: 1, layout: constrained })];
    const outcome = await update({ gradients, results, shards: 1, globalBatch: 1, learningRate: 2, step, current, next });
    expect(outcome.nonFinite).toBeUndefined();
    // The first weight falls below 0 at once and is held there; the optimizer alone would average −1.
    expect(next.parameters[0]).toBe(0);
    // 0.75 and 0.25 are exact: the sum is rounded once more than its terms.
    average.forEach(
      (value, at) => (average[at] = Math.fround(Math.fround(0.75 * value) + Math.fround(0.25 * next.parameters[at]))),
    );
    expect([...next.slots[1]]).toEqual(average);
    [current, next] = [next, current];
  }
});
