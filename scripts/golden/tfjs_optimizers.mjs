/**
 * Makes test/golden/tfjs_optimizers.json: weights after each step of tfjs's own optimizers (its plain JavaScript backend), on the initial
 * weights and shard gradients of test/golden/optimizers.json. Usage: node scripts/golden/tfjs_optimizers.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';

const folder = new URL('../../test/golden/', import.meta.url);
const { sizes, batch, initial, gradients } = JSON.parse(readFileSync(new URL('optimizers.json', folder), 'utf8'));
const RATE = 0.05;

/** Name, our settings, and tfjs's optimizer with them. */
const CASES = [
  ['sgd', { name: 'sgd' }, () => tf.train.sgd(RATE)],
  ['momentum', { name: 'sgd', momentum: 0.9 }, () => tf.train.momentum(RATE, 0.9)],
  ['momentum, Nesterov', { name: 'sgd', momentum: 0.9, nesterov: true }, () => tf.train.momentum(RATE, 0.9, true)],
  ['adagrad', { name: 'adagrad' }, () => tf.train.adagrad(RATE)],
  ['adagrad from 0.5', { name: 'adagrad', initialAccumulatorValue: 0.5 }, () => tf.train.adagrad(RATE, 0.5)],
  ['adadelta', { name: 'adadelta' }, () => tf.train.adadelta(RATE)],
  ['adadelta, other settings', { name: 'adadelta', rho: 0.5, epsilon: 1e-2 }, () => tf.train.adadelta(RATE, 0.5, 1e-2)],
  ['adam', { name: 'adam' }, () => tf.train.adam(RATE)],
  ['adam, other settings', { name: 'adam', beta1: 0.5, beta2: 0.9, epsilon: 1e-2 }, () => tf.train.adam(RATE, 0.5, 0.9, 1e-2)],
  ['adamax', { name: 'adamax' }, () => tf.train.adamax(RATE)],
  [
    'adamax, other settings',
    { name: 'adamax', beta1: 0.5, beta2: 0.9, epsilon: 1e-2, rateDecay: 0.5 },
    () => tf.train.adamax(RATE, 0.5, 0.9, 1e-2, 0.5),
  ],
  ['rmsprop', { name: 'rmsprop' }, () => tf.train.rmsprop(RATE)],
  [
    'rmsprop, epsilon that shows where it stands',
    { name: 'rmsprop', rho: 0.8, epsilon: 0.01 },
    () => tf.train.rmsprop(RATE, 0.8, 0, 0.01),
  ],
  [
    'rmsprop with momentum, centered',
    { name: 'rmsprop', rho: 0.8, momentum: 0.5, centered: true },
    () => tf.train.rmsprop(RATE, 0.8, 0.5, 1e-7, true),
  ],
];

await tf.setBackend('cpu');
const only = process.argv.slice(2);
const cases = CASES.filter(([name]) => only.length === 0 || only.some((start) => name.startsWith(start))).map(
  ([name, config, create]) => {
    const optimizer = create();
    let at = 0;
    const variables = sizes.map((size) => tf.variable(tf.tensor1d(initial.slice(at, (at += size)))));
    const weights = gradients.map((shards) => {
      let begin = 0;
      const grads = variables.map(({ size, name: variable }) => {
        const sums = Array.from({ length: size }, (_, i) => shards.reduce((sum, shard) => sum + shard[begin + i], 0) / batch);
        begin += size;
        return { name: variable, tensor: tf.tensor1d(sums) };
      });
      optimizer.applyGradients(grads);
      return variables.flatMap((variable) => [...variable.dataSync()]);
    });
    return { name, config, weights };
  },
);
const golden = {
  what: 'weights after each step of tfjs’s optimizers in float32, on initial weights, gradients, sizes and batch of optimizers.json',
  maker: `scripts/golden/tfjs_optimizers.mjs: tfjs ${tf.version.tfjs}, backend cpu`,
  command: 'node scripts/golden/tfjs_optimizers.mjs',
  rate: RATE,
  cases,
};
writeFileSync(new URL('tfjs_optimizers.json', folder), `${JSON.stringify(golden)}\n`);
