/**
 * Owns: the library call on real replicas: callbacks, stopping, what comes back, devices, refusals. Small models, a second or two a run.
 */
import { getEventListeners } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { ExpectedError } from '../../src/common/errors.js';
import type { RunEvent } from '../../src/common/run_events.js';
import { train, type TrainOptions } from '../../src/index.js';
import { temporaryFolder } from '../support/temporary_folder.js';

/** Points in the plane, labeled by the side of a line they lie on; `count` of them. */
function points(count: number, stride: number): { x: Float32Array; y: Int32Array } {
  const x = Float32Array.from({ length: count * 2 }, (_, i) => Math.sin(i * stride));
  return { x, y: Int32Array.from({ length: count }, (_, i) => (x[i * 2] + x[i * 2 + 1] > 0 ? 1 : 0)) };
}

const DATA = { name: 'sides', train: points(10, 1.7), validation: points(7, 2.3), inputShape: [2] };

function model({ dropout = 0, name = 'sides' } = {}): tf.Sequential {
  return tf.sequential({
    name,
    layers: [
      tf.layers.dense({
        name: 'hidden',
        units: 8,
        activation: 'tanh',
        inputShape: [2],
        kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }),
      }),
      tf.layers.dropout({ name: 'drop', rate: dropout }),
      tf.layers.batchNormalization({ name: 'norm' }),
      tf.layers.dense({ name: 'out', units: 2, kernelInitializer: tf.initializers.glorotUniform({ seed: 4 }) }),
    ],
  });
}

/** Ten examples in batches of 4, 4 and 2; three shards, so that the last batch leaves one empty. */
async function options(more: Partial<TrainOptions> = {}): Promise<TrainOptions> {
  return {
    model: model(),
    data: DATA,
    batch: 4,
    shards: 3,
    epochs: 2,
    workers: 1,
    threadsPerWorker: 1,
    learningRate: 0.5,
    runDir: await temporaryFolder(),
    ...more,
  };
}

const flat = (trained: tf.LayersModel) => trained.getWeights().flatMap((weight) => [...weight.dataSync()]);

