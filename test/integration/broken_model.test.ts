/** Owns: what the built program says of a model that throws: the model's own words and place, not that replicas were lost. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { runCli } from '../support/built_cli.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const MODEL = resolve('test/support/models/broken.mjs');

afterEach(() => {
  vi.unstubAllEnvs();
});

it.each([
  ['training', ''],
  ['training', '--no-compile'],
  ['evaluation', ''],
])('a layer that throws in %s %s', async (when, flag) => {
  vi.stubEnv('BROKEN_IN', when);
  const size = '--data synthetic --train-limit 4 --validation-limit 2 --batch 4 --epochs 1';
  const { code, err } = runCli(`train --model ${MODEL} ${size} --gpus none --workers 2 ${flag}`.trim().split(' '), {
    cwd: await temporaryFolder(),
  });
  expect(code).toBe(2);
  expect(err.trim().split('\n').slice(-2).join('\n').replace(MODEL, 'broken.mjs')).toBe(
    [
      `error MODEL_FAILS: the model fails in ${when}: this layer is broken (broken.mjs:5:56)`,
      `next: Mend the model; model.apply(x, { training: ${when === 'training'} }) on one batch shows the same outside of tfjs-parallel.`,
    ].join('\n'),
  );
});

it.each(['', '--no-compile'])('a token that an embedding has no row for is a fault of the data %s', async (flag) => {
  const cwd = await temporaryFolder();
  writeFileSync(
    join(cwd, 'model.mjs'),
    `export const createModel = (tf) => tf.sequential({ layers: [
      tf.layers.embedding({ inputDim: 10, outputDim: 2, inputLength: 3 }), tf.layers.flatten(), tf.layers.dense({ units: 3 })] });`,
  );
  writeFileSync(
    join(cwd, 'data.mjs'),
    `const set = { x: Int32Array.from({ length: 18 }, (_, i) => i % 11), y: Int32Array.from({ length: 6 }, (_, i) => i % 3) };
    export const train = set, validation = set, inputShape = [3];`,
  );
  const flags = `train --model model.mjs --data data.mjs --batch 6 --epochs 1 --gpus none --workers 2 ${flag}`;
  const { code, err } = runCli(flags.trim().split(' '), { cwd });
  expect(code).toBe(2);
  expect(err).toMatch(/error MODEL_FAILS: .* 10 is not in \[0, (10\)|9\])/);
  expect(err).not.toMatch(/lost|--resume/);
});
