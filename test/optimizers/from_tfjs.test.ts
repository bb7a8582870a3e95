import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { ExpectedError } from '../../src/common/errors.js';
import { readTfjsOptimizer } from '../../src/optimizers/from_tfjs.js';
import { OPTIMIZER_NAMES } from '../../src/optimizers/settings.js';
import { OPTIMIZERS } from '../../src/optimizers/table.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ExpectedError) return `${error.code}: ${error.message}\n${error.next}`;
    throw error;
  }
  return 'no error';
}

test.each([
  [tf.train.sgd(0.3), { name: 'sgd', learningRate: 0.3 }],
  [tf.train.momentum(0.3, 0.7, true), { name: 'sgd', learningRate: 0.3, momentum: 0.7, nesterov: true }],
  [tf.train.adagrad(0.3, 0.4), { name: 'adagrad', learningRate: 0.3, initialAccumulatorValue: 0.4 }],
  [tf.train.adadelta(0.3, 0.8, 0.01), { name: 'adadelta', learningRate: 0.3, rho: 0.8, epsilon: 0.01 }],
  [tf.train.adam(), { name: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }],
  [
    tf.train.adamax(0.3, 0.7, 0.8, 0.01, 0.2),
    { name: 'adamax', learningRate: 0.3, beta1: 0.7, beta2: 0.8, epsilon: 0.01, rateDecay: 0.2 },
  ],
  [
    tf.train.rmsprop(0.3, 0.7, 0.6, 0.01, true),
    { name: 'rmsprop', learningRate: 0.3, rho: 0.7, momentum: 0.6, epsilon: 0.01, centered: true },
  ],
])('%o is read with its settings', (optimizer, settings) => {
  expect(readTfjsOptimizer(optimizer)).toEqual({ settings, notes: [] });
});

test('every optimizer that tfjs registers is a row', () => {
  const registered = Object.values(tf.train).map((create) =>
    (create as (rate: number, second: number) => tf.Optimizer)(0.1, 0.5),
  );
  const known = OPTIMIZER_NAMES.flatMap((name) => OPTIMIZERS[name].tfjs.map(({ className }) => className));
  expect(registered.map((optimizer) => optimizer.getClassName()).sort()).toEqual(known.sort());
});

test('what tfjs computes with counts, not what was set too late', () => {
  const sgd = tf.train.sgd(0.25);
  (sgd as unknown as { learningRate: number }).learningRate = 7;
  expect(readTfjsOptimizer(sgd).settings.learningRate).toBe(0.25);
  sgd.setLearningRate(0.3);
  expect(readTfjsOptimizer(sgd).settings.learningRate).toBe(0.3);
  const momentum = tf.train.momentum(0.25, 0.5);
  momentum.setMomentum(0.75);
  expect(readTfjsOptimizer(momentum).settings.momentum).toBe(0.5);
});

test('a model that was compiled with a name has that optimizer with tfjs’s defaults', () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
  model.compile({ optimizer: 'rmsprop', loss: 'meanSquaredError' });
  expect(readTfjsOptimizer(model.optimizer).settings).toEqual({
    ...{ name: 'rmsprop', learningRate: 0.001, rho: 0.9 },
    ...{ momentum: 0, epsilon: 1e-7, centered: false },
  });
});

test('steps taken before are said', () => {
  const adam = tf.train.adam(0.1);
  const w = tf.variable(tf.scalar(1));
  adam.minimize(() => w.square().asScalar());
  expect(readTfjsOptimizer(adam).notes).toEqual([
    'the optimizer was used for 1 step before; what it remembers of them is not taken over, it begins anew',
  ]);
});

test('others are refused by name', () => {
  class Lion extends tf.SGDOptimizer {
    static override get className(): string {
      return 'Lion';
    }
  }
  class Clipped extends tf.AdamOptimizer {}
  expect(messageOf(() => readTfjsOptimizer(new Lion(0.1)))).toMatchInlineSnapshot(`
    "OPTIMIZER_UNSUPPORTED: the model was compiled with the optimizer Lion; what its update computes is not known here
    Compile the model with one of tfjs's own (SGD, Momentum, Adagrad, Adadelta, Adam, Adamax, RMSProp), or set optimizer.name to one of sgd, adagrad, adadelta, adam, adamw, adamax, rmsprop."
  `);
  expect(messageOf(() => readTfjsOptimizer(new Clipped(0.1, 0.9, 0.999)))).toMatch(
    /^OPTIMIZER_UNSUPPORTED: .* Clipped, made from Adam;/,
  );
  expect(messageOf(() => readTfjsOptimizer(tf.train.adam(0.1, 1)))).toMatchInlineSnapshot(`
    "OPTIMIZER_SETTING: the model's optimizer Adam has beta1 1; at least 0 and below 1 is needed
    Compile the model with another value, or set optimizer.name and its settings, which then count."
  `);
});
