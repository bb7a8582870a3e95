import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadDataModule } from '../../../src/data/sources/module.js';
import { temporaryFolder } from '../../support/temporary_folder.js';
import { plain, type PlainData } from '../../support/plain_data.js';

const SETS = `
const train = { x: Float32Array.of(1, 2, 3, 4), y: Int32Array.of(0, 1) };
const validation = { x: Float32Array.of(5, 6), y: Int32Array.of(1) };
`;

async function load(code: string): Promise<PlainData> {
  return plain(await loadDataModule(join(await temporaryFolder({ 'data.mjs': code }), 'data.mjs')));
}

async function failure(code: string): Promise<string> {
  const error: unknown = await load(code).catch((thrown: unknown) => thrown);
  return `${(error as { code: string }).code} ${(error as Error).message.replace(/[^ (]*data\.mjs/g, 'data.mjs')}`;
}

test('a module may export the sets, an object with them, or a function that makes them now or later', async () => {
  const ways = [
    `${SETS} export const inputShape = [2]; export { train, validation };`,
    `${SETS} export default { train, validation, inputShape: [2] };`,
    `${SETS} export default () => ({ train, validation, inputShape: [2] });`,
    `${SETS} export default async () => ({ train, validation, inputShape: [2] });`,
    `${SETS} export default () => ({ train: { ...train, shape: [2] }, validation: { ...validation, shape: [2] } });`,
  ];
  const sets = await Promise.all(ways.map(load));
  expect(sets[0]).toMatchObject({
    name: 'data.mjs',
    inputShape: [2],
    labelShape: [],
    classes: 2,
    scale: 1,
    train: { count: 2 },
    validation: { count: 1 },
  });
  expect(new Set(sets.map(({ sha256 }) => sha256)).size).toBe(1);
});

test('scale, classes, label shape and name are taken over', async () => {
  const set = await load(
    `export default {
      train: { x: Uint8Array.of(1, 2), y: Float32Array.of(1, 2, 3, 4) }, validation: { x: Uint8Array.of(1), y: Float32Array.of(5, 6) },
      inputShape: [1], labelShape: [1, 2], scale: 0.25, name: 'weather' };`,
  );
  expect(set).toMatchObject({ name: 'weather', labelShape: [1, 2], scale: 0.25, classes: undefined });
});

test('a module that fails, or gives something else, is named with what happened', async () => {
  expect(await failure(`throw new TypeError('no disk');`)).toBe(
    'DATA_MODULE data.mjs: failed: TypeError: no disk (data.mjs:1:7)',
  );
  expect(await failure(`export default async () => { throw new Error('later') };`)).toBe(
    'DATA_MODULE data.mjs: failed: Error: later (data.mjs:1:36)',
  );
  expect(await failure(`this is no JavaScript`)).toMatch(/^DATA_MODULE data\.mjs: failed: /);
  expect(await failure(`export const x = 1;`)).toBe('DATA_MODULE data.mjs: exports no train set');
  expect(await failure(`export default 3;`)).toBe('DATA_MODULE data.mjs: exports no train set');
  expect(await failure(`${SETS} export { train, validation };`)).toBe(
    'DATA_MODULE data.mjs: inputShape is missing, and the sets do not share a shape (train undefined, validation undefined)',
  );
  expect(await failure(`${SETS} export default { train, validation: 7, inputShape: [2] };`)).toBe(
    'DATA_ARRAYS data.mjs: validation is 7, wanted { x, y } of typed arrays',
  );
  await expect(loadDataModule('./no_such_data.mjs')).rejects.toMatchObject({ code: 'DATA_MISSING', exitCode: 4 });
});
