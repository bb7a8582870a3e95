import { expect, test } from 'vitest';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import type { ScheduleConfig } from '../../src/common/train_config.js';
import { learningRateAt } from '../../src/common/schedule.js';

/** The rates of a run of 5 epochs of 2 steps with base rate 0.8. */
function rates(schedule: Partial<ScheduleConfig>): number[] {
  const whole = { ...DEFAULT_TRAIN_CONFIG.optimizer.schedule, ...schedule };
  return Array.from({ length: 10 }, (_, step) =>
    Number(learningRateAt({ schedule: whole, base: 0.8, step, stepsPerEpoch: 2, epochs: 5 }).toFixed(6)),
  );
}

test('constant stays', () => {
  expect(rates({ name: 'constant' })).toEqual(Array(10).fill(0.8));
});

test('step multiplies by the decay at the start of each milestone, epochs counted from 1', () => {
  expect(rates({ name: 'step', milestones: [3, 5], decay: 0.5 })).toEqual([0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.2, 0.2]);
  expect(rates({ name: 'step', milestones: [1], decay: 0.5 })).toEqual(Array(10).fill(0.4));
});

test('cosine starts at the base rate, is halfway at half time and would reach the final fraction after the last step', () => {
  // 0.8 · (1 + cos(π · step / 10)) / 2
  const annealed = [0.8, 0.780423, 0.723607, 0.635114, 0.523607, 0.4, 0.276393, 0.164886, 0.076393, 0.019577];
  expect(rates({ name: 'cosine' })).toEqual(annealed);
  const floor = rates({ name: 'cosine', finalFraction: 0.25 });
  expect(floor[5]).toBe(0.5); // 0.2 + 0.6 / 2
  const after = { ...DEFAULT_TRAIN_CONFIG.optimizer.schedule, name: 'cosine' as const, finalFraction: 0.25 };
  for (const step of [10, 11])
    expect(learningRateAt({ schedule: after, base: 0.8, step, stepsPerEpoch: 2, epochs: 5 })).toBe(0.2);
});

test('warm-up rises linearly to the base rate, for a fraction of an epoch too', () => {
  expect(rates({ name: 'constant', warmupEpochs: 2 })).toEqual([0.2, 0.4, 0.6, ...Array<number>(7).fill(0.8)]);
  expect(rates({ name: 'constant', warmupEpochs: 1.25 }).slice(0, 4)).toEqual([0.32, 0.64, 0.8, 0.8]);
  expect(rates({ name: 'constant', warmupEpochs: 0.5 })).toEqual(Array(10).fill(0.8));
});

test('cosine begins to fall after the warm-up', () => {
  // Warm-up over 2 steps, then 8: 0.8 · (1 + cos(π · (step − 2) / 8)) / 2
  expect(rates({ name: 'cosine', warmupEpochs: 1 })).toEqual([
    0.4, 0.8, 0.8, 0.769552, 0.682843, 0.553073, 0.4, 0.246927, 0.117157, 0.030448,
  ]);
});

test('a warm-up longer than the run is all warm-up', () => {
  const expected = [0.08, 0.16, 0.24, 0.32, 0.4, 0.48, 0.56, 0.64, 0.72, 0.8];
  for (const name of ['constant', 'cosine'] as const) expect(rates({ name, warmupEpochs: 5 })).toEqual(expected);
});

test('warm-up and milestones are factors of one another', () => {
  expect(rates({ name: 'step', milestones: [2], decay: 0.5, warmupEpochs: 2 }).slice(0, 5)).toEqual([0.2, 0.4, 0.3, 0.4, 0.4]);
});
