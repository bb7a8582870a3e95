/** Owns: that a step's update on a device, clipping, layer rates and moving statistics included, gives the bits of the host's. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBucketLayout } from '../../../src/common/bucket_layout.js';
import type { OptimizerConfig } from '../../../src/common/train_config.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../src/common/train_config.js';
import { rateSpans, weightRates } from '../../../src/coordinator/planes/exact/update/layer_rates.js';
import { createOptimizer } from '../../../src/coordinator/planes/exact/update/optimizer.js';
import { applyStep, type StepOutput } from '../../../src/coordinator/planes/exact/update/step_update.js';
import { download, installEngine, normOf, upload, type Engine } from '../../../src/engine/index.js';
import { firstSlots } from '../../../src/optimizers/optimizer_program.js';
import { OPTIMIZER_NAMES } from '../../../src/optimizers/settings.js';
import { createResidentUpdate } from '../../../src/worker/replica/resident_update.js';
import { differences, DRAWS, draw } from '../../support/float_draws.js';

// Below, at and above the slices and the powers of two that sums are made of; one weight of one number.
const layout = createBucketLayout({
  weights: [
    { name: 'a/kernel', shape: [300, 70] },
    { name: 'a/bias', shape: [7] },
    // Large enough for loops (src/engine/lowering/exact_loops.ts).
    { name: 'b/kernel', shape: [9, 16_384] },
    { name: 'b/bias', shape: [256] },
    { name: 'c/kernel', shape: [16_385] },
    { name: 'c/scale', shape: [1] },
    { name: 'norm/moving_mean', shape: [33], statisticMomentum: 0.9 },
    { name: 'frozen/kernel', shape: [5] },
    { name: 'norm/moving_variance', shape: [33], statisticMomentum: 0.99 },
  ],
  trained: 6,
});

interface Values {
  readonly parameters: Float32Array;
  readonly slots: readonly Float32Array[];
}
interface Sums {
  readonly gradient: Float32Array;
  readonly statistics: Float32Array;
}
interface Moved extends Values {
  readonly norm?: number;
  readonly finite: boolean;
}
const NUMBERS = { globalBatch: 200, shards: 3, learningRate: 0.1 };

function onHost(config: OptimizerConfig, current: Values, sums: Sums, step: number): Moved {
  const next = { parameters: new Float32Array(layout.totalSize), slots: current.slots.map((slot) => slot.slice()) };
  const work = applyStep({
    ...{ layout, optimizer: createOptimizer(config), rates: rateSpans(layout, config.layerRates), clipNorm: config.clipNorm },
    ...{ globalBatch: NUMBERS.globalBatch, learningRate: NUMBERS.learningRate, step, current, next },
    gradients: [sums.gradient],
    // Three shards that add up to the sum exactly: −0 changes nothing, not even the sign of a zero.
    statistics: [sums.statistics, ...[0, 0].map(() => new Float32Array(layout.statisticsSize).fill(-0))],
  });
  let output: StepOutput | undefined;
  for (let turn = work.next(); output === undefined; turn = work.next()) if (turn.done) output = turn.value;
  return { ...next, norm: output.gradientNorm, finite: output.nonFinite === undefined };
}

describe.each([
  { by: "TensorFlow's graph", how: {}, inOne: false },
  { by: "TensorFlow's graph, all weights as one array", how: {}, inOne: true },
  { by: "TensorFlow's graph with loops", how: { fuse: true }, inOne: false },
  { by: "TensorFlow's graph with loops, all weights as one array", how: { fuse: true }, inOne: true },
  { by: 'XLA', how: { xla: 'required' as const }, inOne: false },
])('on a device, by $by', ({ by, how, inOne }) => {
  let engine: Engine;
  beforeAll(() => {
    // XLA is for processors alone, and so are loops.
    engine = installEngine(by.includes('XLA') || by.includes('loops') ? { device: 'CPU:0' } : {});
  });
  afterAll(() => engine.dispose());

  function deviceFor(config: OptimizerConfig) {
    const rates = weightRates(layout, config.layerRates);
    const resident = createResidentUpdate(tf, layout, { optimizer: config, rates }, { inOne });
    const apply = engine.compile(resident.apply, how);
    const trained = layout.slots.slice(0, layout.trainedSlots);
    const statistics = layout.statistics.map(({ slot }) => layout.slots[slot]);
    const parts = (values: Float32Array, slots: typeof trained, from = 0): tf.Tensor[] => {
      let at = from;
      return slots.map(({ shape, size }) => upload(engine, values.subarray(at, (at += size)), [...shape]));
    };
    const flat = (tensors: readonly tf.Tensor[], into: Float32Array): Float32Array => {
      let at = 0;
      for (const tensor of tensors) download(engine, tensor, into.subarray(at, (at += tensor.size)));
      return into;
    };
    return (current: Values, sums: Sums, step: number): Moved => {
      const input = {
        gradients: parts(sums.gradient, trained),
        statistics: parts(sums.statistics, statistics),
        weights: parts(current.parameters, trained),
        slots: current.slots.map((slot) => parts(slot, trained)),
        running: statistics.map(({ offset, size, shape }) =>
          upload(engine, current.parameters.subarray(offset, offset + size), [...shape]),
        ),
        numbers: resident.numbersOf({ ...NUMBERS, step }),
      };
      const output = apply(input);
      const parameters = current.parameters.slice();
      flat(output.weights, parameters);
      statistics.forEach(({ offset, size }, index) => flat([output.running[index]], parameters.subarray(offset, offset + size)));
      const result = {
        parameters,
        slots: output.slots.map((slot) => flat(slot, new Float32Array(layout.trainedSize))),
        ...(config.clipNorm !== null && { norm: normOf(output.norm.dataSync<'int32'>()) }),
        finite: Number.isFinite(output.probe.dataSync()[0]),
      };
      tf.dispose([input, output] as unknown as tf.TensorContainer);
      return result;
    };
  }

  const CASES: [string, Partial<OptimizerConfig>][] = [
    ...OPTIMIZER_NAMES.map((name): [string, Partial<OptimizerConfig>] => [name, { name }]),
    ['sgd, momentum, weight decay, clipped', { momentum: 0.9, weightDecay: 5e-4, clipNorm: 0.1 }],
    ['sgd, whose norm alone is wanted', { clipNorm: Infinity }],
    ['adam, clipped only when it is large, with a moving average', { name: 'adam', clipNorm: 1e4, emaDecay: 0.99 }],
    ['rmsprop, centered, with momentum', { name: 'rmsprop', centered: true, momentum: 0.9 }],
    ['adamw, rates by layer', { name: 'adamw', weightDecay: 0.01, layerRates: ['a=0.1', 'c/scale=0'] }],
  ];

  it.each(CASES)('%s: three steps have the bits of the host', (_, change) => {
    const config = { ...DEFAULT_TRAIN_CONFIG.optimizer, ...change };
    const device = deviceFor(config);
    const { slots } = createOptimizer(config);
    const before = tf.memory().numTensors;
    for (const [name, value] of Object.entries(DRAWS)) {
      const parameters = draw(value, layout.totalSize);
      let host: Values = { parameters, slots: firstSlots(slots, parameters.subarray(0, layout.trainedSize)) };
      let moved: Values = host;
      for (let step = 0; step < 3; step++) {
        const sums = { gradient: draw(value, layout.trainedSize), statistics: draw(value, layout.statisticsSize) };
        const wanted = onHost(config, host, sums, step);
        const got = device(moved, sums, step);
        const told = `${name}, step ${step}`;
        expect(differences(wanted.parameters, got.parameters), told).toBe(0);
        wanted.slots.forEach((slot, index) => expect(differences(slot, got.slots[index]), told).toBe(0));
        expect(got.norm, told).toEqual(wanted.norm);
        // The sum of finite numbers may be beyond float32: then the host decides.
        if (!wanted.finite) expect(got.finite, told).toBe(false);
        if (name === 'training') expect(got.finite).toBe(wanted.finite);
        [host, moved] = [wanted, got];
      }
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([NaN, Infinity, -Infinity])('a gradient of %s anywhere is seen', (bad) => {
    for (const clipNorm of [null, 1]) {
      const device = deviceFor({ ...DEFAULT_TRAIN_CONFIG.optimizer, momentum: 0.9, clipNorm });
      const current = { parameters: draw(DRAWS.training, layout.totalSize), slots: [new Float32Array(layout.trainedSize)] };
      for (const at of [0, layout.slots[1].offset + 6, layout.trainedSize - 1]) {
        const gradient = draw(DRAWS.training, layout.trainedSize);
        const statistics = new Float32Array(layout.statisticsSize);
        expect(device(current, { gradient, statistics }, 0).finite).toBe(true);
        gradient[at] = bad;
        expect(device(current, { gradient, statistics }, 0).finite).toBe(false);
      }
    }
  });
});
