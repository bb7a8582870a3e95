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
      `error MODEL_FAILS: the model fails in ${when}: this layer is broken (broken.mjs:13:69)`,
      `next: Mend the model; model.apply(x, { training: ${when === 'training'} }) on one batch shows the same outside of tfjs-parallel.`,
    ].join('\n'),
  );
});

it.each(['', '--no-compile'])('an op whose gradient throws is a fault of the model %s', async (flag) => {
  vi.stubEnv('BROKEN_IN', 'gradient');
  const size = '--data synthetic --train-limit 4 --validation-limit 2 --batch 4 --epochs 1';
  const { code, err } = runCli(`train --model ${MODEL} ${size} --gpus none --workers 2 ${flag}`.trim().split(' '), {
    cwd: await temporaryFolder(),
  });
  expect(code).toBe(2);
  expect(err).toMatch(
    /error MODEL_FAILS: the model fails in the backward pass: this gradient is broken \(.*broken\.mjs:\d+:\d+\)/,
  );
  expect(err.slice(err.indexOf('error '))).not.toMatch(/lost|--resume/);
});

const TOKENS: readonly [where: string, layers: string, code: number, error: RegExp][] = [
  [
    'straight from the data',
    '',
    4,
    /error TOKEN_OUT_OF_RANGE: train example 3 of data.mjs has the token 10 at position 1; embedding words has rows for 0 … 9/,
  ],
  [
    'behind a layer',
    'tf.layers.reshape({ targetShape: [3], inputShape: [3] }), ',
    2,
    /error MODEL_FAILS: .* 10 is not in \[0, (10\)|9\])/,
  ],
];

it.each(TOKENS)('a token that an embedding has no row for, %s, is a fault of the data', async (_, layers, exitCode, error) => {
  const cwd = await temporaryFolder();
  writeFileSync(
    join(cwd, 'model.mjs'),
    `export const createModel = (tf) => tf.sequential({ layers: [${layers}
      tf.layers.embedding({ inputDim: 10, outputDim: 2, inputLength: 3, name: 'words' }), tf.layers.flatten(), tf.layers.dense({ units: 3 })] });`,
  );
  writeFileSync(
    join(cwd, 'data.mjs'),
    `const set = { x: Int32Array.from({ length: 18 }, (_, i) => i % 11), y: Int32Array.from({ length: 6 }, (_, i) => i % 3) };
    export const train = set, validation = set, inputShape = [3];`,
  );
  const flags = 'train --model model.mjs --data data.mjs --batch 6 --epochs 1 --gpus none --workers 2';
  for (const flag of ['', ' --no-compile']) {
    const { code, err } = runCli((flags + flag).split(' '), { cwd });
    expect(code).toBe(exitCode);
    expect(err).toMatch(error);
    expect(err.slice(err.indexOf('error '))).not.toMatch(/lost|--resume/);
  }
});

it('sizes that are open in the model and do not fit its layers are told with those of the data', async () => {
  const model = `export function createModel(tf) {
  const input = tf.input({ shape: [null, null, 1] });
  const half = tf.layers.maxPooling2d({ poolSize: 3 }).apply(input);
  const again = tf.layers.upSampling2d({ size: [3, 3] }).apply(half);
  const both = tf.layers.concatenate().apply([input, again]);
  const outputs = tf.layers.dense({ units: 10 }).apply(tf.layers.globalAveragePooling2d({}).apply(both));
  return tf.model({ inputs: input, outputs });
}`;
  const size = '--data synthetic --train-limit 4 --validation-limit 2 --batch 4 --epochs 1';
  const { code, err } = runCli(`train --model ./model.mjs ${size} --gpus none --workers 1`.split(' '), {
    cwd: await temporaryFolder({ 'model.mjs': model }),
  });
  expect(err.trim().split('\n').slice(-2).join('\n')).toMatch(
    /^error MODEL_FAILS: the model does not take examples of \[28, 28, 1\]: ConcatV2: .*\[1,28,28,1\].*\[1,27,27,1\]\nnext: Bring the examples to a size .*; model\.apply\(tf\.zeros\(\[1, 28, 28, 1\]\)\) shows the same\.$/,
  );
  expect(code).toBe(2);
});
