/** Owns: what an optimizer remembers, handed from fit() to tfjs's own model.fit, to a saved model, and back. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, it } from 'vitest';
import { fit, release, train, type FitOptions } from '../../../src/index.js';
import { temporaryFolder } from '../../support/temporary_folder.js';

const ROWS = 24;
const X = tf.tensor2d(
  Float32Array.from({ length: ROWS * 3 }, (_, i) => Math.sin(i * 1.3)),
  [ROWS, 3],
);
const Y = tf.tensor2d(
  Float32Array.from({ length: ROWS }, (_, i) => Math.cos(i)),
  [ROWS, 1],
);
const ASKED = { batchSize: 8, epochs: 1, shuffle: false, verbose: 0 } as const;
const OURS: FitOptions = { ...ASKED, devices: ['CPU:0'], threadsPerWorker: 1 };

const OPTIMIZERS: Record<string, () => tf.Optimizer> = {
  sgd: () => tf.train.sgd(0.1),
  momentum: () => tf.train.momentum(0.05, 0.9),
  nesterov: () => tf.train.momentum(0.05, 0.9, true),
  'no momentum': () => tf.train.momentum(0.05, 0),
  adagrad: () => tf.train.adagrad(0.1),
  adadelta: () => tf.train.adadelta(0.1, 0.9),
  adam: () => tf.train.adam(0.05),
  adamax: () => tf.train.adamax(0.05, 0.9, 0.99, undefined, 0.1),
  rmsprop: () => tf.train.rmsprop(0.01),
  'rmsprop with momentum': () => tf.train.rmsprop(0.01, 0.9, 0.8),
  'centered rmsprop': () => tf.train.rmsprop(0.01, 0.9, 0.8, 1e-12, true),
};
const REMEMBER = Object.keys(OPTIMIZERS).filter((name) => !['sgd', 'no momentum', 'adadelta'].includes(name));

function model(optimizer: tf.Optimizer): tf.Sequential {
  const dense = (name: string, units: number, more: object): tf.layers.Layer =>
    tf.layers.dense({ name, units, kernelInitializer: tf.initializers.glorotUniform({ seed: units }), ...more });
  const made = tf.sequential({
    layers: [dense('first', 4, { activation: 'tanh', inputShape: [3] }), dense('last', 1, {})],
  });
  made.compile({ optimizer, loss: 'meanSquaredError' });
  return made;
}

const flat = (of: tf.LayersModel): number[] => of.getWeights().flatMap((weight) => [...weight.dataSync()]);
const farthest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, at) => Math.abs(value - b[at])));
const theirs = async (of: tf.LayersModel): Promise<void> => void (await of.fit(X, Y, ASKED));
const ours = async (of: tf.LayersModel): Promise<void> => void (await fit(of, X, Y, OURS));

async function reloaded(of: tf.LayersModel): Promise<tf.LayersModel> {
  const url = `file://${await temporaryFolder()}/saved`;
  await of.save(url, { includeOptimizer: true });
  return tf.loadLayersModel(`${url}/model.json`);
}

afterAll(() => release());

describe.each(Object.entries(OPTIMIZERS))('%s', (name, optimizer) => {
  it('goes on in calls of fit() and model.fit in turns as in calls of one of them', async () => {
    const [alone, mixed, anew] = [model(optimizer()), model(optimizer()), model(optimizer())];
    for (const step of [theirs, theirs, theirs, theirs]) await step(alone);
    for (const step of [ours, theirs, ours, theirs]) await step(mixed);
    for (const step of [theirs, theirs, theirs, theirs]) {
      await step(anew);
      anew.compile({ optimizer: optimizer(), loss: 'meanSquaredError' });
    }
    expect(farthest(flat(mixed), flat(alone))).toBeLessThan(1e-5);
    expect(mixed.optimizer.iterations).toBe(alone.optimizer.iterations);
    // What would show if nothing were remembered.
    expect(farthest(flat(anew), flat(alone)) > 1e-3).toBe(REMEMBER.includes(name));
  });

  it.skipIf(name === 'adamax')('is in a saved model, of which both go on', async () => {
    const [alone, saved] = [model(optimizer()), model(optimizer())];
    await theirs(alone);
    await ours(saved);
    const [first, second] = [await reloaded(saved), await reloaded(saved)];
    const names = async (of: tf.LayersModel): Promise<string[]> =>
      (await of.optimizer.getWeights()).map((weight) => `${weight.name.replace(/_\d+\//, '/')} ${weight.tensor.shape}`);
    if (name !== 'no momentum') expect(await names(saved)).toEqual(await names(alone));
    await theirs(alone);
    await theirs(first);
    await ours(second);
    expect(farthest(flat(first), flat(alone))).toBeLessThan(1e-5);
    expect(farthest(flat(second), flat(alone))).toBeLessThan(1e-5);
  });
});

it('in calls of fit() alone is the same to the bit whether they share replicas, a file lies between them, or neither', async () => {
  const hashes = new Set<string>();
  for (const between of [
    (of: tf.LayersModel) => Promise.resolve(of),
    async (of: tf.LayersModel) => (await release(of), of),
    reloaded,
  ]) {
    const own = model(tf.train.adam(0.05));
    await ours(own);
    hashes.add((await fit(await between(own), X, Y, OURS)).run.weightsSha256);
  }
  expect(hashes.size).toBe(1);
});

it('belongs to its weights: freezing a layer leaves that of the others', async () => {
  const own = model(tf.train.momentum(0.05, 0.9));
  await ours(own);
  const accumulations = (): Record<string, number[]> => {
    const { accumulations: all } = own.optimizer as unknown as {
      accumulations: { originalName: string; variable: tf.Variable }[];
    };
    return Object.fromEntries(
      all.map(({ originalName, variable }) => [originalName.replace(/_\d+\//, '/'), [...variable.dataSync()]]),
    );
  };
  const lastBias = (): number => own.layers[1].getWeights()[1].dataSync()[0];
  const [before, biasBefore] = [accumulations(), lastBias()];
  own.layers[0].trainable = false;
  // The same optimizer: tfjs's own steps would give the last layer the first one's.
  own.compile({ optimizer: own.optimizer, loss: 'meanSquaredError' });
  const errors = own.predict(X) as tf.Tensor;
  const gradient = errors.sub(Y).mean().mul(2).dataSync()[0];
  const { run } = await fit(own, X, Y, { ...OURS, batchSize: ROWS });
  expect(run.end.steps).toBe(4);
  const after = accumulations();
  const first = ['first/kernel/momentum', 'first/bias/momentum'];
  expect(Object.keys(after)).toEqual(['last/kernel/momentum', 'last/bias/momentum', ...first]);
  for (const name of first) expect(after[name]).toEqual(before[name]);
  const velocity = 0.9 * before['last/bias/momentum'][0] + gradient;
  expect(after['last/bias/momentum'][0]).toBeCloseTo(velocity, 5);
  expect(lastBias()).toBeCloseTo(biasBefore - 0.05 * velocity, 5);
  expect(Math.abs(before['last/bias/momentum'][0])).toBeGreaterThan(0.01);
});

it('of a frozen layer waits until it is trained again, as with model.fit', async () => {
  const trained: number[][] = [];
  for (const steps of [
    [theirs, theirs, theirs],
    [theirs, ours, theirs],
    [ours, ours, ours],
  ]) {
    const own = model(tf.train.momentum(0.05, 0.9));
    const optimizer = own.optimizer;
    await steps[0](own);
    for (const [at, trainable] of [false, true].entries()) {
      own.layers[1].trainable = trainable;
      own.compile({ optimizer, loss: 'meanSquaredError' });
      await steps[at + 1](own);
    }
    trained.push(own.layers.flatMap((layer) => layer.getWeights().flatMap((weight) => [...weight.dataSync()])));
  }
  expect(farthest(trained[1], trained[0])).toBeLessThan(1e-5);
  expect(farthest(trained[2], trained[0])).toBeLessThan(1e-5);
});

it('of a file goes by place where its names have other numbers', async () => {
  const [own, wanted] = [model(tf.train.momentum(0.05, 0.9)), model(tf.train.momentum(0.05, 0.9))];
  await theirs(own);
  await theirs(wanted);
  // As of a program that had another layer of the last one's name.
  const saved = await own.optimizer.getWeights();
  const elsewhere = saved.map(({ name, tensor }) => ({
    name: name.replace(/^(last\/[a-z]+)(_\d+)?/, '$1_77'),
    tensor: tensor.clone(),
  }));
  await own.optimizer.setWeights(elsewhere);
  await ours(own);
  await theirs(wanted);
  expect(farthest(flat(own), flat(wanted))).toBeLessThan(1e-5);
});

it('takes a sequential model that model.fit is training for busy', async () => {
  const own = model(tf.train.sgd(0.1));
  const running = own.fit(X, Y, { ...ASKED, epochs: 3 });
  await expect(fit(own, X, Y, OURS)).rejects.toMatchObject({ code: 'FIT_BUSY' });
  await running;
});

it('begins anew with a new optimizer, and so do the drawn orders', async () => {
  const own = model(tf.train.sgd(0.1));
  const before = own.getWeights().map((weight) => weight.clone());
  const hashes = new Set<string>();
  for (let call = 0; call < 2; call += 1) {
    own.setWeights(before);
    own.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    hashes.add((await fit(own, X, Y, { ...OURS, shuffle: true, epochs: 2 })).run.weightsSha256);
  }
  expect(hashes.size).toBe(1);
});

it('of an optimizer that two models share is not taken for the other one', async () => {
  const shared = tf.train.momentum(0.05, 0.9);
  const [first, second, alone] = [model(shared), model(shared), model(tf.train.momentum(0.05, 0.9))];
  await ours(first);
  await ours(second);
  await ours(alone);
  expect(flat(second)).toEqual(flat(alone));
});

it('stays as it was where a call fails', async () => {
  const own = model(tf.train.adam(0.05));
  await ours(own);
  const values = (): Promise<number[][]> =>
    own.optimizer.getWeights().then((all) => all.map(({ tensor }) => [...tensor.dataSync()]));
  const before = await values();
  await expect(fit(own, X, tf.fill([ROWS, 1], 3e38), OURS)).rejects.toMatchObject({ code: 'NON_FINITE' });
  expect(await values()).toEqual(before);
});

it('leaves no tensors behind: of each weight one per slot', async () => {
  const own = model(tf.train.adam(0.05));
  const before = tf.memory().numTensors;
  for (let call = 0; call < 3; call += 1) await ours(own);
  expect(tf.memory().numTensors).toBe(before + 8);
});

it('after train() is that of the run, where the run was by the optimizer of the model', async () => {
  const data = { train: { x: X.dataSync(), y: Y.dataSync() }, inputShape: [3], labelShape: [1] } as never;
  const runDir = await temporaryFolder();
  const options = { data, batch: 8, epochs: 1, workers: 1, threadsPerWorker: 1, runDir };
  const [own, other, whole] = [model(tf.train.adam(0.05)), model(tf.train.adam(0.05)), model(tf.train.adam(0.05))];
  const first = await train({ ...options, model: own });
  expect(own.optimizer.iterations).toBe(3);
  await train({ ...options, model: other, optimizer: { name: 'sgd' } });
  expect(other.optimizer.iterations).toBe(0);
  const plain = model(tf.train.momentum(0.05, 0.9));
  await train({ ...options, model: plain, optimizer: { momentum: 0 } });
  expect(plain.optimizer.iterations).toBe(0);
  await train({ ...options, model: whole, epochs: 2 });
  await train({ data, model: own, resume: first.runFolder, epochs: 2 });
  const state = async (of: tf.LayersModel): Promise<number[]> =>
    (await of.optimizer.getWeights()).flatMap(({ tensor }) => [...tensor.dataSync()]);
  const [count, ...moments] = await state(own);
  expect([count, ...moments]).toEqual(await state(whole));
  expect(count).toBe(6);
  expect(moments.every((moment) => moment !== 0)).toBe(true);
});
