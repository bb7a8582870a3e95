import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { MemoryDataset } from '../../src/common/dataset.js';
import { nameOfData, type GivenData } from '../../src/api/given_data.js';
import { limitDataset, loadDataset, type DataConfig } from '../../src/data/load.js';
import { datasetFromArrays } from '../../src/data/arrays.js';
import { idxBytes } from '../support/idx_bytes.js';
import { temporaryFolder } from '../support/temporary_folder.js';
import { plain } from '../support/plain_data.js';

const CONFIG: DataConfig = { data: 'mnist', dataDir: null, trainLimit: null, validationLimit: null, seed: 1 };

/** Seven training and three validation examples of [2], two targets each. */
function small(): Promise<MemoryDataset> {
  const values = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i);
  return datasetFromArrays({
    train: { x: values(14), y: values(14) },
    validation: { x: values(6), y: values(6) },
    inputShape: [2],
  });
}

test('limits are views of the first examples, and the identity stays that of the whole set', async () => {
  const whole = await small();
  const limited = plain(limitDataset(whole, { trainLimit: 5, validationLimit: 1 }));
  expect([limited.train.count, ...limited.train.x]).toEqual([5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([limited.validation.count, ...limited.validation.y]).toEqual([1, 0, 1]);
  expect(limited.train.x.buffer).toBe(plain(whole).train.x.buffer);
  expect(limited.sha256).toBe(whole.sha256);
  expect(limitDataset(whole, { trainLimit: null, validationLimit: 3 })).toEqual(whole);
});

test('overfit makes the first training examples both sets, of data without validation too', async () => {
  const whole = await small();
  for (const set of [whole, { ...whole, validation: null }]) {
    const { train, validation, sha256 } = limitDataset(set, { trainLimit: null, validationLimit: null, overfit: 3 });
    expect([train.count, validation?.count, sha256]).toEqual([3, 3, whole.sha256]);
    expect(validation).toBe(train);
  }
  expect(() => limitDataset(whole, { trainLimit: null, validationLimit: null, overfit: 8 })).toThrow(
    expect.objectContaining({ code: 'DATA_LIMIT', message: '--overfit is 8, arrays has 7 train examples' }),
  );
});

test('a limit beyond the set, and one of none, are refused', async () => {
  const whole = await small();
  for (const limit of [0, 8, -1, 2.5]) {
    expect(() => limitDataset(whole, { trainLimit: limit, validationLimit: null })).toThrow(
      expect.objectContaining({ code: 'DATA_LIMIT', message: `--train-limit is ${limit}, arrays has 7 train examples` }),
    );
  }
});

test('the name of the data decides what is loaded', async () => {
  const dataDir = await temporaryFolder({
    'train-images': idxBytes([2, 3, 5]),
    'train-labels': idxBytes([2]),
    'test-images': idxBytes([1, 3, 5]),
    'test-labels': idxBytes([1]),
    'data.mjs':
      'export default { train: { x: Uint8Array.of(1), y: Uint8Array.of(0) }, validation: { x: Uint8Array.of(1), y: Uint8Array.of(0) }, inputShape: [1] }',
  });
  expect(plain(await loadDataset({ ...CONFIG, data: 'idx', dataDir, trainLimit: 1 }))).toMatchObject({
    inputShape: [3, 5, 1],
    train: { count: 1 },
  });
  expect(await loadDataset({ ...CONFIG, data: join(dataDir, 'data.mjs') })).toMatchObject({
    name: 'data.mjs',
    train: { count: 1 },
  });
  const digits = await loadDataset({ ...CONFIG, data: 'synthetic', trainLimit: 100, validationLimit: 10 });
  expect(plain(digits)).toMatchObject({
    name: 'synthetic digits',
    inputShape: [28, 28, 1],
    train: { count: 100 },
    validation: { count: 10 },
  });
});

test('an unknown name and an IDX set without its folder are errors of usage', async () => {
  await expect(loadDataset({ ...CONFIG, data: 'mnits' })).rejects.toMatchObject({
    code: 'DATA_UNKNOWN',
    exitCode: 2,
    message: 'unknown data "mnits"',
    next: expect.stringContaining('Use mnist') as string,
  });
  // As a program's own are called where it gave no name.
  for (const train of [{ x: [1], y: [1] }, { count: 1, read: () => ({ x: [1], y: [1] }) }, () => [][Symbol.iterator]()]) {
    await expect(loadDataset({ ...CONFIG, data: nameOfData({ train } as unknown as GivenData) })).rejects.toMatchObject({
      next: expect.stringContaining('A program gave its own data') as string,
    });
  }
  for (const data of ['./none.csv', 'photos/none.png', '/none/of/these'])
    await expect(loadDataset({ ...CONFIG, data })).rejects.toMatchObject({ code: 'DATA_MISSING', exitCode: 4 });
  await expect(loadDataset({ ...CONFIG, data: 'idx' })).rejects.toMatchObject({ code: 'DATA_DIR_NEEDED', exitCode: 2 });
});

test('asked for MNIST in a folder without it, the digits are not put in its place', async () => {
  const dataDir = await temporaryFolder();
  await expect(loadDataset({ ...CONFIG, dataDir })).rejects.toMatchObject({ code: 'DATA_MISSING', exitCode: 4 });
});

test('a data set posted to a thread is the same memory: what one writes the other reads', async () => {
  const dataset = limitDataset(await small(), { trainLimit: 5, validationLimit: null });
  const thread = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     workerData.validation.targets.y[2] = 42;
     parentPort.once('message', ({ train }) => parentPort.postMessage([workerData.train.inputs.x[9], train.inputs.x[9], train.count, train.inputs.x.length]));
     parentPort.postMessage('ready');`,
    { eval: true, workerData: dataset },
  );
  await once(thread, 'message');
  expect(dataset.validation!.targets.y[2]).toBe(42);
  dataset.train.inputs.x[9] = -7;
  thread.postMessage(dataset);
  expect(await once(thread, 'message')).toEqual([[-7, -7, 5, 10]]);
  await thread.terminate();
});
