/**
 * Owns: what `init` writes: models that take and answer what the data have, settings that are read, and never over a file.
 */
import * as tf from '@tensorflow/tfjs';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { initCommand } from '../../src/cli/commands/init.js';
import type { CommandContext } from '../../src/cli/context.js';
import { createProgram } from '../../src/cli/program.js';
import { resolveConfig } from '../../src/cli/resolve_config.js';
import { loadDataset } from '../../src/data/load.js';
import type { DataFacts } from '../../src/init/data_facts.js';
import { MODULE_FACTS, projectFiles } from '../../src/init/project.js';
import { captureStream } from '../support/capture_stream.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const init = async (args: readonly string[]): Promise<string> => (await initialize(args)).stdout;

async function initialize(args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const [stdout, stderr] = [captureStream(), captureStream()];
  const context = {
    environment: {},
    stdout,
    stderr,
    warn: () => undefined,
    finish: () => undefined,
  } as unknown as CommandContext;
  await createProgram(context, [initCommand(context, () => Promise.resolve(loadDataset))]).parseAsync(['init', ...args], {
    from: 'user',
  });
  return { stdout: stdout.text(), stderr: stderr.text() };
}

const settingsOf = (file: string) => resolveConfig({ file, resume: null, environment: {}, flags: [], sets: [] }).config;

/** The model that was written for such data. */
async function modelFor(facts: Partial<DataFacts>): Promise<tf.LayersModel> {
  const request = { data: './d.npz', inputs: null, labels: null, validationFile: null, facts: { ...MODULE_FACTS, ...facts } };
  const text = projectFiles(request).find(({ name }) => name === 'model.mjs')?.text ?? '';
  const path = join(await temporaryFolder(), 'model.mjs');
  writeFileSync(path, text);
  const { createModel } = (await import(pathToFileURL(path).href)) as { createModel: (of: typeof tf) => tf.LayersModel };
  return createModel(tf);
}

const classes = (count: number) => [{ name: 'y', size: 1, classes: count }];
const PICTURE_LAYERS = [
  ...['Conv2D', 'BatchNormalization', 'ReLU', 'MaxPooling2D', 'Conv2D', 'BatchNormalization', 'ReLU', 'GlobalAveragePooling2D'],
  ...['Dense', 'Dense'],
];
const input = (...shape: number[]) => [{ name: 'x', shape }];

