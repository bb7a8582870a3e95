import { expect, test } from 'vitest';
import { createBucketLayout } from '../../../../../src/common/bucket_layout.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../../../src/common/train_config.js';
import type { OptimizerConfig } from '../../../../../src/common/train_config.js';
import { createOptimizer } from '../../../../../src/coordinator/planes/exact/update/optimizer.js';
import { rateSpans } from '../../../../../src/coordinator/planes/exact/update/layer_rates.js';
import { SLICE_ELEMENTS } from '../../../../../src/coordinator/planes/exact/update/slice_kernels.js';
import { applyStep, type NonFinite, type StepInput } from '../../../../../src/coordinator/planes/exact/update/step_update.js';

/** Two trained weights, a frozen one between the statistics, as a model may order them. */
const layout = createBucketLayout({
  weights: [
    { name: 'conv/kernel', shape: [2, 2] },
    { name: 'conv/bias', shape: [3] },
    { name: 'norm/moving_mean', shape: [2], statisticMomentum: 0.75 },
    { name: 'frozen/kernel', shape: [2] },
    { name: 'norm/moving_variance', shape: [1], statisticMomentum: 0.5 },
  ],
  trained: 2,
});
const ONES = Float32Array.of(1, 1, 1, 1, 1, 1, 1);
const STATISTICS = Float32Array.of(0, 0, 0);

function stepInput(change: Partial<OptimizerConfig>, input: Partial<StepInput> = {}): StepInput {
  const config = { ...DEFAULT_TRAIN_CONFIG.optimizer, ...change };
  const optimizer = createOptimizer(config);
  const buffers = () => ({
    parameters: new Float32Array(12),
    slots: optimizer.slots.map(() => new Float32Array(7)),
  });
  return {
    layout,
    optimizer,
    clipNorm: config.clipNorm,
    rates: rateSpans(input.layout ?? layout, []),
    gradients: [ONES],
    statistics: [STATISTICS],
    globalBatch: 1,
    learningRate: 1,
    step: 0,
    current: buffers(),
    next: buffers(),
    ...input,
  };
}

function run(input: StepInput): NonFinite | undefined {
  const work = applyStep(input);
  for (;;) {
    const { done, value } = work.next();
    if (done) return value.nonFinite;
  }
}

test('trained weights step, statistics move, frozen weights are carried over; what is current stays', () => {
  const input = stepInput(
    {},
    {
      gradients: [ONES, undefined, ONES],
      statistics: [Float32Array.of(4, 8, 2), undefined, Float32Array.of(12, 0, 6)],
      globalBatch: 2,
    },
  );
  input.current.parameters.set([1, 2, 3, 4, 5, 6, 7, 16, 16, -3, 9, 8]);
  expect(run(input)).toBeUndefined();
  // Means over the two shards that are there: 8, 4 and 4. 0.75 · 16 + 0.25 · 8 = 14, 0.75 · 16 + 0.25 · 4 = 13, 0.5 · 8 + 0.5 · 4 = 6.
  expect([...input.next.parameters]).toEqual([0, 1, 2, 3, 4, 5, 6, 14, 13, -3, 9, 6]);
  expect([...input.current.parameters]).toEqual([1, 2, 3, 4, 5, 6, 7, 16, 16, -3, 9, 8]);
});

test('the mean of the statistics does not weigh shards by their examples, and adds them in the tree', () => {
  const of = (value: number) => Float32Array.of(value, 0, 0);
  // (1e8 + 1) + (−1e8 + 1) = 0 in float32, so the mean of the four is 0 and not 0.25.
  const input = stepInput({}, { gradients: [ONES, ONES, ONES, ONES], statistics: [1e8, 1, -1e8, 1].map(of), globalBatch: 7 });
  run(input);
  expect(input.next.parameters[7]).toBe(0);
});

test('a model without statistics or without trained weights has nothing to do there', () => {
  const plain = createBucketLayout({ weights: [{ name: 'w', shape: [1] }], trained: 1 });
  const parameters = () => ({ parameters: new Float32Array(1), slots: [] });
  const one = stepInput(
    {},
    {
      layout: plain,
      gradients: [Float32Array.of(2)],
      statistics: [new Float32Array(0)],
      current: parameters(),
      next: parameters(),
    },
  );
  expect(run(one)).toBeUndefined();
  expect([...one.next.parameters]).toEqual([-2]);

  const frozen = createBucketLayout({ weights: [{ name: 'w', shape: [1] }], trained: 0 });
  const none = stepInput(
    {},
    {
      layout: frozen,
      gradients: [new Float32Array(0)],
      statistics: [new Float32Array(0)],
      current: parameters(),
      next: parameters(),
    },
  );
  none.current.parameters[0] = 5;
  expect(run(none)).toBeUndefined();
  expect([...none.next.parameters]).toEqual([5]);
});