describe('train()', () => {
  it('calls back in the order and shapes of tfjs, and gives back the model with its final weights', async () => {
    const calls: unknown[][] = [];
    const signal = new AbortController().signal;
    const given = await options({
      model: model({ dropout: 0.25 }),
      workers: 2,
      signal,
      callbacks: {
        onTrainBegin: () => void calls.push(['begin']),
        onBatchEnd: async (batch, logs) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          calls.push(['batch', batch, logs.batch, logs.size, typeof logs.loss]);
        },
        onEpochEnd: (epoch, logs) => void calls.push(['epoch', epoch, Object.keys(logs).sort().join()]),
        onTrainEnd: () => void calls.push(['end']),
      },
    });
    const before = flat(given.model as tf.LayersModel);
    const run = await train(given);
    const epoch = (number: number) => [
      ['batch', 0, 0, 4, 'number'],
      ['batch', 1, 1, 4, 'number'],
      ['batch', 2, 2, 2, 'number'],
      ['epoch', number, 'acc,loss,val_acc,val_loss'],
    ];
    expect(calls).toEqual([['begin'], ...epoch(0), ...epoch(1), ['end']]);
    expect(run.end).toMatchObject({ epochs: 2, steps: 6, reason: 'done', weightsSha256: run.weightsSha256 });
    expect(run.history).toHaveLength(2);
    expect(run.best!.value).toBe(Math.max(...run.history.map(({ val_acc }) => val_acc!)));
    expect(getEventListeners(signal, 'abort')).toEqual([]);

    // The same object, its weights moved, and plain tfjs finds the accuracy and loss that the run told last.
    expect(run.model).toBe(given.model);
    expect(flat(run.model)).not.toEqual(before);
    const { x, y } = DATA.validation;
    const logits = run.model.predict(tf.tensor2d(x, [7, 2])) as tf.Tensor2D;
    const right = [...logits.argMax(1).dataSync()].filter((guess, i) => guess === y[i]).length;
    expect(run.history[1].val_acc).toBe(right / 7);
    const loss = tf.losses.softmaxCrossEntropy(tf.oneHot(y, 2), logits).dataSync()[0];
    expect(run.history[1].val_loss).toBeCloseTo(loss, 5);

    // A second run with one replica ends in the same bits, in a folder of its own.
    const again = await train({ ...given, model: model({ dropout: 0.25 }), workers: 1, callbacks: {} });
    expect(again.weightsSha256).toBe(run.weightsSha256);
    expect(flat(again.model)).toEqual(flat(run.model));
    expect((await readdir(given.runDir!)).sort()).toEqual(['sides-001', 'sides-002']);
    expect([basename(run.runFolder), basename(again.runFolder)]).toEqual(['sides-001', 'sides-002']);
  });

  it.each([
    {
      how: 'throws',
      onEpochEnd: () => {
        throw new RangeError('enough');
      },
    },
    { how: 'rejects', onEpochEnd: () => Promise.reject(new RangeError('enough')) },
  ])('stops when a callback $how, and rejects with that error', async ({ onEpochEnd }) => {
    const events: RunEvent[] = [];
    let ended = 0;
    const callbacks = { onEpochEnd, onTrainEnd: () => void (ended += 1) };
    await expect(train(await options({ epochs: 2000, callbacks, observer: (event) => events.push(event) }))).rejects.toThrow(
      new RangeError('enough'),
    );
    expect(events.at(-1)).toMatchObject({ type: 'end', reason: 'interrupted', epochs: 1, steps: 3 });
    expect(ended).toBe(0);
  });

  it('stops after the step in flight when its signal is aborted, and gives back what was trained so far', async () => {
    const stop = new AbortController();
    const observer = (event: RunEvent) => event.type === 'step' && event.step === 2 && stop.abort();
    const given = await options({ signal: stop.signal, observer });
    const before = flat(given.model as tf.LayersModel);
    const run = await train(given);
    expect(run.end).toMatchObject({ reason: 'interrupted', steps: 2, epochs: 0, best: null });
    expect(run.history).toEqual([]);
    expect(flat(run.model)).not.toEqual(before);
    const none = await train(await options({ signal: AbortSignal.abort() }));
    expect(none.end).toMatchObject({ reason: 'interrupted', steps: 0 });
    expect(flat(none.model)).toEqual(before);
  });

  it('trains on the devices that are named, one replica each, to the same weights as on one', async () => {
    const started: string[][] = [];
    const observer = (event: RunEvent) => event.type === 'start' && started.push(event.replicas);
    const two = await train(await options({ devices: ['CPU:0', 'CPU:1'], observer }));
    const one = await train(await options({ devices: ['CPU:0'], observer }));
    expect(started).toEqual([['cpu(0)', 'cpu(1)'], ['cpu(0)']]);
    expect(two.weightsSha256).toBe(one.weightsSha256);
    await expect(train(await options({ devices: ['GPU:7'] }))).rejects.toMatchObject({ exitCode: 3, code: 'NO_SUCH_DEVICE' });
  });

  it('leaves frozen parts of a model alone, nested ones too', async () => {
    const base = tf.sequential({
      name: 'base',
      layers: [
        tf.layers.dense({ name: 'b1', units: 4, inputShape: [2], activation: 'tanh' }),
        tf.layers.dense({ name: 'b2', units: 4 }),
      ],
    });
    base.trainable = false;
    const transfer = tf.sequential({ name: 'transfer/../x', layers: [base, tf.layers.dense({ name: 'head', units: 2 })] });
    const weights = () =>
      Object.fromEntries(transfer.weights.map((weight) => [weight.originalName, [...weight.read().dataSync()]]));
    const before = weights();
    const { runFolder } = await train(await options({ model: transfer, epochs: 1 }));
    const after = weights();
    for (const name of ['b1/kernel', 'b1/bias', 'b2/kernel', 'b2/bias']) expect(after[name], name).toEqual(before[name]);
    for (const name of ['head/kernel', 'head/bias']) expect(after[name], name).not.toEqual(before[name]);
    // A model's name may hold anything; it does not lead out of the folder.
    expect(basename(runFolder)).toBe('transfer-..-x-001');
  });

  it('keeps to limits, and writes what it resolved', async () => {
    const run = await train(await options({ trainLimit: 5, validationLimit: 3, epochs: 1, maxSteps: 9 }));
    expect(run.end.steps).toBe(2);
    const { train: examples, validation } = JSON.parse(
      (await readFile(join(run.runFolder, 'metrics.jsonl'), 'utf8')).split('\n')[0],
    ).dataset as Record<string, number>;
    expect([examples, validation]).toEqual([5, 3]);
    await expect(train(await options({ trainLimit: 11 }))).rejects.toMatchObject({ exitCode: 4, code: 'DATA_LIMIT' });
  });

  it('refuses wrong options before anything is opened', async () => {
    const runDir = await temporaryFolder();
    const refusal = async (wrong: Record<string, unknown>): Promise<string> => {
      const given = { ...(await options({ runDir })), ...wrong } as TrainOptions;
      const error = await train(given).catch((reason: unknown) => reason);
      const { exitCode, code, message } = error as ExpectedError;
      return `${exitCode} ${code}: ${message}`;
    };
    const answers: string[] = [];
    for (const wrong of [
      { batchSize: 32 },
      { epoch: 3 },
      { lr: 0.1 },
      { epochs: 1.5 },
      { batch: 0 },
      { batch: 2 },
      { seed: -1 },
      { learningRate: Number.NaN },
      { loss: 'softmax_crossentropy' },
      { optimizer: { name: 'adam', momentumm: 0.9 } },
      { optimizer: { schedule: { name: 'step', milestones: [0] } } },
      { callbacks: { onEpochEnds: () => undefined } },
      { model: 3 },
      { model: 'resnet50' },
      { data: undefined },
      { data: { inputShape: [2] } },
      { data: { ...DATA, inputShape: [3] } },
      { devices: [] },
      { devices: 'GPU:0' },
      { gpus: '0', workers: 2 },
      { loss: 'mean_squared_error' },
    ]) {
      answers.push(`${Object.keys(wrong).join()}: ${await refusal(wrong)}`);
    }
    expect(answers).toMatchInlineSnapshot(`
      [
        "batchSize: 2 OPTION_UNKNOWN: train() has no option batchSize, did you mean batch?",
        "epoch: 2 OPTION_UNKNOWN: train() has no option epoch, did you mean epochs?",
        "lr: 2 OPTION_UNKNOWN: train() has no option lr, did you mean learningRate?",
        "epochs: 2 OPTION_INVALID: epochs must be a whole number of at least 0, found 1.5",
        "batch: 2 OPTION_INVALID: batch must be a whole number of at least 1, found 0",
        "batch: 2 BATCH_SMALLER_THAN_SHARDS: batch is 2 and shards is 3: 1 of the shards would have no example in any step",
        "seed: 2 OPTION_INVALID: seed must be a whole number of at least 0, found -1",
        "learningRate: 2 OPTION_INVALID: optimizer.learningRate must be a number, above 0, found NaN",
        "loss: 2 LOSS_UNKNOWN: no loss is called softmax_crossentropy, did you mean softmax_cross_entropy?",
        "optimizer: 2 OPTION_UNKNOWN: train() has no option optimizer.momentumm, did you mean optimizer.momentum?",
        "optimizer: 2 OPTION_INVALID: optimizer.schedule.milestones.0 must be a whole number of at least 1, found 0",
        "callbacks: 2 OPTION_UNKNOWN: train() has no option callbacks.onEpochEnds, did you mean callbacks.onEpochEnd?",
        "model: 2 OPTION_INVALID: model must be a tf.LayersModel, gluon_cnn, or a path to model.json or model.mjs, found 3",
        "model: 2 MODEL_UNKNOWN: no model "resnet50"",
        "data: 2 OPTION_INVALID: data must be { train, validation, inputShape } of typed arrays, a tf.data.Dataset, a function that makes an iterator of examples, or mnist, synthetic, idx or a path to data.mjs, found undefined",
        "data: 4 DATA_ARRAYS: arrays: train is undefined, wanted { x, y } of typed arrays",
        "data: 4 DATA_ARRAYS: sides: train.x has 20 values, not a multiple of 3: inputShape is [3]",
        "devices: 2 DEVICE_INVALID: the list of devices is empty, and a run needs at least one",
        "devices: 2 OPTION_INVALID: devices must be a list of TensorFlow's names, such as ['GPU:0', 'GPU:1'], found "GPU:0"",
        "gpus,workers: 2 GPUS_AND_WORKERS: gpus is "0" and workers is 2: workers counts replicas on the CPU, and a run is on one kind of device",
        "loss: 2 LABELS_SHAPE: the model gives 2 values per example, a label has 1 ([])",
      ]
    `);
    // Nor is anything left of the last one, whose labels were looked at by a replica, after its folder was made.
    expect(await readdir(runDir)).toEqual([]);
  });
});