describe('a model that is written', () => {
  it.each<[string, Partial<DataFacts>, string[]]>([
    ['a table', { inputs: input(4), targets: classes(3) }, ['BatchNormalization', 'Dense', 'Dense', 'Dense']],
    ['gray images', { inputs: input(28, 28, 1), targets: classes(10) }, PICTURE_LAYERS],
    ['images of 8 × 8 pixels', { inputs: input(8, 8, 3), targets: classes(2) }, PICTURE_LAYERS],
    [
      'images that are too small to be pooled',
      { inputs: input(4, 4, 3), targets: classes(2) },
      ['Flatten', 'BatchNormalization', 'Dense', 'Dense', 'Dense'],
    ],
    ['sequences', { inputs: input(50, 6), targets: classes(4) }, ['Conv1D', 'GlobalAveragePooling1D', 'Dense', 'Dense']],
    [
      'a single number',
      { inputs: input(1), targets: [{ name: 'y', size: 1 }] },
      ['BatchNormalization', 'Dense', 'Dense', 'Dense'],
    ],
    [
      'volumes',
      { inputs: input(4, 5, 6, 2), targets: [{ name: 'y', size: 7 }] },
      ['Flatten', 'BatchNormalization', 'Dense', 'Dense', 'Dense'],
    ],
  ])('takes %s', async (_, facts, layers) => {
    const model = await modelFor(facts);
    expect(model.layers.map((layer) => layer.getClassName()).filter((name) => name !== 'InputLayer')).toEqual(layers);
    const [{ shape }] = facts.inputs ?? [];
    const [{ size, classes: count }] = facts.targets ?? [];
    const output = model.predict(tf.zeros([3, ...shape])) as tf.Tensor;
    expect(output.shape).toEqual([3, count ?? size]);
  });

  it('answers numbers that are far from 0 by their spread and mean, in a layer that is not trained', async () => {
    const scale = [
      { mean: 200_000, spread: 50_000 },
      { mean: -4, spread: 2 },
    ];
    const model = await modelFor({ inputs: input(3), targets: [{ name: 'y', size: 2, scale }] });
    const [inner, last] = model.layers.slice(-2);
    const before = tf.model({ inputs: model.inputs, outputs: inner.output as tf.SymbolicTensor });
    const x = tf.tensor2d([
      [1, 2, 3],
      [-5, 0, 7],
    ]);
    const [small, answers] = [before.predict(x) as tf.Tensor, model.predict(x) as tf.Tensor].map(
      (tensor) => tensor.arraySync() as number[][],
    );
    // Float32: one rounding of the product and one of the sum.
    for (const [row, values] of answers.entries())
      for (const [at, value] of values.entries()) {
        const wanted = small[row][at] * scale[at].spread + scale[at].mean;
        expect(Math.abs(value - wanted)).toBeLessThanOrEqual(2 ** -22 * (Math.abs(scale[at].mean) + Math.abs(wanted)));
      }
    expect([inner.trainable, last.trainable]).toEqual([true, false]);
  });

  it('takes several inputs and answers several outputs, by their names', async () => {
    const inputs = [...input(28, 28, 1), { name: 'facts', shape: [5] }];
    const model = await modelFor({
      inputs,
      targets: [
        { name: 'kind', size: 1, classes: 3 },
        {
          name: 'price',
          size: 2,
          scale: [
            { mean: 9, spread: 1 },
            { mean: 0, spread: 4 },
          ],
        },
      ],
    });
    expect(model.inputNames).toEqual(['x', 'facts']);
    expect(model.outputNames).toEqual(['kind', 'price']);
    const outputs = model.predict([tf.zeros([3, 28, 28, 1]), tf.zeros([3, 5])]) as tf.Tensor[];
    expect(outputs.map(({ shape }) => shape)).toEqual([
      [3, 3],
      [3, 2],
    ]);
  });
});