const OPTIMIZERS: [string, Partial<OptimizerConfig>][] = [
  ['sgd', {}],
  ['momentum', { momentum: 0.9 }],
  ['nesterov', { momentum: 0.9, nesterov: true }],
  ['decay', { weightDecay: 0.1 }],
  ['clip', { clipNorm: 1 }],
  ['adam', { name: 'adam' }],
  ['adamw', { name: 'adamw', weightDecay: 0.1 }],
];

test.each(OPTIMIZERS)('%s: a bad number anywhere in a gradient is found and its tensor named', (_, change) => {
  expect(run(stepInput(change))).toBeUndefined();
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (const [at, name] of [
      [0, 'conv/kernel'],
      [3, 'conv/kernel'],
      [4, 'conv/bias'],
      [6, 'conv/bias'],
    ] as const) {
      const planted = ONES.slice();
      planted[at] = bad;
      for (const gradients of [[planted], [ONES, planted], [planted, ONES, ONES]]) {
        const input = stepInput(change, { gradients, statistics: gradients.map(() => STATISTICS), learningRate: 0 });
        expect(run(input), `${bad} at ${at}`).toEqual({ stage: 'gradient', name });
      }
    }
  }
});

test('the first bad tensor is named, not the first found', () => {
  const planted = ONES.slice();
  planted[6] = NaN;
  planted[1] = Infinity;
  expect(run(stepInput({}, { gradients: [planted] }))).toEqual({ stage: 'gradient', name: 'conv/kernel' });
});

test('two finite gradients whose sum is not are a bad gradient', () => {
  const huge = ONES.map(() => 3e38);
  expect(run(stepInput({}, { gradients: [huge, huge], statistics: [STATISTICS, STATISTICS] }))).toEqual({
    stage: 'gradient',
    name: 'conv/kernel',
  });
});

test('a finite gradient that carries a weight out of range is found in the weights', () => {
  const gradients = [Float32Array.of(0, 0, 0, 0, 0, 0, 3e38)];
  for (const change of [{}, { momentum: 0.5 }, { momentum: 0.5, nesterov: true }])
    expect(run(stepInput(change, { gradients, learningRate: 10 }))).toEqual({ stage: 'parameters', name: 'conv/bias' });
});

test('a square that overflows leaves Adam a finite weight and an infinite moment: that is found too', () => {
  const gradients = [Float32Array.of(0, 0, 0, 0, 0, 0, 1e30)];
  for (const name of ['adam', 'adamw'] as const) {
    const input = stepInput({ name }, { gradients });
    expect(run(input)).toEqual({ stage: 'optimizer', name: 'conv/bias' });
    expect(input.next.parameters[6]).toBe(0);
  }
});

test('bad statistics are found in the moving statistic they would spoil', () => {
  for (const [at, name] of [
    [0, 'norm/moving_mean'],
    [2, 'norm/moving_variance'],
  ] as const) {
    const planted = STATISTICS.slice();
    planted[at] = NaN;
    expect(run(stepInput({}, { statistics: [planted] }))).toEqual({ stage: 'parameters', name });
  }
});

test('a step over several slices is the step of each element, and yields between slices', () => {
  const size = 2 * SLICE_ELEMENTS + 3;
  const large = createBucketLayout({
    weights: [
      { name: 'a', shape: [SLICE_ELEMENTS] },
      { name: 'b', shape: [SLICE_ELEMENTS + 3] },
    ],
    trained: 2,
  });
  const gradient = Float32Array.from({ length: size }, (_, i) => i % 8);
  const config = { ...DEFAULT_TRAIN_CONFIG.optimizer, momentum: 0.5, clipNorm: 1e9 };
  const buffers = () => ({ parameters: new Float32Array(size), slots: [new Float32Array(size)] });
  const input = (values: Float32Array): StepInput => ({
    ...stepInput(config, { layout: large }),
    gradients: [values, gradient],
    statistics: [new Float32Array(0), new Float32Array(0)],
    globalBatch: 2,
    current: buffers(),
    next: buffers(),
  });
  const good = input(gradient);
  // 3 slices to find the norm, 3 to apply.
  expect([...applyStep(good)].length).toBe(6);
  expect(good.next.parameters).toEqual(gradient.map((value) => 0 - value));
  expect(good.next.slots[0]).toEqual(gradient);
  for (const [at, name] of [
    [0, 'a'],
    [SLICE_ELEMENTS, 'b'],
    [size - 1, 'b'],
  ] as const) {
    const planted = gradient.slice();
    planted[at] = NaN;
    expect(run(input(planted))).toEqual({ stage: 'gradient', name });
  }
});
