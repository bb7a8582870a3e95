/**
 * Owns: training on examples that come one after the other: the numbers of the same rows in memory, whatever gives them and however many replicas there are;
 * and resuming by reading again.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { evaluateRun, train, type TrainedRun, type TrainOptions } from '../../src/index.js';
import type { RunEvent } from '../../src/common/run_events.js';
import { trainUntil } from '../support/held_run.js';
import { train as trainByCommand, weightsSha256Of } from '../support/real_run.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const COUNT = 50;
const pixel = (row: number, i: number): number => Math.fround(Math.sin(row + i));
const ROWS = Array.from({ length: COUNT }, (_, row) => ({ x: Float32Array.of(pixel(row, 0), pixel(row, 1)), y: row % 3 }));
const ARRAYS = {
  train: { x: Float32Array.from(ROWS.flatMap(({ x }) => [...x])), y: Int32Array.from(ROWS, ({ y }) => y) },
  validation: { x: Float32Array.of(0.1, 0.2, 0.3, 0.4), y: Int32Array.of(2, 1) },
  inputShape: [2],
};
const { validation } = ARRAYS;

const MODULE = `
const x = (row, i) => Math.fround(Math.sin(row + i));
async function* rows(count) { for (let row = 0; row < count; row++) yield { x: [x(row, 0), x(row, 1)], y: row % 3 }; }
export default { train: () => rows(${COUNT}), validation: () => rows(7) };`;

function model(): tf.LayersModel {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 3 });
  return tf.sequential({
    name: 'sides',
    layers: [tf.layers.dense({ name: 'classes', units: 3, inputShape: [2], kernelInitializer, activation: 'softmax' })],
  });
}

async function options(data: TrainOptions['data'], over: Partial<TrainOptions> = {}): Promise<TrainOptions> {
  return {
    ...{ model: model(), data, runDir: await temporaryFolder(), batch: 12, shards: 2, epochs: 3, learningRate: 0.5 },
    ...{ workers: 1, threadsPerWorker: 1, gpus: 'none' },
    ...over,
  };
}
const run = async (data: TrainOptions['data'], over: Partial<TrainOptions> = {}): Promise<TrainedRun> =>
  train(await options(data, over));

async function* generated({ epoch }: { epoch: number }): AsyncGenerator<unknown> {
  for (const { x, y } of ROWS) yield await Promise.resolve([[...x], y + 0 * epoch]);
}

it('examples one after the other train to the weights of the same rows in memory, whoever gives them, on one replica as on two', async () => {
  const inOrder = { shuffle: false, optimizer: { schedule: { name: 'cosine' } }, epochs: 2, augment: [{ mixup: 0.2 }] } as const;
  const memory = await run(ARRAYS, inOrder);
  const counted = await run({ train: { examples: generated, count: COUNT }, validation }, inOrder);
  expect(counted.weightsSha256).toBe(memory.weightsSha256);
  expect(counted.history).toEqual(memory.history);

  const events: RunEvent[] = [];
  const observer = (event: RunEvent): void => void events.push(event);
  const data = { train: generated, validation };
  const shuffled = await run(data, { shuffleBuffer: 20, observer });
  expect(events.find(({ type }) => type === 'start')).toMatchObject({
    dataset: { train: null, validation: 2 },
    plan: { stepsPerEpoch: null },
  });
  const steps = events.filter((event) => event.type === 'step').map(({ stepsPerEpoch }) => stepsPerEpoch);
  expect(steps).toEqual([...Array<null>(5).fill(null), ...Array<number>(10).fill(5)]);
  const before = tf.memory().numTensors;
  const batches = tf.data.array(ROWS.map(({ x, y }) => ({ xs: [...x], ys: y }))).batch(7);
  const tensors = await run({ train: { batches }, validation, labelShape: [] }, { shuffleBuffer: 20, workers: 2 });
  expect(tensors.weightsSha256).toBe(shuffled.weightsSha256);
  // The model's own.
  expect(tf.memory().numTensors - before).toBe(2);

  // Between two epochs: what went before is read again, for its hash.
  const first = await run(data, { shuffleBuffer: 20, maxSteps: 5 });
  expect(first.end).toMatchObject({ reason: 'max_steps', steps: 5, epochs: 1 });
  const others = async function* (at: { epoch: number }): AsyncGenerator<unknown> {
    let row = 0;
    for await (const example of generated(at)) {
      const [x, y] = example as [number[], number];
      yield row++ === 30 ? { x, y: (y + 1) % 3 } : { x, y };
    }
  };
  const again = train({ model: model(), data: { ...data, train: others }, resume: first.runFolder });
  await expect(again).rejects.toMatchObject({
    code: 'DATA_REPLAY',
    message: expect.stringContaining('read again, epoch 1 of the sequence gives other values (sha256 ') as string,
  });
  const resumed = await train({ model: model(), data, resume: first.runFolder });
  expect(resumed.weightsSha256).toBe(shuffled.weightsSha256);

  // Inside one, of a module, in whose thread they are read.
  const path = join(await temporaryFolder({ 'data.mjs': MODULE }), 'data.mjs');
  const { runFolder } = await run(path, { shuffleBuffer: 20, maxSteps: 7 });
  const named = await train({ model: model(), resume: runFolder, workers: 2 });
  expect(named.weightsSha256).toBe(shuffled.weightsSha256);
  const judged = await evaluateRun(runFolder);
  expect(judged.examples).toBe(7);
  expect(judged.values.val_loss).toBeCloseTo(named.history[1].val_loss, 5);
});

it('of a module they are tried out, interrupted inside an epoch and gone on with on the command line', async () => {
  const model = `export const createModel = (tf) => tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2], kernelInitializer: 'zeros' })] });`;
  const folder = await temporaryFolder({ 'data.mjs': MODULE, 'model.mjs': model });
  const flags = `--batch 5 --shards 2 --workers 1 --gpus none --threads-per-worker 1 --epochs 3 --shuffle-buffer 20 --run-dir ${folder}`;
  const settings = ['--model', join(folder, 'model.mjs'), '--data', join(folder, 'data.mjs'), ...flags.split(' ')];
  const tried = await trainByCommand([...settings, '--fast-dev-run']);
  expect(tried).toMatchObject({ code: 0 });
  expect(tried.out + tried.err).toContain('two steps and an evaluation');

  expect(await trainByCommand([...settings, '--name', 'whole'])).toMatchObject({ code: 0 });
  // 10 steps an epoch: inside the second.
  const stopped = await trainUntil(12, [...settings, '--name', 'stopped']);
  stopped.kill('SIGINT');
  expect(await stopped.ended).toMatchObject({ code: 130 });
  expect(weightsSha256Of(join(folder, 'stopped'))).not.toBe(weightsSha256Of(join(folder, 'whole')));
  expect(await trainByCommand(['--resume', join(folder, 'stopped')])).toMatchObject({ code: 0 });
  const ends = readFileSync(join(folder, 'stopped/metrics.jsonl'), 'utf8').match(/"weights_sha256":"(\w+)"/g) ?? [];
  expect(ends.at(-1)).toContain(String(weightsSha256Of(join(folder, 'whole'))));
});
