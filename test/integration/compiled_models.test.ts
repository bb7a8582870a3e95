/**
 * Owns: that a run uses what its model is compiled with, wherever the model comes from (a module, a file of tfjs or of Keras) and wherever it trains; that
 * a setting which overrides it is told; and that functions of a module's own judge as plain tfjs has them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateModel } from '../../src/api/evaluate_model.js';
import { resolveConfig } from '../../src/cli/resolve_config.js';
import { PLACES, runAt, warningsOf, type Told } from '../support/run_anywhere.js';

let folder: string;
beforeAll(async () => {
  await tf.setBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'compiled-models-'));
  writeFileSync(join(folder, 'data.mjs'), DATA);
});

afterAll(() => rm(folder, { recursive: true }));

const N = 12;
const DATA = `
const x = Float32Array.from({ length: ${N * 3} }, (_, i) => Math.sin(i));
const y = Float32Array.from({ length: ${N * 2} }, (_, i) => Math.cos(i * i));
export const train = { x, y };
export const validation = { x, y };
export const inputShape = [3];
`;
const X = Float32Array.from({ length: N * 3 }, (_, i) => Math.sin(i));
const Y = Float32Array.from({ length: N * 2 }, (_, i) => Math.cos(i * i));

/** A module with two dense layers, compiled as `compile` says. */
function moduleFile(name: string, compile: string): string {
  const path = join(folder, name);
  const layers = (of: string): string => `
  const model = ${of}.sequential({ layers: [
    ${of}.layers.dense({ name: 'a', units: 4, inputShape: [3], activation: 'tanh', kernelInitializer: ${of}.initializers.glorotUniform({ seed: 1 }) }),
    ${of}.layers.dense({ name: 'b', units: 2, kernelInitializer: ${of}.initializers.glorotUniform({ seed: 2 }) }),
  ]});`;
  writeFileSync(path, `export function createModel(tf) {${layers('tf')}\n  ${compile}\n  return model;\n}\n`);
  return path;
}

/** What plain tfjs makes of the same module: two epochs of the whole batch. */
async function truth(path: string): Promise<Record<string, number[]>> {
  const { createModel } = (await import(path)) as { createModel: (of: typeof tf) => tf.LayersModel };
  const model = createModel(tf);
  await model.fit(tf.tensor(X, [N, 3]), tf.tensor(Y, [N, 2]), { epochs: 2, batchSize: N, shuffle: false });
  return Object.fromEntries(model.weights.map((weight) => [weight.originalName, [...weight.read().dataSync()]]));
}

const settings = (model: string, more: object = {}) => ({
  ...{ model, data: join(folder, 'data.mjs'), batch: N, epochs: 2, ...more },
});

/** Two steps in float32 of tensors of at most 12 rows: some tens of roundings, far above what another optimizer would be off by. */
function expectClose({ weights }: Told, wanted: Record<string, number[]>): void {
  for (const [name, values] of Object.entries(wanted))
    values.forEach((value, at) => expect(Math.abs(weights[name][at] - value), `${name}[${at}]`).toBeLessThan(2e-6));
}

const PER_EXAMPLE = `
  function weighted(labels, output) { return tf.mean(tf.mul(tf.squaredDifference(labels, output), [1, 3]), -1); }
  function worst(labels, output) { return tf.max(tf.abs(tf.sub(labels, output)), -1); }
  model.compile({ optimizer: tf.train.adam(0.02), loss: weighted, metrics: [worst] });`;

