/**
 * Owns: models of several outputs that are compiled, with a loss, metrics and a weight for each: read from Keras's files, modules and objects, on one
 * machine and in a cluster; what cannot cross to a replica is refused, whichever output it is of.
 */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluateModel } from '../../src/api/evaluate_model.js';
import { train } from '../../src/api/library.js';
import type { TrainOptions } from '../../src/api/train_options.js';
import { resolveConfig } from '../../src/cli/resolve_config.js';
import { PLACES, runAt, warningsOf, type Told } from '../support/run_anywhere.js';
import { folderOfTests } from '../support/temporary_folder.js';

const N = 6;
const folder = folderOfTests();
beforeAll(async () => {
  await tf.setBackend('cpu');
  writeFileSync(
    join(folder, 'data.mjs'),
    `const x = Float32Array.from({ length: ${N * 4} }, (_, i) => Math.sin(i));
export const train = { x, y: { kind: Int32Array.of(0, 2, 1, 1, 0, 2), size: Float32Array.from({ length: ${N * 2} }, (_, i) => Math.cos(i)) } };
export const validation = train;
export const inputShape = [4];
`,
  );
});

const KERAS = resolve('test/models/keras/keras2_heads_by_name/model.json');
const settings = (model: string, more: object = {}) => ({ model, data: join(folder, 'data.mjs'), batch: N, epochs: 1, ...more });
const given = (name: string): Record<string, string> => ({ [name]: 'run.yaml:1' });
const firstEpoch = (run: Told) => run.events.find((event) => event.type === 'epoch')?.values ?? {};

/** The Keras file's two heads in a module, compiled as it says. */
function moduleFile(name: string, compile: string): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `export function createModel(tf) {
  const dense = (units, name, seed, more = {}) => tf.layers.dense({ units, name, kernelInitializer: tf.initializers.glorotUniform({ seed }), ...more });
  const entry = tf.input({ shape: [4] });
  const body = dense(5, 'body', 1, { activation: 'tanh' }).apply(entry);
  const outputs = [dense(3, 'kind', 2, { activation: 'softmax' }).apply(body), dense(2, 'size', 3).apply(body)];
  const model = tf.model({ inputs: entry, outputs });
  ${compile}
  return model;
}`,
  );
  return path;
}

describe.each(PLACES)('on one %s', (place) => {
  it('a file of Keras’s: losses, weights and metrics as settings would say them', async () => {
    const run = await runAt(place, { settings: settings(KERAS), runDir: folder });
    const said = {
      loss: 'kind=sparseCategoricalCrossentropy, size=huber',
      loss_weights: { kind: 1, size: 0.3 },
      metrics: { kind: 'sparse_categorical_accuracy', size: ['mean_squared_error', 'mean_absolute_error'] },
    };
    expect(warningsOf(run)).toEqual([]);
    expect(Object.keys(firstEpoch(run)).filter((name) => !name.startsWith('val_'))).toEqual([
      ...['loss', 'kind_loss', 'size_loss'],
      ...['kind_sparseCategoricalAccuracy', 'size_mean_squared_error', 'size_mean_absolute_error'],
    ]);
    const { val_loss: total, val_kind_loss: kind, val_size_loss: size } = firstEpoch(run);
    expect(total).toBeCloseTo(kind + 0.3 * size, 5);
    // The run keeps what was decided: it is resumed and evaluated by that.
    const { config } = resolveConfig({ file: null, resume: run.runFolder, environment: {}, flags: [], sets: [] });
    expect(config).toMatchObject({ loss: said.loss, lossWeights: ['kind=1', 'size=0.3'] });
    const { values } = await evaluateModel({ path: run.runFolder, config, say: () => undefined });
    expect(values).toEqual(Object.fromEntries(Object.entries(firstEpoch(run)).filter(([name]) => name.startsWith('val_'))));
    if (place === 'machine') {
      const parsed = resolveConfig({
        ...{ file: null, resume: null, environment: {}, flags: [] },
        sets: [`loss_weights=${JSON.stringify(said.loss_weights)}`, `metrics=${JSON.stringify(said.metrics)}`],
      }).config;
      const more = { loss: said.loss, loss_weights: parsed.lossWeights, metrics: parsed.metrics };
      const spoken = await runAt(place, { settings: settings(KERAS, more), runDir: folder });
      expect(spoken.weights).toEqual(run.weights);
    }
  });

  it('a setting for one output stands beside the file’s of the other, and is told', async () => {
    const more = { loss: 'size=mse', loss_weights: ['size=0.5'] };
    const run = await runAt(place, { settings: settings(KERAS, more), given: given('loss'), runDir: folder });
    expect(run.events.find(({ type }) => type === 'start')).toMatchObject({
      config: { loss: expect.stringMatching(/kind=sparseCategoricalCrossentropy/) as string, lossWeights: ['size=0.5'] },
    });
    expect(warningsOf(run).join('\n')).toMatch(/COMPILED_OVERRIDDEN: .* loss .*huber.*mse/);
    expect(warningsOf(run).join('\n')).toMatch(/the loss weights kind=1, size=0.3; .* size=0.5, is used instead/);
    const { val_loss: total, val_kind_loss: kind, val_size_loss: size } = firstEpoch(run);
    expect(total).toBeCloseTo(kind + 0.5 * size, 5);
  });

  it('a module’s functions and names, a list for the outputs and lists of metrics', async () => {
    const path = moduleFile(
      'functions.mjs',
      `function near(labels, output) { return tf.mean(tf.squaredDifference(labels, output), -1); }
  function far(labels, output) { return tf.max(tf.abs(tf.sub(labels, output)), -1); }
  model.compile({ optimizer: tf.train.sgd(0.1), loss: ['sparseCategoricalCrossentropy', near], metrics: { kind: ['acc'], size: [far, 'mae'] } });`,
    );
    const named = moduleFile(
      'named.mjs',
      "model.compile({ optimizer: tf.train.sgd(0.1), loss: { size: 'meanSquaredError', kind: 'sparseCategoricalCrossentropy' } });",
    );
    const run = await runAt(place, { settings: settings(path), runDir: folder });
    const other = await runAt(place, { settings: settings(named), runDir: folder });
    for (const [name, values] of Object.entries(run.weights))
      values.forEach((value, at) => expect(Math.abs(value - other.weights[name][at])).toBeLessThan(1e-6));
    expect(Object.keys(firstEpoch(run)).slice(0, 6)).toEqual([
      ...['loss', 'kind_loss', 'size_loss', 'kind_acc', 'size_far', 'size_mae'],
    ]);
    // Functions have no name that a configuration could hold: the module is asked again.
    expect([run, other].map(({ runFolder }) => resolveConfig({ ...NOTHING, resume: runFolder }).config.loss)).toEqual([
      null,
      'kind=sparseCategoricalCrossentropy, size=mean_squared_error',
    ]);
  });
});

