/**
 * Owns: train() going on with runs, of its own and of the command line, and the other way round; first weights of a run; runs that are judged by calls.
 */
import { join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { evaluateRun, fit, release, train, verify, type TrainOptions } from '../../src/index.js';
import { runCli } from '../support/built_cli.js';
import { failure } from '../support/failure.js';
import { temporaryFolder } from '../support/temporary_folder.js';

function points(count: number, stride: number): { x: Float32Array; y: Int32Array } {
  const x = Float32Array.from({ length: count * 2 }, (_, i) => Math.sin(i * stride));
  return { x, y: Int32Array.from({ length: count }, (_, i) => (x[i * 2] + x[i * 2 + 1] > 0 ? 1 : 0)) };
}
const DATA = { name: 'sides', train: points(10, 1.7), validation: points(7, 2.3), inputShape: [2] };

function model(): tf.Sequential {
  const dense = (units: number, more: object): tf.layers.Layer =>
    tf.layers.dense({ units, name: `of_${units}`, kernelInitializer: tf.initializers.glorotUniform({ seed: units }), ...more });
  return tf.sequential({ name: 'sides', layers: [dense(8, { activation: 'tanh', inputShape: [2] }), dense(2, {})] });
}

async function options(more: Partial<TrainOptions> = {}): Promise<TrainOptions> {
  return {
    ...{ model: model(), data: DATA, batch: 4, shards: 2, epochs: 2, workers: 1, threadsPerWorker: 1, learningRate: 0.5 },
    ...{ optimizer: { momentum: 0.9 }, runDir: await temporaryFolder(), ...more },
  };
}

const flat = (trained: tf.LayersModel): number[] => trained.getWeights().flatMap((weight) => [...weight.dataSync()]);

describe('a run of a model and arrays that a program holds', () => {
  it('is gone on with by its folder, the settings being its own, to the bits of the undisturbed one; and judged', async () => {
    const wanted = await train(await options());
    const first = await train(await options({ maxSteps: 4 }));
    expect(first.end).toMatchObject({ reason: 'max_steps', steps: 4 });
    const resume = first.runFolder;

    const other = { ...DATA, train: points(10, 1.9) };
    expect(await failure(train({ model: model(), data: other, resume }))).toMatchObject({
      code: 'RESUME_DATA_DIFFERS',
      next: `continue with what the run was started with, or start a new run from its weights with initFrom: '${resume}'`,
    });
    expect(await failure(train({ model: model(), data: DATA, resume, batch: 5 }))).toMatchObject({
      code: 'RESUME_CONFIG_DIFFERS',
      message: `${resume} was saved with batch 4, and is to go on with 5`,
    });
    expect(await failure(train({ data: DATA, resume }))).toMatchObject({ code: 'RUN_OF_A_PROGRAM' });
    expect(await failure(train({ model: model(), data: DATA, resume, callbacks: {} }))).toMatchObject({
      code: 'CALLBACKS_NOT_RESUMED',
    });
    expect(await failure(train({ model: model(), data: DATA, resume: 'nowhere' }))).toMatchObject({ code: 'RUN_NOT_FOUND' });
    const byCommand = runCli(['train', '--resume', resume]);
    expect(byCommand.err).toContain(`error RUN_OF_A_PROGRAM: ${resume} was begun with a model that a program holds (sides)`);

    const own = model();
    const resumed = await train({ model: own, data: DATA, resume });
    expect(resumed.weightsSha256).toBe(wanted.weightsSha256);
    expect(resumed.history).toEqual([wanted.history[1]]);
    expect(flat(own)).toEqual(flat(wanted.model));
    const longer = await train({ model: own, data: DATA, resume, epochs: 3 });
    expect(longer.end).toMatchObject({ reason: 'done', epochs: 3, steps: 9 });

    const judged = await evaluateRun(join(resume, 'checkpoints/last'), { data: DATA });
    expect(judged).toMatchObject({ examples: 7, values: { val_acc: longer.history[0].val_acc } });
    expect(judged.values.val_loss).toBeCloseTo(longer.history[0].val_loss, 6);
    expect(await failure(evaluateRun(resume, { batch_size: 3 } as never))).toMatchObject({ code: 'OPTION_UNKNOWN' });
  });

  it('whose rates a function gave goes on with that function alone, inside an epoch', async () => {
    const learningRate = (epoch: number): number => 0.5 / (epoch + 1);
    const wanted = await train(await options({ learningRate }));
    const { runFolder: resume } = await train(await options({ learningRate, maxSteps: 4 }));
    const again = { model: model(), data: DATA, resume };
    expect(await failure(train(again))).toMatchObject({
      code: 'RATE_NOT_RESUMED',
      message: expect.stringContaining('0.25 in epoch 2') as string,
    });
    expect(await failure(train({ ...again, learningRate: () => 0.1 }))).toMatchObject({ code: 'RATE_NOT_RESUMED' });
    const resumed = await train({ ...again, learningRate });
    expect(resumed.weightsSha256).toBe(wanted.weightsSha256);
    // Another rate on purpose.
    const other = { ...again, epochs: 3, learningRate: () => 0.1, callbacksFromHere: true };
    expect((await train(other)).end).toMatchObject({ epochs: 3 });
  });

  it('begins from the weights of another run, in train() as in fit()', async () => {
    const first = await train(await options({ epochs: 1 }));
    const initFrom = join(first.runFolder, 'checkpoints/last');
    const more = await options({ epochs: 0, initFrom });
    expect(flat((await train(more)).model)).toEqual(flat(first.model));
    const compiled = model();
    compiled.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const nothing = { devices: ['CPU:0'], verbose: 0, epochs: 1, initialEpoch: 1, initFrom } as const;
    await fit(compiled, tf.tensor2d(DATA.train.x, [10, 2]), tf.zeros([10, 2]), nothing);
    expect(flat(compiled)).toEqual(flat(first.model));
    await release();
    expect(await failure(train(await options({ initFrom: 'nowhere' })))).toMatchObject({ code: 'MODEL_FILE_INVALID' });
  });

  it('has its gradient verified', async () => {
    const { model: own, data } = await options();
    const report = await verify({ model: own, data, shards: 2, workers: 2, batch: 5, loss: 'softmax_cross_entropy' });
    expect(report).toMatchObject({ passed: true, shards: 2, batch: 5, manyReplicas: { replicas: 2 } });
  });
});

it('a run whose model and data have names goes on by the command line where a call began it, and by a call where that did', async () => {
  const named = { model: resolve('scripts/crash/tiny_model.mjs'), data: 'synthetic', trainLimit: 100, validationLimit: 20 };
  const wanted = await train(await options({ ...named, batch: 50 }));
  const first = await train(await options({ ...named, batch: 50, maxSteps: 1 }));
  const byCommand = runCli(['train', '--resume', first.runFolder, '--reporter', 'json']);
  expect(byCommand.out).toContain(`"weights_sha256":"${wanted.weightsSha256}"`);
  const begun = runCli([
    'train',
    '--config',
    join(wanted.runFolder, 'config.yaml'),
    '--run-dir',
    await temporaryFolder(),
    '--max-steps',
    '3',
    '--name',
    'begun',
    '--reporter',
    'json',
  ]);
  const run = /"run_folder":"([^"]+)"/.exec(begun.out)?.[1] ?? '';
  const resumed = await train({ resume: run });
  expect(resumed.weightsSha256).toBe(wanted.weightsSha256);
  expect(flat(resumed.model)).toEqual(flat(wanted.model));
});