describe.each(PLACES)('on one %s', (place) => {
  it('a module’s optimizer, loss and metrics', async () => {
    const path = moduleFile(
      'rmsprop.mjs',
      "model.compile({ optimizer: tf.train.rmsprop(0.03, 0.8), loss: 'meanAbsoluteError', metrics: ['mse'] });",
    );
    const run = await runAt(place, { settings: settings(path), runDir: folder });
    expect(run.config.optimizer).toMatchObject({ name: 'rmsprop', learningRate: 0.03, rho: 0.8 });
    expect(warningsOf(run)).toEqual([]);
    expect(run.events.find(({ type }) => type === 'start')).toMatchObject({
      objective: { loss: 'meanAbsoluteError', metrics: ['mse'] },
    });
    expectClose(run, await truth(path));
    const page = readFileSync(join(run.runFolder, 'report.html'), 'utf8');
    expect(page).toContain('</html>');
    expect(page).not.toContain('<!-- classes -->');
    // config.yaml says what the run does: a resume and `evaluate` need no module to know.
    const { config } = resolveConfig({ file: null, resume: run.runFolder, environment: {}, flags: [], sets: [] });
    expect(config).toMatchObject({
      loss: 'meanAbsoluteError',
      metrics: ['mse'],
      optimizer: { name: 'rmsprop', learningRate: 0.03 },
    });
  });

  it('a module’s own functions that give one value per example, in two shards; evaluate RUN knows them', async () => {
    const path = moduleFile('functions.mjs', PER_EXAMPLE);
    const run = await runAt(place, { settings: settings(path), runDir: folder });
    expectClose(run, await truth(path));
    const { config } = resolveConfig({ file: null, resume: run.runFolder, environment: {}, flags: [], sets: [] });
    expect([config.loss, config.metrics, config.optimizer.name]).toEqual([null, null, 'adam']);
    const said: string[] = [];
    const { values } = await evaluateModel({ path: run.runFolder, config, say: (line) => said.push(line) });
    const saved = join(run.runFolder, 'checkpoints');
    const newest = readdirSync(saved)
      .filter((name) => name.startsWith('epoch-'))
      .sort()
      .at(-1);
    expect(said).toContain(
      `model    ${join(saved, String(newest))}, the newest of this run; its best epoch's is ${join(saved, 'best')}`,
    );
    const last = run.events.filter((event) => event.type === 'epoch').at(-1);
    expect(Object.keys(values).sort()).toEqual(['val_loss', 'val_worst']);
    expect(values.val_loss).toBe(last?.values.val_loss);
  });

  it('a module’s function of the whole batch, with one shard alone', async () => {
    const path = moduleFile(
      'whole.mjs',
      "model.compile({ optimizer: 'sgd', loss: (labels, output) => tf.losses.meanSquaredError(labels, output) });",
    );
    const refused = runAt(place, { settings: settings(path), runDir: folder });
    await expect(refused).rejects.toMatchObject({
      code: 'NOT_PER_EXAMPLE',
      next: expect.stringContaining('--shards 1') as string,
    });
    expectClose(await runAt(place, { settings: settings(path, { shards: 1 }), runDir: folder }), await truth(path));
  });

  it('tells which setting stands against the module, and refuses an optimizer that it does not know', async () => {
    const path = moduleFile('overridden.mjs', "model.compile({ optimizer: tf.train.adam(0.02), loss: 'meanSquaredError' });");
    const more = { loss: 'huber', optimizer: { learning_rate: 0.5 } };
    const given = { 'optimizer.learning_rate': 'flag --lr' };
    const run = await runAt(place, { settings: settings(path, more), given, runDir: folder });
    expect(warningsOf(run)).toEqual([
      "COMPILED_OVERRIDDEN: the model is compiled with the loss meanSquaredError; the run's setting loss, huber, is used instead",
      "COMPILED_OVERRIDDEN: the model's optimizer Adam is compiled with learningRate 0.02; optimizer.learning_rate (flag --lr) is used instead: 0.5",
    ]);
    expect(run.config.optimizer).toMatchObject({ name: 'adam', learningRate: 0.5 });

    const own = moduleFile(
      'own.mjs',
      `class Mine extends tf.SGDOptimizer { static get className() { return 'Mine'; } getClassName() { return 'Mine'; } }
       model.compile({ optimizer: new Mine(0.1), loss: 'meanSquaredError' });`,
    );
    await expect(runAt(place, { settings: settings(own), runDir: folder })).rejects.toMatchObject({
      code: 'OPTIMIZER_UNSUPPORTED',
    });
    const named = await runAt(place, { settings: settings(own), given: { 'optimizer.name': 'run.yaml:3' }, runDir: folder });
    expect(warningsOf(named)).toEqual([
      'COMPILED_OVERRIDDEN: the model is compiled with the optimizer Mine; optimizer.name (run.yaml:3) is used instead: sgd',
    ]);
  });

  it('the trainingConfig of a file that tfjs saved with its optimizer', async () => {
    const path = moduleFile(
      'saved.mjs',
      "model.compile({ optimizer: tf.train.momentum(0.05, 0.8), loss: 'meanAbsoluteError', metrics: ['mse'] });",
    );
    const { createModel } = (await import(path)) as { createModel: (of: typeof tf) => tf.LayersModel };
    const file = join(folder, 'saved.json');
    const save = async ({ modelTopology, weightSpecs, weightData, trainingConfig }: tf.io.ModelArtifacts) => {
      writeFileSync(join(folder, 'saved.bin'), Buffer.from(weightData as ArrayBuffer));
      const weightsManifest = [{ paths: ['saved.bin'], weights: weightSpecs }];
      writeFileSync(file, JSON.stringify({ modelTopology, weightsManifest, trainingConfig }));
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } } as tf.io.SaveResult);
    };
    await createModel(tf).save(tf.io.withSaveHandler(save), { includeOptimizer: true });
    const run = await runAt(place, { settings: settings(file), runDir: folder });
    expect(run.config.optimizer).toMatchObject({ name: 'sgd', learningRate: 0.05, momentum: 0.8 });
    expect(run.events.find(({ type }) => type === 'start')).toMatchObject({
      objective: { loss: 'meanAbsoluteError', metrics: ['mse'] },
    });
    expectClose(run, await truth(path));
  });
});
