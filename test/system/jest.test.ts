/**
 * Owns: the library called from a test of Jest's, with ES modules: each test file is a realm of its own, whose Error and Array are not Node's.
 */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runIn, writeFiles } from '../support/consumer_project.js';
import { folderOfTests } from '../support/temporary_folder.js';

const folder = folderOfTests();

beforeAll(() => {
  writeFiles(folder, {
    'package.json': { name: 'jested', type: 'module', private: true },
    'train.test.js': `import * as tf from '@tensorflow/tfjs';
      import { train } from 'tfjs-parallel';
      const small = { batch: 50, epochs: 1, devices: ['CPU:0'] };
      test('drawn digits', async () => {
        const run = await train({ ...small, model: 'gluon_cnn', data: 'synthetic', trainLimit: 100, validationLimit: 50 });
        expect([run.end.steps, run.history.length]).toEqual([2, 1]);
        // The run folder's name is taken: EEXIST is recognized, and the next one is made.
        expect((await train({ ...small, model: 'gluon_cnn', data: 'synthetic', trainLimit: 100, validationLimit: 50 })).end.steps).toBe(2);
      }, 1_800_000);
      test('arrays and a model of this realm', async () => {
        const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
        const set = (n) => ({ x: Float32Array.from({ length: 3 * n }, (_, i) => i % 5), y: Int32Array.from({ length: n }, (_, i) => i % 2) });
        const run = await train({ ...small, model, data: { train: set(100), validation: set(50), inputShape: [3] }, loss: 'softmax_cross_entropy' });
        expect(run.end.steps).toBe(2);
      }, 1_800_000);
      test('what is missing', async () => {
        await expect(train({ ...small, model: 'gluon_cnn', data: './none.mjs' })).rejects.toMatchObject({ code: 'DATA_MISSING', exitCode: 4 });
        await expect(train({ ...small, model: './none.json', data: 'synthetic' })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND', exitCode: 2 });
      }, 1_800_000);\n`,
  });
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('node_modules/@tensorflow'), join(folder, 'node_modules/@tensorflow'));
  symlinkSync(resolve('.'), join(folder, 'node_modules/tfjs-parallel'));
});

describe('Jest 30.2.0 with ES modules', () => {
  it('trains, and reads errors of every realm', () => {
    const install = 'npm install --silent --no-save --ignore-scripts --no-audit --no-fund --prefix tools jest@30.2.0';
    expect(runIn(folder, install)).toMatchObject({ code: 0 });
    const { code, err } = runIn(
      folder,
      'node --experimental-vm-modules tools/node_modules/jest/bin/jest.js --ci --roots . --transform "{}"',
    );
    expect(err).toContain('3 passed, 3 total');
    expect(code).toBe(0);
  });
});
