/**
 * Owns: that a run is the same wherever its rows lie, in memory or read by each replica; and that one without validation data is judged by its loss.
 */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { train, type TrainedRun } from '../../src/api/library.js';
import type { RunEvent } from '../../src/common/run_events.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const COUNT = 50;
const VALUES = `const x = (row, i) => Math.fround(Math.sin(row + i)), y = (row) => row % 3, inputShape = [2];`;
const MODULES = {
  'arrays.mjs': `${VALUES} const set = (n) => ({ x: Float32Array.from({ length: 2 * n }, (_, i) => x(i >> 1, i % 2)), y: Int32Array.from({ length: n }, (_, row) => y(row)) });
    export default { train: set(${COUNT}), inputShape };`,
  'read.mjs': `${VALUES} export default { inputShape, train: { count: ${COUNT}, read: async (rows) =>
    ({ x: Float32Array.from({ length: 2 * rows.length }, (_, i) => x(rows[i >> 1], i % 2)), y: Int32Array.from(rows, (row) => y(row)) }) } };`,
};

function model(): tf.LayersModel {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 3 });
  return tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2], kernelInitializer, activation: 'softmax' })] });
}

it('rows that are read train to the weights of the same rows in memory, without validation judged by the loss', async () => {
  const folder = await temporaryFolder(MODULES);
  const events: RunEvent[] = [];
  const run = (data: string, workers: number, over = {}): Promise<TrainedRun> =>
    train({
      ...{ model: model(), data: join(folder, data), runDir: folder, batch: 12, shards: 2, epochs: 3, learningRate: 0.5 },
      ...{ workers, threadsPerWorker: 1, gpus: 'none', observer: (event: RunEvent) => events.push(event) },
      ...over,
    });
  const memory = await run('arrays.mjs', 1);
  const read = await run('read.mjs', 2);
  expect(read.weightsSha256).toBe(memory.weightsSha256);
  expect(read.history).toEqual(memory.history);
  expect(Object.keys(memory.history[0]).sort()).toEqual(['acc', 'loss']);
  // Falling from epoch to epoch: the last is the best.
  expect(memory.best).toEqual({ epoch: 3, monitor: 'loss', value: memory.history[2].loss });
  expect(events.find(({ type }) => type === 'start')).toMatchObject({
    dataset: { train: COUNT, validation: 0 },
    objective: { monitor: { name: 'loss', direction: 'min' } },
  });
  await expect(run('read.mjs', 1, { monitor: 'val_loss' })).rejects.toMatchObject({ code: 'MONITOR_UNKNOWN' });
  await expect(run('read.mjs', 1, { validationLimit: 3 })).rejects.toMatchObject({
    code: 'DATA_LIMIT',
    message: 'validationLimit is 3, read.mjs has no validation examples',
  });
});
