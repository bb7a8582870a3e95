/**
 * Owns: that steps leave nothing behind: live tensors and native handles are counted exactly, resident memory with slack.
 */
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { datasetFromArrays } from '../../../src/data/arrays.js';
import { openReplica } from '../../support/replica_under_test.js';
import { stepOn } from '../../support/shards_on.js';
import { topologyOf } from '../../support/topology.js';

/** Resident size may move by this between step 100 and step 350: 256 KiB a step, where the first layer alone makes 314 KiB. */
const SLACK_BYTES = 64 * 2 ** 20;

/** Every kind of layer that holds tensors of its own in a step: convolution, dropout, batch norm, regularizer. */
function model(): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 8, kernelSize: 3, activation: 'tanh', inputShape: [12, 12, 1] }),
      tf.layers.dropout({ rate: 0.2 }),
      tf.layers.batchNormalization({}),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 4, activation: 'softmax', kernelRegularizer: 'l1l2' }),
    ],
  });
}

it.each([
  { compile: true, batchNorm: 'shard' },
  { compile: false, batchNorm: 'shard' },
] as const)(
  'holds as many tensors and handles after 200 steps as after 20 (compiled: $compile, batch norm: $batchNorm)',
  async ({ compile, batchNorm }) => {
    const split = {
      x: Uint8Array.from({ length: 230 * 144 }, (_, i) => i % 251),
      y: Uint8Array.from({ length: 230 }, (_, i) => i % 4),
    };
    const dataset = await datasetFromArrays({
      train: split,
      validation: split,
      inputShape: [12, 12, 1],
      classes: 4,
      scale: 1 / 255,
    });
    const replica = await openReplica({ model: topologyOf(model()), dataset, compile, batchNorm });
    try {
      const { layout, initial } = await replica.describe();
      const steps = async (from: number, to: number): Promise<void> => {
        for (let step = from; step < to; step++) {
          // New parameters each time, as in training; shards of two sizes, and an evaluation now and then.
          const parameters = initial.slice();
          parameters[0] = step / 1000;
          await stepOn(replica, { rows: 101, shards: 2, step, parameters, version: step });
          if (step % 10 === 0) {
            const rows = Int32Array.of(0, 1, 2);
            const snapshot = { version: step, values: parameters };
            await replica.compute({
              id: { kind: 'evaluate', step, shard: 0, attempt: 0 },
              rows,
              firstExample: 0,
              regularizationWeight: 3,
              parameters: snapshot,
            });
          }
        }
      };
      await steps(0, 20);
      const after20 = await replica.memory();
      await steps(20, 100);
      const rssAfter100 = process.memoryUsage.rss();
      await steps(100, 200);
      expect(await replica.memory()).toEqual(after20);
      expect(after20.tensors).toBeGreaterThanOrEqual(layout.slots.length);
      await steps(200, 350);
      expect(await replica.memory()).toEqual(after20);
      expect(process.memoryUsage.rss() - rssAfter100).toBeLessThan(SLACK_BYTES);
    } finally {
      await replica.close();
    }
  },
);
