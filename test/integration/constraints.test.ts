/**
 * Owns: that constrained weights are held after every step, in the run itself: what is logged, what is returned and what Keras would compute agree.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';
import { train } from '../../src/api/library.js';
import { temporaryFolder } from '../support/temporary_folder.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const N = 8;
const x = Float32Array.from({ length: N * 3 }, (_, i) => Math.sin(i));
const y = Float32Array.from({ length: N * 2 }, (_, i) => 3 * Math.cos(i));
const RATE = 0.4;

/** A kernel held to columns of norm 0.5 that the data pull to larger ones, and biases that may not be negative. */
function model(): tf.LayersModel {
  const first = tf.layers.dense({
    units: 4,
    inputShape: [3],
    kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }),
    kernelConstraint: tf.constraints.maxNorm({ maxValue: 0.5, axis: 0 }),
  });
  const second = tf.layers.dense({
    units: 2,
    kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }),
    biasConstraint: 'nonNeg',
  });
  return tf.sequential({ layers: [first, second] });
}

/** Three steps of sgd on the whole batch, constraints after each: what Keras does and tfjs's fit leaves out. */
function truth(plain: tf.LayersModel): tf.LayersModel {
  const variables = plain.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
  const optimizer = tf.train.sgd(RATE);
  for (let step = 0; step < 3; step++) {
    const loss = () =>
      tf.losses.meanSquaredError(tf.tensor(y, [N, 2]), plain.apply(tf.tensor(x, [N, 3])) as tf.Tensor) as tf.Scalar;
    optimizer.minimize(loss, false, variables);
    for (const weight of plain.trainableWeights as tf.LayerVariable[]) {
      const { constraint } = weight as unknown as { constraint: { apply(w: tf.Tensor): tf.Tensor } | null };
      if (constraint !== null) weight.write(constraint.apply(weight.read()));
    }
  }
  return plain;
}

it('after each of three steps, with one shard and with two', async () => {
  const wanted = truth(model())
    .getWeights()
    .map((weight) => [...weight.dataSync()]);
  // Unconstrained, the first column would grow beyond 0.5: the bound is met.
  const norms = tf.norm(tf.tensor(wanted[0], [3, 4]), 'euclidean', 0).dataSync();
  expect(norms.some((norm) => Math.abs(norm - 0.5) < 1e-5)).toBe(true);
  expect(wanted[3].some((bias) => bias === 0)).toBe(true);
  for (const shards of [1, 2]) {
    const run = await train({
      model: model(),
      loss: 'mean_squared_error',
      learningRate: RATE,
      data: { train: { x, y }, validation: { x, y }, inputShape: [3], labelShape: [2] },
      batch: N,
      shards,
      epochs: 3,
      workers: 1,
      threadsPerWorker: 1,
      runDir: await temporaryFolder(),
    });
    // Sums of at most 24 products of values below 3, in another order, over three steps.
    run.model
      .getWeights()
      .forEach((weight, index) =>
        [...weight.dataSync()].forEach((value, at) =>
          expect(Math.abs(value - wanted[index][at])).toBeLessThan(3 * 24 * 9 * 2 ** -24),
        ),
      );
    const mse = tf.losses
      .meanSquaredError(tf.tensor(y, [N, 2]), run.model.predict(tf.tensor(x, [N, 3])) as tf.Tensor)
      .dataSync()[0];
    expect(Math.abs(run.history[2].val_loss - mse)).toBeLessThan(1e-5);
  }
});
