/**
 * Owns: programs that are bundled before they run: with this package and tfjs left external they work.
 */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { runIn, writeFiles } from '../support/consumer_project.js';
import { folderOfTests } from '../support/temporary_folder.js';

const folder = folderOfTests();

beforeAll(() => {
  writeFiles(folder, {
    'package.json': { name: 'bundled', type: 'module', dependencies: { 'tfjs-parallel': '*', '@tensorflow/tfjs': '*' } },
    'program.ts': `import * as tf from '@tensorflow/tfjs';
      import { train } from 'tfjs-parallel';
      const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
      const set = (n: number) => ({ x: Float32Array.from({ length: 3 * n }, (_, i) => i % 5), y: Int32Array.from({ length: n }, (_, i) => i % 2) });
      const data = { train: set(8), validation: set(4), inputShape: [3] };
      try {
        const run = await train({ model, data, batch: 4, epochs: 1, devices: ['CPU:0'], loss: 'softmax_cross_entropy' });
        console.log('trained', run.history.length, run.end.steps);
      } catch (error) {
        console.log(error.code, error.next);
        process.exitCode = error.exitCode;
      }\n`,
  });
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('node_modules/@tensorflow'), join(folder, 'node_modules/@tensorflow'));
  symlinkSync(resolve('.'), join(folder, 'node_modules/tfjs-parallel'));
});

describe('a program', () => {
  const bundle = (options: object) =>
    build({
      ...{ entryPoints: [join(folder, 'program.ts')], outfile: join(folder, 'out/program.js'), absWorkingDir: folder },
      ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', ...options },
    });

  it('bundled by esbuild with its packages external trains', async () => {
    await bundle({ external: ['tfjs-parallel', '@tensorflow/tfjs'] });
    expect(runIn(folder, 'node out/program.js')).toMatchObject({
      code: 0,
      out: expect.stringContaining('trained 1 2') as string,
    });
  });

  /** tsup leaves external what package.json lists as dependencies. */
  it('bundled by tsup 8.5.0 as it comes trains', () => {
    const tools =
      'npm install --silent --no-save --ignore-scripts --no-audit --no-fund --prefix tools tsup@8.5.0 typescript@5.9.3';
    expect(runIn(folder, tools)).toMatchObject({ code: 0 });
    const bundled = runIn(folder, 'node tools/node_modules/tsup/dist/cli-default.js program.ts --format esm --out-dir tsup-out');
    expect(bundled).toMatchObject({ code: 0 });
    expect(runIn(folder, 'node tsup-out/program.js')).toMatchObject({
      code: 0,
      out: expect.stringContaining('trained 1 2') as string,
    });
  });
});