it('uses the optimizer and the loss that a model is compiled with, and says what overrides them', async () => {
  const compiled = model();
  compiled.compile({ optimizer: tf.train.adam(0.02), loss: 'sparseCategoricalCrossentropy' });
  const told: string[] = [];
  const observer = (event: RunEvent): void => {
    if (event.type === 'start')
      told.push(`${event.config.optimizer.name} ${event.config.optimizer.learningRate} ${event.objective.loss}`);
    if (event.type === 'warn') told.push(event.code);
  };
  const asCompiled = { ...(await options({ model: compiled, epochs: 1, observer })), learningRate: undefined };
  await train(asCompiled);
  await train({ ...asCompiled, learningRate: 0.5, loss: 'softmax_cross_entropy' });
  expect(told).toEqual([
    'adam 0.02 sparseCategoricalCrossentropy',
    // The rate that the option says, of the optimizer that the model has.
    'adam 0.5 softmax_cross_entropy',
    'COMPILED_OVERRIDDEN',
    'COMPILED_OVERRIDDEN',
    // The memory of the run before, which this one begins without.
    'COMPILED_OVERRIDDEN',
  ]);
});

describe('callbacks', () => {
  const compiled = (): tf.Sequential => {
    const own = model();
    own.compile({ optimizer: tf.train.sgd(0.5), loss: 'sparseCategoricalCrossentropy' });
    return own;
  };

  it('are waited for: one that takes its time stops the run at the epoch it says', async () => {
    const own = compiled();
    const begun: number[] = [];
    const ended: number[] = [];
    const run = await train(
      await options({
        model: own,
        learningRate: undefined,
        epochs: 9,
        callbacks: {
          onEpochBegin: (epoch) => void begun.push(epoch),
          onEpochEnd: async (epoch) => {
            await new Promise((resolve) => setTimeout(resolve, 30));
            ended.push(epoch);
            if (epoch === 2) own.stopTraining = true;
          },
        },
      }),
    );
    expect([begun, ended]).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    expect(run.end).toMatchObject({ reason: 'stopped_early', epochs: 3, steps: 9 });
    expect(run.history).toHaveLength(3);
  });

  it('find the weights of their moment in the model, and may change them', async () => {
    const own = model();
    const seen: number[][] = [];
    const run = await train(await options({ model: own, epochs: 3, callbacks: { onEpochEnd: () => void seen.push(flat(own)) } }));
    expect(seen[0]).not.toEqual(seen[1]);
    expect(seen[2]).toEqual(flat(run.model));

    // Weights that a callback puts back: the second epoch begins where the first did, with nothing remembered of it.
    const again = model();
    const start = again.getWeights().map((weight) => weight.clone());
    const changed = await train(
      await options({
        model: again,
        epochs: 2,
        callbacks: { onEpochEnd: (epoch) => void (epoch === 0 && again.setWeights(start)) },
      }),
    );
    const once = await train(await options({ epochs: 1 }));
    expect(changed.history[0]).toEqual(once.history[0]);
    expect(flat(changed.model)).not.toEqual(flat(run.model));
    const refused = train(await options({ model: again, callbacks: { onBatchEnd: () => void again.setWeights(start) } }));
    await expect(refused).rejects.toMatchObject({ exitCode: 2, code: 'CALLBACK_WEIGHTS' });
  });

  it('change weights inside an epoch, where they are asked to, whoever keeps the weights', async () => {
    const data = { ...DATA, train: points(16, 1.7) };
    const first = flat(model());
    const moved = (weights: number[]): number => Math.max(...weights.map((value, at) => Math.abs(value - first[at])));
    /** After each of 16 steps; after the third the weights are set to those of the beginning. */
    const seenBy = async (workers: number): Promise<number[][]> => {
      const own = model();
      const start = own.getWeights().map((weight) => weight.clone());
      const seen: number[][] = [];
      const onBatchEnd = (batch: number): void => {
        seen.push(flat(own));
        if (batch === 2) own.setWeights(start);
      };
      const given = { weightsInBatchCallbacks: true, learningRate: 0.01, callbacks: { onBatchEnd } };
      await train(await options({ model: own, data, batch: 1, shards: 1, epochs: 1, workers, ...given }));
      return seen;
    };
    const seen = await seenBy(1);
    // One step from there is not as far as three are.
    expect(moved(seen[3])).toBeLessThan(moved(seen[2]));
    expect(seen).toEqual(await seenBy(2));
  });

  it('stop inside an epoch, which then has no value over the validation set', async () => {
    const own = compiled();
    const run = await train(
      await options({
        model: own,
        learningRate: undefined,
        callbacks: { onBatchEnd: (batch) => void (batch === 1 && (own.stopTraining = true)) },
      }),
    );
    expect(run.end).toMatchObject({ reason: 'stopped_early', steps: 2, epochs: 0 });
    expect(run.history.map((logs) => Object.keys(logs))).toEqual([['loss', 'acc']]);
  });

  it('set the rate of each epoch by a function', async () => {
    const rates = new Set<string>();
    const observer = (event: RunEvent): void => {
      if (event.type === 'step') rates.add(`${event.epoch} ${event.learningRate}`);
    };
    await train(await options({ epochs: 3, learningRate: (epoch, base) => base / 2 ** epoch, observer }));
    expect([...rates]).toEqual(['1 0.1', '2 0.05', '3 0.025']);
    await expect(train(await options({ learningRate: () => Number.NaN }))).rejects.toMatchObject({ code: 'LEARNING_RATE' });
  });
});