describe('settings that are written', () => {
  it('are read as what they say, for a table', async () => {
    const folder = await temporaryFolder();
    const [train, validation] = [join(folder, 'flowers.csv'), join(folder, 'more.csv')];
    const rows = (count: number): string =>
      Array.from({ length: count }, (_, i) => `${i / 7},${-i},${['red', 'blue'][i % 2]}\n`).join('');
    writeFileSync(train, `height,width,kind\n${rows(100)}`);
    writeFileSync(validation, `height,width,kind\n${rows(20)}`);
    const out = await init([
      folder,
      '--data',
      train,
      '--validation-file',
      validation,
      '--inputs',
      'height,width',
      '--labels',
      'kind',
    ]);
    expect(out).toBe(
      `wrote ${join(folder, 'run.yaml')}, ${join(folder, 'model.mjs')}\nnext: cd ${folder} && npx tfjs-parallel train --config run.yaml\n`,
    );
    expect(settingsOf(join(folder, 'run.yaml'))).toMatchObject({
      ...{
        model: './model.mjs',
        data: './flowers.csv',
        validationFile: './more.csv',
        inputs: ['height', 'width'],
        labels: ['kind'],
      },
      ...{ batch: 8, epochs: 20, saveAbove: 0, optimizer: { name: 'adam', learningRate: 0.003 } },
    });
    expect(readFileSync(join(folder, 'run.yaml'), 'utf8')).toContain('# 100 examples of [2] to 2 classes, 20 for validation\n');
  });

  it('name the loss of a regression, with the spread of its labels in the model, and say that nothing was held back', async () => {
    const folder = await temporaryFolder();
    const rows = Array.from({ length: 40 }, (_, i) => `${i},${100_000 + 1000.5 * i}`);
    writeFileSync(join(folder, 'houses.csv'), `area,price\n${rows.join('\n')}\n`);
    const { stderr } = await initialize([folder, '--data', join(folder, 'houses.csv'), '--labels', 'price']);
    expect(stderr).toContain('note: houses.csv has no validation set');
    expect(settingsOf(join(folder, 'run.yaml'))).toMatchObject({ loss: 'mean_squared_error', metrics: ['mean_absolute_error'] });
    // The mean is 100,000 + 1000.5 × 19.5 = 119,509.75, the spread 1000.5 × √((40² − 1) / 12) = 11,549.1: three digits of each.
    expect(readFileSync(join(folder, 'model.mjs'), 'utf8')).toContain(
      'units: 1, trainable: false, weights: [tf.tensor2d([[11500]]), tf.tensor1d([120000])]',
    );
  });

  it('of pictures keep the size that they are brought to', async () => {
    const folder = await temporaryFolder();
    for (const kind of ['cat', 'dog']) {
      mkdirSync(join(folder, 'photos', kind), { recursive: true });
      for (const size of [20, 30])
        await sharp({ create: { width: size, height: size, channels: 3, background: kind === 'cat' ? 'red' : 'blue' } })
          .png()
          .toFile(join(folder, 'photos', kind, `${size}.png`));
    }
    await expect(init([folder, '--data', join(folder, 'photos')])).rejects.toMatchObject({ code: 'DATA_IMAGES' });
    await init([folder, '--data', join(folder, 'photos'), '--image-size', '16', '--image-channels', 'gray']);
    expect(settingsOf(join(folder, 'run.yaml'))).toMatchObject({
      ...{ data: './photos', imageSize: '16', imageChannels: 'gray', loss: 'softmax_cross_entropy' },
    });
    expect(readFileSync(join(folder, 'run.yaml'), 'utf8')).toContain('# 4 examples of [16, 16, 1] to 2 classes\n');
    await expect(init([join(folder, 'other'), '--data', join(folder, 'photos'), '--image-size', 'big'])).rejects.toMatchObject({
      code: 'CONFIG_WRONG_VALUE',
    });
  });

  it('go with a data module that is as it was promised, where no file is named', async () => {
    const folder = await temporaryFolder();
    await init([join(folder, 'new')]);
    expect(readdirSync(join(folder, 'new')).sort()).toEqual(['data.mjs', 'model.mjs', 'run.yaml']);
    const config = settingsOf(join(folder, 'new/run.yaml'));
    expect(config.data).toBe('./data.mjs');
    const { fields, train, validation } = await loadDataset({ ...config, data: join(folder, 'new/data.mjs') });
    expect([fields.inputs[0].shape, fields.targets[0].classes, train.count, validation?.count]).toEqual([[2], 3, 1500, 300]);
  });

  it.each([1, 9, 10, 25, 640, 60_000])('have a batch that %i examples can fill', async (train) => {
    const [{ text }] = projectFiles({
      data: './d.csv',
      inputs: null,
      labels: null,
      validationFile: null,
      facts: { ...MODULE_FACTS, train },
    });
    const folder = await temporaryFolder();
    writeFileSync(join(folder, 'run.yaml'), text);
    const { batch } = settingsOf(join(folder, 'run.yaml'));
    expect([batch >= 1, batch <= train, batch <= 64]).toEqual([true, true, true]);
  });
});

describe('nothing is written', () => {
  it.each(['run.yaml', 'model.mjs', 'data.mjs'])('over a file: %s is there', async (name) => {
    const folder = await temporaryFolder();
    writeFileSync(join(folder, name), 'mine');
    await expect(init([folder])).rejects.toMatchObject({
      code: 'FILES_EXIST',
      message: expect.stringContaining(join(folder, name)) as string,
    });
    expect(readdirSync(folder)).toEqual([name]);
    expect(readFileSync(join(folder, name), 'utf8')).toBe('mine');
  });

  it('where the data cannot be read: their own error is told', async () => {
    const folder = await temporaryFolder();
    await expect(init([join(folder, 'new'), '--data', join(folder, 'none.csv')])).rejects.toMatchObject({ exitCode: 4 });
    expect(existsSync(join(folder, 'new'))).toBe(false);
  });

  it('into what is no folder', async () => {
    const folder = await temporaryFolder();
    mkdirSync(join(folder, 'a'));
    writeFileSync(join(folder, 'a/file'), '');
    await expect(init([join(folder, 'a/file')])).rejects.toMatchObject({ code: 'FILES_NOT_WRITABLE' });
  });
});
