/** Owns: with how many threads fit(), predict() and evaluate() compute, which replicas keep between calls of one model, and which they open anew. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, it } from 'vitest';
import { evaluate, fit, predict, release, type FitOptions } from '../../../src/index.js';
import { availableCores } from '../../../src/system/cores.js';
import { warmReplicasOf } from '../../../src/api/fit/warm_replicas.js';

const ROWS = 256;
const UNITS = 512;
const X = tf.randomNormal([ROWS, UNITS], 0, 1, 'float32', 1);
const Y = tf.randomNormal([ROWS, 1], 0, 1, 'float32', 2);
const HERE: FitOptions = { devices: ['CPU:0'], epochs: 1, verbose: 0 };

/** 256 rows × 512 × 512 are 67 million multiply-adds, and 8 rows 2 million. */
function network(): tf.LayersModel {
  const model = tf.sequential({
    layers: [tf.layers.dense({ inputShape: [UNITS], units: UNITS, activation: 'tanh' }), tf.layers.dense({ units: 1 })],
  });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  return model;
}

async function threadsOf(model: tf.LayersModel, options: FitOptions): Promise<number> {
  let threads = 0;
  await fit(model, X, Y, {
    ...HERE,
    ...options,
    observer: (event) => void (event.type === 'start' && (threads = event.numerics.intraOpThreads)),
  });
  return threads;
}

const kept = (model: tf.LayersModel): number | undefined => warmReplicasOf(model).openedWith?.placement.intraOpThreads;

afterEach(() => release());

describe('threads', () => {
  const many = Math.min(availableCores(), 13);

  it('are as many as the model keeps busy with a batch, unless they are named', async () => {
    const model = network();
    expect(await threadsOf(model, { batchSize: 8 })).toBe(1);
    expect(await threadsOf(model, { batchSize: 8, threadsPerWorker: 2 })).toBe(2);
    expect(await threadsOf(network(), { batchSize: ROWS })).toBe(many);
  });

  it('are more for calls that keep more busy, and stay so for those that do not', async () => {
    const model = network();
    await predict(model, X, { devices: ['CPU:0'], batchSize: 1 });
    expect(kept(model)).toBe(1);
    await predict(model, X, { batchSize: ROWS });
    expect(kept(model)).toBe(many);
    expect(await threadsOf(model, { batchSize: 8 })).toBe(many);
    await evaluate(model, X, Y, { devices: ['CPU:0'] });
    expect(kept(model)).toBe(many);
    await release(model);
    expect(await threadsOf(model, { batchSize: 8 })).toBe(1);
  });
});
