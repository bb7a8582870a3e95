import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { typeScriptError } from '../../src/common/typescript_module.js';
import { buildModel } from '../../src/models/build.js';
import { resolveModelSource } from '../../src/models/load.js';
import { loadDataModule } from '../../src/data/sources/module.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const MODEL =
  'const units: number = 2; export const createModel = (tf: any) => tf.sequential({ layers: [tf.layers.dense({ units, inputShape: [3] })] });';

/** Node's own words for a module in TypeScript; vitest itself would load it. */
function refusalOfNode(path: string): { code: string; message: string } | null {
  const script = `import(${JSON.stringify(path)}).then(() => console.log('null'), ({ code, message }) => console.log(JSON.stringify({ code, message })))`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })) as {
    code: string;
    message: string;
  } | null;
}

it('a module in TypeScript is loaded where Node can, and refused with what to do elsewhere', async () => {
  const folder = await temporaryFolder({
    'model.ts': Buffer.from(MODEL),
    'data.mts': Buffer.from('export const train: number = 1;'),
  });
  const path = join(folder, 'model.ts');
  const refused = refusalOfNode(path);
  expect(refused === null).toBe(Boolean((process.features as { typescript?: unknown }).typescript));
  const thrown = refused ?? { code: 'ERR_UNKNOWN_FILE_EXTENSION', message: 'Unknown file extension ".ts"' };
  expect(typeScriptError(thrown, { path: 'model.ts', what: '--model' })).toMatchObject({
    code: 'MODULE_TYPESCRIPT',
    message: 'model.ts is TypeScript, and this Node does not load TypeScript',
    next: expect.stringContaining('give --model model.js') as string,
  });
  expect(typeScriptError(new SyntaxError('x'), { path, what: '--model' })).toBeNull();
  // Here it is loaded, because vitest can.
  await tf.setBackend('cpu');
  expect((await buildModel(tf, await resolveModelSource(path), 1)).weights.map(({ shape }) => shape)).toEqual([[3, 2], [2]]);
  await expect(loadDataModule(join(folder, 'data.mts'))).rejects.toMatchObject({ code: 'DATA_MODULE' });
});

it('TypeScript that is more than types is refused in Node’s words', () => {
  const thrown = Object.assign(new Error('TypeScript enum is not supported in strip-only mode\n  at x'), {
    code: 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  });
  expect(typeScriptError(thrown, { path: 'data.ts', what: '--data' })).toMatchObject({
    message: 'data.ts is TypeScript, and TypeScript enum is not supported in strip-only mode',
  });
});
