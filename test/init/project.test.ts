/**
 * Owns: what `init` writes: models that take and answer what the data have, settings that are read, and never over a file.
 */
import * as tf from '@tensorflow/tfjs';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { initCommand } from '../../src/cli/commands/init.js';
import type { CommandContext } from '../../src/cli/context.js';
import { createProgram } from '../../src/cli/program.js';
import { resolveConfig } from '../../src/cli/resolve_config.js';
import { loadDataset } from '../../src/data/load.js';
import { MODULE_FACTS, projectFiles, type DataFacts } from '../../src/init/project.js';
import { captureStream } from '../support/capture_stream.js';
import { temporaryFolder } from '../support/temporary_folder.js';

async function init(args: readonly string[]): Promise<string> {
  const stdout = captureStream();
  const context = {
    environment: {},
    stdout,
    stderr: captureStream(),
    warn: () => undefined,
    finish: () => undefined,
  } as unknown as CommandContext;
  await createProgram(context, [initCommand(context, () => Promise.resolve(loadDataset))]).parseAsync(['init', ...args], {
    from: 'user',
  });
  return stdout.text();
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
const input = (...shape: number[]) => [{ name: 'x', shape }];

describe('a model that is written', () => {
  it.each<[string, Partial<DataFacts>, string[]]>([
    ['a table', { inputs: input(4), targets: classes(3) }, ['BatchNormalization', 'Dense', 'Dense', 'Dense']],
    [
      'gray images',
      { inputs: input(28, 28, 1), targets: classes(10) },
      ['Conv2D', 'MaxPooling2D', 'Conv2D', 'GlobalAveragePooling2D', 'Dense', 'Dense'],
    ],
    [
      'images of 8 × 8 pixels',
      { inputs: input(8, 8, 3), targets: classes(2) },
      ['Conv2D', 'MaxPooling2D', 'Conv2D', 'GlobalAveragePooling2D', 'Dense', 'Dense'],
    ],
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

  it('takes several inputs and answers several outputs, by their names', async () => {
    const inputs = [...input(28, 28, 1), { name: 'facts', shape: [5] }];
    const model = await modelFor({
      inputs,
      targets: [
        { name: 'kind', size: 1, classes: 3 },
        { name: 'price', size: 2 },
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
