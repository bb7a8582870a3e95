/**
 * Owns: that a run is the same wherever its rows lie, in memory or read by each replica; and that one without validation data is judged by its loss.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { train, type TrainedRun } from '../../src/api/library.js';
import type { TrainOptions } from '../../src/api/train_options.js';
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
  const answer = tf.layers.dense({ name: 'answer', units: 3, inputShape: [2], kernelInitializer, activation: 'softmax' });
  return tf.sequential({ layers: [answer] });
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

it('a program gives rows itself: the weights of the same rows in memory, resumed too, and what it throws is told', async () => {
  const folder = await temporaryFolder();
  const x = (row: number, i: number): number => Math.fround(Math.sin(row + i));
  let asked = 0;
  let isBroken = false;
  const rowsOf = (rows: Int32Array) => {
    asked += 1;
    if (isBroken) throw new RangeError('the store is gone');
    return {
      x: Float32Array.from({ length: 2 * rows.length }, (_, i) => x(rows[i >> 1], i % 2)),
      y: Int32Array.from(rows, (row) => row % 3),
    };
  };
  const all = rowsOf(Int32Array.from({ length: COUNT }, (_, row) => row));
  const inputShape = [2];
  const arrays = { train: all, inputShape };
  const read = { train: { count: COUNT, read: (rows: Int32Array) => Promise.resolve(rowsOf(rows)) }, inputShape };
  const options = { batch: 12, shards: 2, epochs: 3, learningRate: 0.5, threadsPerWorker: 1, gpus: 'none' } as const;
  const memory = await train({ ...options, model: model(), data: arrays, runDir: folder, workers: 1 });
  asked = 0;
  const given = await train({ ...options, model: model(), data: read, runDir: folder, workers: 2 });
  expect(given.weightsSha256).toBe(memory.weightsSha256);
  expect(given.history).toEqual(memory.history);
  // The pass before the first step, then at least 5 batches of 2 shards in each epoch.
  expect(asked).toBeGreaterThanOrEqual(2 + 3 * 10);
  const begun = await train({ ...options, model: model(), data: read, runDir: folder, workers: 1, maxSteps: 7 });
  const resumed = await train({ model: model(), data: read, resume: begun.runFolder, workers: 2 });
  expect(resumed.weightsSha256).toBe(memory.weightsSha256);
  const observer = ({ type }: RunEvent): void => void (isBroken ||= type === 'step');
  await expect(train({ ...options, model: model(), data: read, runDir: folder, workers: 1, observer })).rejects.toMatchObject({
    code: 'DATA_ROWS',
    message: expect.stringMatching(
      /^rows: read\(rows\) of train failed for 6 examples from \d+: RangeError: the store is gone$/,
    ) as string,
  });
  isBroken = false;
  const both = { ...read, validation: all as never };
  await expect(train({ ...options, model: model(), data: both, runDir: folder, workers: 1 })).rejects.toMatchObject({
    code: 'DATA_ROWS',
    message: expect.stringMatching(/^rows: validation is .*, wanted \{ count, read \}$/) as string,
  });
});

it('pictures that are decoded where they are needed train to the weights of their pixels in memory', async () => {
  // 1.2 MB, of which 1 may stay in memory.
  const [count, side] = [48, 160];
  const folder = await temporaryFolder();
  const x = Uint8Array.from({ length: count * side * side }, (_, at) => ((at * 2654435761) >>> 24) ^ (at % 251));
  const y = Uint8Array.from({ length: count }, (_, row) => row % 3);
  const lines = ['file,label'];
  for (let row = 0; row < count; row++) {
    const pixels = x.subarray(row * side * side, (row + 1) * side * side);
    await sharp(pixels, { raw: { width: side, height: side, channels: 1 } })
      .png()
      .toFile(join(folder, `${row}.png`));
    lines.push(`${row}.png,${y[row]}`);
  }
  await writeFile(join(folder, 'labels.csv'), lines.join('\n'));
  const small = (): tf.LayersModel => {
    const kernelInitializer = tf.initializers.glorotUniform({ seed: 3 });
    const pool = tf.layers.averagePooling2d({ poolSize: 40, inputShape: [side, side, 1] });
    return tf.sequential({
      layers: [pool, tf.layers.flatten(), tf.layers.dense({ units: 3, kernelInitializer, activation: 'softmax' })],
    });
  };
  const run = (workers: number, over: Pick<TrainOptions, 'data'> & Partial<TrainOptions>): Promise<TrainedRun> =>
    train({
      ...{
        model: small(),
        runDir: folder,
        batch: 12,
        shards: 2,
        epochs: 2,
        learningRate: 0.5,
        workers,
        threadsPerWorker: 1,
        gpus: 'none',
      },
      ...over,
    });
  const memory = await run(1, { data: { train: { x, y }, inputShape: [side, side, 1], scale: 1 / 255 } });
  const pictures = { data: folder, labelFile: join(folder, 'labels.csv'), imageChannels: 'gray', dataMemory: 1 } as const;
  expect((await run(2, pictures)).weightsSha256).toBe(memory.weightsSha256);
});
