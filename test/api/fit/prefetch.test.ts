/** Owns: what fitDataset() reads of a dataset before it is asked for, and when: never another row than the calls take, and none of a call that has ended. */
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { afterAll, expect, it } from 'vitest';
import { DatasetStream } from '../../../src/api/fit/dataset_stream.js';
import type { RunEvent } from '../../../src/common/run_events.js';
import { fitDataset, release, type BatchSource, type FitDatasetOptions } from '../../../src/index.js';

afterAll(() => release());

function model(): tf.Sequential {
  const made = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelInitializer: 'ones' })] });
  made.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
  return made;
}

/** Batches of two rows, whose first value is their number, all in one memory that is filled anew. */
class Counting implements BatchSource {
  asked = 0;
  returned = 0;
  iterators = 0;
  readonly #xs = new Float32Array(4);
  constructor(
    readonly count: number,
    readonly failsAt = -1,
    readonly waitMs = 0,
  ) {}
  iterator() {
    this.iterators += 1;
    let at = 0;
    const next = async (): Promise<{ value: unknown; done: boolean }> => {
      const number = at++;
      this.asked += 1;
      if (number === this.failsAt) throw new Error(`no row ${number}`);
      if (this.waitMs > 0) await new Promise((go) => setTimeout(go, this.waitMs));
      this.#xs.set([number, 0, number, 1]);
      return number < this.count ? { value: { xs: this.#xs, ys: [[number], [1]] }, done: false } : { value: null, done: true };
    };
    return Promise.resolve({ next, return: () => ((this.returned += 1), Promise.resolve({ value: null, done: true })) });
  }
}

interface Asked {
  readonly limit?: number | null;
  readonly isFor?: number | null;
  readonly ahead?: number;
}

function streamOf(source: BatchSource, { limit = null, isFor = null, ahead = 2 }: Asked = {}) {
  const put: number[] = [];
  const warn = (): void => undefined;
  const stream = new DatasetStream({ model: model(), source, limit, isFor, ahead, what: 'the dataset', warn });
  stream.into(async ({ x }) => void put.push(Object.values(x)[0].values[0]));
  const next = async (): Promise<number | null> => {
    const count = await stream.next();
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    return count;
  };
  return { stream, put, next };
}

it('two batches are read ahead, apart from memory that the iterator fills again, and the end is told after the last', async () => {
  const source = new Counting(4);
  const { stream, put, next } = streamOf(source);
  await stream.first();
  expect(source.asked).toBe(1);
  const asked: number[] = [];
  for (let count = await next(); count !== null; count = await next()) asked.push(source.asked);
  expect(put).toEqual([0, 1, 2, 3]);
  // The fifth call says that there are no more, and no sixth is made.
  expect(asked).toEqual([3, 4, 5, 5]);
  expect(await next()).toBe(2);
  expect([put.at(-1), source.iterators]).toEqual([0, 2]);
  stream.close();
  expect(source.returned).toBe(1);
});

it('what comes with done is the last batch, as in tfjs, of each iterator', async () => {
  const batch = (at: number): object => ({ xs: Float32Array.of(at, 0), ys: [[1]] });
  let iterators = 0;
  const source: BatchSource = {
    iterator() {
      let at = 10 * iterators++;
      return Promise.resolve({ next: () => Promise.resolve({ value: batch(at), done: at++ % 10 >= 2 }) });
    },
  };
  for (const ahead of [0, 2]) {
    iterators = 0;
    const { stream, put, next } = streamOf(source, { ahead });
    for (let epoch = 0; epoch < 2; epoch++)
      expect([await next(), await next(), await next(), await next()]).toEqual([1, 1, 1, null]);
    expect(put).toEqual([0, 1, 2, 10, 11, 12]);
    stream.close();
  }
});

it('an iterator that gives nothing at all is told', async () => {
  const source = { iterator: () => Promise.resolve({ next: () => Promise.resolve(undefined) }) };
  await expect(streamOf(source as never).stream.first()).rejects.toMatchObject({
    code: 'DATA_ARRAYS',
    message: 'the dataset gave nothing in place of a batch',
  });
});

it('with a limit no more than the epochs take, which one iterator gives; it is left to its owner then', async () => {
  const source = new Counting(100);
  const { stream, put, next } = streamOf(source, { limit: 3, isFor: 2 });
  const counts: (number | null)[] = [];
  for (let call = 0; call < 4; call++) counts.push(await next());
  // The first epoch has ended, and the second's first two are there.
  expect([counts, source.asked]).toEqual([[2, 2, 2, null], 5]);
  for (let call = 0; call < 4; call++) counts.push(await next());
  expect([counts.slice(4), source.asked, source.iterators]).toEqual([[2, 2, 2, null], 6, 1]);
  expect(put).toEqual([0, 1, 2, 3, 4, 5]);
  stream.close();
  expect(source.returned).toBe(0);
  // Of a call that ends between two epochs it is closed.
  const stopped = streamOf(source, { limit: 1, isFor: 2 });
  await stopped.next();
  await stopped.next();
  stopped.stream.close();
  expect(source.returned).toBe(1);
});

it('what an iterator throws is thrown where its batch is needed, and it is not asked again', async () => {
  const source = new Counting(9, 2);
  const { next } = streamOf(source);
  expect([await next(), source.asked]).toEqual([2, 3]);
  expect(await next()).toBe(2);
  await expect(next()).rejects.toThrow('no row 2');
  expect(source.asked).toBe(3);
});

it('prefetch: 0 reads as tfjs does', async () => {
  const source = new Counting(3);
  const { next } = streamOf(source, { ahead: 0 });
  for (const asked of [1, 2, 3, 4]) {
    await next();
    expect(source.asked).toBe(asked);
  }
});

it('a run computes the same however much is read ahead, says how long it waited, and closes what it has not read to its end', async () => {
  const run = async (source: BatchSource, options: Partial<FitDatasetOptions> = {}) => {
    const steps: RunEvent[] = [];
    const observer = (event: RunEvent): void => void (event.type === 'step' && steps.push(event));
    const own = model();
    const asked = { devices: ['CPU:0'], threadsPerWorker: 1, verbose: 0, epochs: 2, observer } as const;
    const { run: ran } = await fitDataset(own, source, { ...asked, ...options });
    return { hash: ran.weightsSha256, steps };
  };
  const hashes: string[] = [];
  for (const prefetch of [0, 1, 2]) hashes.push((await run(new Counting(5), { prefetch })).hash);
  expect(new Set(hashes).size).toBe(1);
  const slow = await run(new Counting(3, -1, 30), { prefetch: 0 });
  // All but the first, which is read before the run; a timer is never early by more than a millisecond.
  for (const step of slow.steps.slice(1)) {
    if (step.type !== 'step') continue;
    expect(step.phasesMs.data).toBeGreaterThan(25);
  }
  expect(slow.steps).toHaveLength(6);
  const stopped = new Counting(50);
  const stop = { onBatchEnd: (batch: number) => void (batch === 2 && (own.stopTraining = true)) };
  const own = model();
  const before = tf.memory().numTensors;
  await fitDataset(own, stopped, { devices: ['CPU:0'], threadsPerWorker: 1, verbose: 0, epochs: 2, callbacks: stop });
  expect([stopped.returned, stopped.iterators]).toEqual([1, 1]);
  expect(stopped.asked).toBeLessThanOrEqual(5);
  expect(tf.memory().numTensors).toBe(before);
  await expect(run(new Counting(5), { prefetch: -1 })).rejects.toMatchObject({
    code: 'OPTION_INVALID',
    message: 'prefetch must be a whole number of batches, at most 64, found -1',
  });
});
