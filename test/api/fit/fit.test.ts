/**
 * Owns: fit() on real replicas beside tfjs's own model.fit: histories, logs, order of callbacks, calls that follow each other.
 * The programs in examples/migrate are compared in test/integration/migrate.test.ts.
 */
import { readdir, readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, it } from 'vitest';
import { fit, release, type FitOptions } from '../../../src/index.js';
import { temporaryFolder } from '../../support/temporary_folder.js';

const ROWS = 50;
const X = tf.tensor2d(
  Float32Array.from({ length: ROWS * 2 }, (_, i) => Math.sin(i * 1.3)),
  [ROWS, 2],
);
const SIDES = (X.arraySync() as number[][]).map(([a, b]) => (a + b > 0 ? 1 : 0));
const Y = tf.oneHot(tf.tensor1d(SIDES, 'int32'), 2);
const OTHER = tf.oneHot(
  tf.tensor1d(
    SIDES.map((side) => 1 - side),
    'int32',
  ),
  2,
);

function model(optimizer: tf.Optimizer = tf.train.adam(0.02)): tf.Sequential {
  const dense = (units: number, more: object): tf.layers.Layer =>
    tf.layers.dense({ name: `of_${units}`, units, kernelInitializer: tf.initializers.glorotUniform({ seed: units }), ...more });
  const made = tf.sequential({
    name: 'sides',
    layers: [dense(4, { activation: 'tanh', inputShape: [2] }), dense(2, { activation: 'softmax' })],
  });
  made.compile({ optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return made;
}

const QUIET: FitOptions = { devices: ['CPU:0'], threadsPerWorker: 1, verbose: 0 };
const IN_ORDER: FitOptions = { ...QUIET, shuffle: false };
const flat = (of: tf.LayersModel): number[] => of.getWeights().flatMap((weight) => [...weight.dataSync()]);

function expectClose(found: tf.History['history'], wanted: tf.History['history']): void {
  expect(Object.keys(found)).toEqual(Object.keys(wanted));
  for (const [name, values] of Object.entries(wanted))
    values.forEach((value, at) => expect(found[name][at], `${name} ${at}`).toBeCloseTo(value as number, 4));
}

/** Every call of a callback, with the keys of its logs. */
function recorder(): { calls: string[]; callbacks: tf.CustomCallbackArgs } {
  const calls: string[] = [];
  const tell = (what: string) => (at?: unknown, logs?: object) =>
    void calls.push([what, typeof at === 'number' ? at : '', ...Object.keys(logs ?? {})].join(' '));
  return {
    calls,
    callbacks: {
      onTrainBegin: tell('train begins'),
      onEpochBegin: (at) => tell('epoch begins')(at),
      onBatchBegin: (at) => tell('batch begins')(at),
      onBatchEnd: tell('batch ends'),
      onEpochEnd: tell('epoch ends'),
      onTrainEnd: tell('train ends'),
    },
  };
}

afterAll(() => release());

describe('fit()', () => {
  it("gives tfjs's history, logs and calls, call after call, with the optimizer's memory", async () => {
    const [theirs, ours] = [model(), model()];
    const [a, b] = [recorder(), recorder()];
    const asked = { epochs: 2, shuffle: false, validationSplit: 0.25 };
    const wanted = await theirs.fit(X, Y, { ...asked, callbacks: a.callbacks });
    const found = await fit(ours, X, Y, { ...IN_ORDER, ...asked, callbacks: b.callbacks });
    expectClose(found.history, wanted.history);
    expect(found.epoch).toEqual(wanted.epoch);
    expect(b.calls).toEqual(a.calls);
    expect(found).toBeInstanceOf(tf.History);
    expect(found.run).toMatchObject({ runFolder: null, end: { reason: 'done', steps: 4 } });

    // Adam's moments go on, and so does the count of its steps.
    const more = { ...asked, epochs: 3, initialEpoch: 2, validationSplit: 0 };
    const wantedMore = await theirs.fit(X, Y, more);
    const foundMore = await fit(ours, X, Y, { ...IN_ORDER, ...more });
    expectClose(foundMore.history, wantedMore.history);
    expect(foundMore.epoch).toEqual([2]);
    // tfjs alone has no handler of file:// in Node.
    const url = `file://${await temporaryFolder()}/saved`;
    await ours.save(url);
    const loaded = await tf.loadLayersModel(`${url}/model.json`);
    expect([...(loaded.predict(X) as tf.Tensor).dataSync()]).toEqual([...(ours.predict(X) as tf.Tensor).dataSync()]);
    (flat(theirs) as number[]).forEach((value, at) => expect(flat(ours)[at]).toBeCloseTo(value, 4));
  });

  it('draws the orders of one call of two epochs in two calls of one', async () => {
    const [once, twice] = [model(), model()];
    const whole = await fit(once, X, Y, { ...QUIET, epochs: 2, batchSize: 8 });
    await fit(twice, X, Y, { ...QUIET, batchSize: 8 });
    const second = await fit(twice, X, Y, { ...QUIET, batchSize: 8 });
    expect(second.run.weightsSha256).toBe(whole.run.weightsSha256);
    expect(flat(twice)).toEqual(flat(once));
    // A model that is compiled anew begins its optimizer anew.
    twice.compile({ optimizer: tf.train.adam(0.02), loss: 'categoricalCrossentropy' });
    const anew = await fit(twice, X, Y, { ...QUIET, batchSize: 8 });
    expect(anew.run.end.steps).toBe(7);
    expect(Object.keys(anew.history)).toEqual(['loss']);
  });

  it('takes callbacks of every kind, and what they make of the logs', async () => {
    const own = model(tf.train.sgd(1e-9));
    const { calls, callbacks } = recorder();
    const numbers: string[] = [];
    class Lone extends tf.Callback {
      override onEpochEnd(_: number, logs?: tf.Logs): Promise<void> {
        numbers.push(typeof logs?.loss);
        if (logs) logs.added = 7;
        return Promise.resolve();
      }
    }
    const { history } = await fit(own, X, Y, {
      ...IN_ORDER,
      epochs: 9,
      batchSize: ROWS,
      validationData: [X, Y],
      callbacks: [new Lone(), callbacks, tf.callbacks.earlyStopping({ monitor: 'val_loss', minDelta: 0.1 })],
    });
    // The first epoch is the best there is; the second is no better, and patience is 0.
    expect(history.val_loss).toHaveLength(2);
    expect(history.added).toEqual([7, 7]);
    expect(numbers).toEqual(['number', 'number']);
    expect(calls.at(-1)).toBe('train ends ');
  });

  it('takes typed and nested arrays for what tensors of them are', async () => {
    const nested = X.arraySync() as number[][];
    const hashes = new Set<string>();
    const typed = X.dataSync() as Float32Array;
    const targets = Y.toFloat();
    for (const [x, y] of [
      [X, targets],
      [typed, targets.dataSync()],
      [nested, targets.arraySync() as number[][]],
      [nested.map((row) => Float64Array.from(row)), targets],
    ] as const) {
      const own = model();
      hashes.add((await fit(own, x, y, { ...QUIET, epochs: 1 })).run.weightsSha256);
      await release(own);
    }
    expect(hashes.size).toBe(1);
  });

  it('goes on from the weights that onTrainBegin puts into the model', async () => {
    const histories: tf.History['history'][] = [];
    for (const ours of [false, true]) {
      const own = model();
      const put = (): void => own.setWeights(own.getWeights().map((weight) => weight.mul(0.25)));
      const asked = { batchSize: 8, epochs: 2, shuffle: false, callbacks: { onTrainBegin: put } };
      histories.push(
        (ours ? await fit(own, X, Y, { ...QUIET, ...asked }) : await own.fit(X, Y, { ...asked, verbose: 0 })).history,
      );
    }
    expectClose(histories[1], histories[0]);
  });

  it('follows the rate that a callback gives the optimizer', async () => {
    const rates: number[] = [];
    const own = model();
    await fit(own, X, Y, {
      ...QUIET,
      epochs: 3,
      callbacks: {
        onEpochEnd: (epoch) => void ((own.optimizer as unknown as { learningRate: number }).learningRate = epoch + 1),
      },
      observer: (event) => void (event.type === 'step' && rates.push(event.learningRate)),
    });
    expect([...new Set(rates)]).toEqual([0.02, 1, 2]);
  });

  it("gives the best epoch's weights back where early stopping ends it, and lowers the rate on the way", async () => {
    const own = model();
    const seen: number[][] = [];
    const rates = new Set<number>();
    const { history, run } = await fit(own, X, Y, {
      ...IN_ORDER,
      epochs: 9,
      validationData: [X, Y],
      earlyStopping: { patience: 3, monitor: 'val_loss', restoreBest: true },
      reduceOnPlateau: { patience: 1, factor: 0.5, monitor: 'val_loss' },
      // Far too high a rate after the second epoch.
      learningRate: (epoch) => (epoch < 2 ? 0.02 : 50),
      callbacks: { onEpochEnd: () => void seen.push(flat(own)) },
      observer: (event) => void (event.type === 'step' && rates.add(event.learningRate)),
    });
    const losses = history.val_loss as number[];
    expect(run.end).toMatchObject({ reason: 'stopped_early', epochs: losses.length });
    const best = losses.indexOf(Math.min(...losses));
    expect(losses).toHaveLength(best + 4);
    expect(flat(own)).toEqual(seen[best]);
    expect([...rates]).toContain(25);
  });

  it('goes on with a run that was stopped, to the bits of the undisturbed one', async () => {
    const asked = { ...QUIET, batchSize: 8, epochs: 2, earlyStopping: { patience: 5 } };
    const wanted = await fit(model(), X, Y, asked);
    const stop = new AbortController();
    const first = await fit(model(), X, Y, {
      ...{ ...asked, runDir: await temporaryFolder(), signal: stop.signal },
      observer: (event) => void (event.type === 'step' && event.step === 3 && stop.abort()),
    });
    const resume = first.run.runFolder!;
    expect(first.run.end).toMatchObject({ reason: 'interrupted', steps: 3 });
    const again = model();
    await expect(fit(again, X, Y, { ...asked, resume, callbacks: {} })).rejects.toMatchObject({ code: 'CALLBACKS_NOT_RESUMED' });
    await expect(fit(again, X, OTHER, { ...asked, resume })).rejects.toMatchObject({ code: 'RESUME_DATA_DIFFERS' });
    await expect(fit(again, X, Y, { ...asked, batchSize: 9, resume })).rejects.toMatchObject({ code: 'RESUME_CONFIG_DIFFERS' });
    const resumed = await fit(again, X, Y, { ...asked, resume });
    expect(resumed.run.weightsSha256).toBe(wanted.run.weightsSha256);
    expect(resumed.history).toEqual(wanted.history);
    // Made longer, the run keeps that.
    const longer = await fit(again, X, Y, { ...asked, epochs: 3, resume });
    expect(longer.epoch).toEqual([2]);
    expect(await readFile(`${resume}/config.yaml`, 'utf8')).toMatch(/^epochs: 3/m);
  });

  it('draws other orders after a resumed run than it drew', async () => {
    const asked = { ...QUIET, batchSize: 8 };
    const whole = await fit(model(), X, Y, { ...asked, epochs: 3 });
    const own = model();
    // Two calls of one epoch, the second in a folder: its order has the key of a second epoch.
    await fit(own, X, Y, asked);
    const first = await fit(own, X, Y, { ...asked, runDir: await temporaryFolder() });
    const again = model();
    const resume = first.run.runFolder!;
    await fit(again, X, Y, { ...asked, epochs: 1, resume });
    const third = await fit(again, X, Y, asked);
    expect(third.run.weightsSha256).toBe(whole.run.weightsSha256);
  });

  it('after a call that failed begins from the weights that the model has now', async () => {
    const [own, fresh] = [model(), model()];
    own.setWeights(own.getWeights().map((weight) => weight.mul(NaN)));
    await expect(fit(own, X, Y, QUIET)).rejects.toMatchObject({ code: 'NON_FINITE' });
    own.setWeights(fresh.getWeights());
    const after = await fit(own, X, Y, { ...QUIET, shuffle: false });
    expect(after.run.weightsSha256).toBe((await fit(fresh, X, Y, { ...QUIET, shuffle: false })).run.weightsSha256);
  });

  it('leaves nothing on the disk but where runDir says', async () => {
    const runDir = await temporaryFolder();
    const { run } = await fit(model(), X, Y, { ...QUIET, runDir, name: 'mine' });
    expect(await readdir(runDir)).toEqual(['mine']);
    expect(run.runFolder).toBe(`${runDir}/mine`);
    expect(await readdir(`${runDir}/mine`)).toContain('metrics.jsonl');
  });

  it('ends with what a callback throws, the model trained so far', async () => {
    const own = model();
    let seen: number[] = [];
    const failing = fit(own, X, Y, {
      ...QUIET,
      epochs: 9,
      callbacks: {
        onEpochEnd: (epoch) => {
          if (epoch < 1) return;
          seen = flat(own);
          throw new RangeError('enough');
        },
      },
    });
    await expect(fit(own, X, Y, QUIET)).rejects.toMatchObject({ code: 'FIT_BUSY' });
    await expect(own.fit(X, Y)).rejects.toThrow(/another fit\(\) call/);
    await expect(failing).rejects.toThrow(new RangeError('enough'));
    expect(seen.length).toBeGreaterThan(0);
    expect(flat(own)).toEqual(seen);
    expect((await fit(own, X, Y, QUIET)).epoch).toEqual([0]);
    // Before a batch: it is not computed any more.
    const steps: number[] = [];
    const inBatch = fit(own, X, Y, {
      ...QUIET,
      observer: (event) => void (event.type === 'step' && steps.push(event.stepInEpoch)),
      callbacks: {
        onBatchBegin: (batch) => {
          if (batch === 1) throw new RangeError('no more');
        },
      },
    });
    await expect(inBatch).rejects.toThrow(new RangeError('no more'));
    expect(steps).toEqual([1]);
  });

  it('refuses what it cannot do, before anything is opened', async () => {
    const bare = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] });
    const two = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] });
    two.compile({ optimizer: 'sgd', loss: (a, b) => tf.losses.meanSquaredError(a, b) });
    const answers: string[] = [];
    for (const [own, x, y, options] of [
      [bare, X, Y, {}],
      [3, X, Y, {}],
      [model(), X, Y, { batch_size: 3 }],
      [model(), X, Y, { stepsPerEpoch: 3 }],
      [model(), X, Y, { sampleWeight: X }],
      [model(), X, Y, { epochs: 0.5 }],
      [model(), X, Y, { verbose: 3 }],
      [model(), X, Y, { learningRate: 3 }],
      [model(), X, Y, { validationSplit: 1 }],
      [model(), X, Y, { validationSplit: 0.99 }],
      [model(), X, Y, { validationData: [X] }],
      [model(), X, Y, { callbacks: { onEpochEnds: () => undefined } }],
      [model(), X, Y, { callbacks: 'stop' }],
      [model(), X, tf.ones([3, 2]), {}],
      [model(), [[1, 2], [3]], Y, {}],
      [model(), [1, 2, 'three'], Y, {}],
      [model(), new Float32Array(5), Y, {}],
      [model(), tf.tensor1d(['a']), Y, {}],
      [model(), new BigInt64Array(4), Y, {}],
      [model(), Promise.resolve(X), Y, {}],
      [model(), X, tf.data.array([1]), {}],
      [model(), new Map([['x', X]]), Y, {}],
      [two, X, Y, {}],
    ] as unknown[][] as Parameters<typeof fit>[]) {
      const error = await fit(own, x, y, { ...QUIET, ...options }).catch((reason: unknown) => reason);
      const { code, message } = error as { code: string; message: string };
      answers.push(`${code}: ${message}`);
    }
    expect(answers).toMatchInlineSnapshot(`
      [
        "MODEL_NOT_COMPILED: fit() trains with the optimizer, loss and metrics that the model is compiled with, and this one is not compiled",
        "OPTION_INVALID: fit() takes a tf.LayersModel, found number",
        "OPTION_UNKNOWN: fit() has no option batch_size",
        "OPTION_REFUSED: fit() does not take stepsPerEpoch: fit ignores it in tfjs; fitDataset has batchesPerEpoch",
        "DATA_ARRAYS: sampleWeight is [50, 2], wanted [50]: one weight for each example",
        "OPTION_INVALID: epochs must be a whole number of at least 0, found 0.5",
        "OPTION_INVALID: verbose must be 0, 1 or 2, found 3",
        "OPTION_INVALID: learningRate must be a function of the epoch; a number is the compiled optimizer's, found 3",
        "OPTION_INVALID: validationSplit must be a fraction of at least 0 and below 1, found 1",
        "OPTION_INVALID: validationSplit 0.99 of 50 rows leaves none to train on",
        "DATA_ARRAYS: validationData is not [x, y]; weights of validation examples are not taken",
        "OPTION_UNKNOWN: fit() has no option callbacks.onEpochEnds, did you mean callbacks.onEpochEnd?",
        "OPTION_INVALID: callbacks must be an object of functions, a tf.Callback, or a list of them, found "stop"",
        "DATA_ARRAYS: x has 50 rows, y 3",
        "DATA_ARRAYS: x is ragged: a list of 1 where others have 2",
        "DATA_ARRAYS: x has string where others have a number",
        "DATA_ARRAYS: x has 5 values, not a multiple of 2: a row is [2]",
        "DATA_ARRAYS: x holds string, wanted numbers",
        "DATA_ARRAYS: x is a BigInt64Array, wanted an array of numbers",
        "DATA_ARRAYS: x is a promise: await it first",
        "DATA_ARRAYS: y is a dataset, which fitDataset(model, dataset, options) takes",
        "DATA_ARRAYS: x is a Map, wanted a record: { name: rows }",
        "FUNCTION_UNREACHABLE: the model is compiled with the loss loss: replicas run in threads and on other machines, where a function of this program cannot be sent",
      ]
    `);
  });
});