const NOTHING = { file: null, environment: {}, flags: [], sets: [] };

it('functions of an object are refused by the output’s name of them, unless something else is named for that output', async () => {
  const path = moduleFile('plain.mjs', '');
  const { createModel } = (await import(path)) as { createModel: (of: typeof tf) => tf.LayersModel };
  const labels = { kind: Int32Array.of(0, 2, 1, 1, 0, 2), size: new Float32Array(N * 2) };
  const attempt = async (
    compile: { readonly loss: unknown; readonly metrics?: unknown },
    more: Partial<TrainOptions> = {},
  ): Promise<string> => {
    const model = createModel(tf);
    model.compile({ optimizer: 'sgd', ...compile } as unknown as tf.ModelCompileArgs);
    const data = { train: { x: new Float32Array(N * 4), y: labels }, inputShape: [4] };
    const options = { gpus: 'none', workers: 1, threadsPerWorker: 1, epochs: 1, batch: N, runDir: folder, ...more };
    return train({ model, data, ...options }).then(
      ({ history }) => Object.keys(history[0]).join(),
      (error: { code: string; message: string }) => `${error.code}: ${error.message.split(':')[0]}`,
    );
  };
  const own = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.mean(tf.squaredDifference(a, b), -1);
  const { meanSquaredError } = tf.losses;
  const kind = 'sparseCategoricalCrossentropy';
  expect([
    await attempt({ loss: [kind, own] }),
    await attempt({ loss: { kind, size: own } }, { loss: 'kind=softmax_cross_entropy' }),
    await attempt({ loss: [kind, 'meanSquaredError'], metrics: { kind: ['acc'], size: [own] } }),
    await attempt({ loss: { kind } }),
    await attempt({ loss: { kind, size: own } }, { loss: { size: 'mse' }, lossWeights: [1, 0.5] }),
    await attempt({ loss: [kind, meanSquaredError] }, { metrics: { size: 'mae' }, lossWeights: { size: 2 } }),
  ]).toMatchInlineSnapshot(`
    [
      "FUNCTION_UNREACHABLE: the model is compiled with the loss own",
      "FUNCTION_UNREACHABLE: the model is compiled with the loss own",
      "FUNCTION_UNREACHABLE: the model is compiled with the metric own",
      "LOSS_NEEDED: kind has a loss, and size has none",
      "loss,kind_loss,size_loss,kind_acc",
      "loss,kind_loss,size_loss,size_mae",
    ]
  `);
});
