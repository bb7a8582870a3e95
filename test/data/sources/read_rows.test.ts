/** Owns: data modules whose rows are read: what a first pass keeps, what a thread reads, and what is refused. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadDataModule } from '../../../src/data/sources/module.js';
import { limitDataset } from '../../../src/data/load.js';
import { openStored } from '../../../src/data/open_stored.js';
import { emptyArray, isInMemory, type Dataset, type StoredSplit } from '../../../src/common/dataset.js';
import { temporaryFolder } from '../../support/temporary_folder.js';

/** Example r has the inputs r, r + ½ and the label r mod 3. */
const READ = `const set = (count) => ({ count, read: (rows) => ({
  x: Float32Array.from({ length: 2 * rows.length }, (_, i) => rows[i >> 1] + (i % 2) / 2),
  y: Int32Array.from(rows, (row) => row % 3) }) });`;

async function load(code: string): Promise<Dataset> {
  return loadDataModule(join(await temporaryFolder({ 'data.mjs': code }), 'data.mjs'));
}

async function failure(code: string): Promise<string> {
  const error: unknown = await load(code).catch((thrown: unknown) => thrown);
  return `${(error as { code: string }).code} ${(error as Error).message.replace(/[^ (]*data\.mjs/g, 'data.mjs')}`;
}

async function rowsOf(set: Dataset, rows: number[]): Promise<number[][]> {
  const into = { inputs: { x: emptyArray('float32', 2 * rows.length) }, targets: { y: emptyArray('float32', rows.length) } };
  await (await openStored(set.train as StoredSplit, set.fields)).read(Int32Array.from(rows), into);
  return [[...into.inputs.x], [...into.targets.y]];
}

test('labels are kept, inputs are read where they are needed, and the identity is that of every value', async () => {
  const set = await load(`${READ} export const train = set(10001), validation = set(3), inputShape = [2];`);
  expect(set.fields).toEqual({
    inputs: [{ name: 'x', shape: [2], type: 'float32', scale: 1 }],
    targets: [{ name: 'y', shape: [], type: 'int32', scale: 1, classes: 3 }],
  });
  expect([set.name, set.train.count, set.validation?.count, isInMemory(set.train)]).toEqual(['data.mjs', 10001, 3, false]);
  expect([...set.train.targets.y.subarray(9998)]).toEqual([2, 0, 1]);
  expect(await rowsOf(set, [10000, 0, 7])).toEqual([
    [10000, 10000.5, 0, 0.5, 7, 7.5],
    [1, 0, 1],
  ]);
  const few = limitDataset(set, { trainLimit: 8, validationLimit: null });
  expect([few.train.count, few.train.targets.y.length, few.sha256 === set.sha256]).toEqual([8, 8, true]);
  expect(await rowsOf(few, [7, 1])).toEqual([
    [7, 7.5, 1, 1.5],
    [1, 1],
  ]);
  await expect(rowsOf(few, [8])).rejects.toThrow('internal: row 8 lies in a split of 8');

  const again = await load(`${READ} export default async () => ({ train: set(10001), validation: set(3), inputShape: [2] });`);
  const other = await load(`${READ} export const train = set(10002), validation = set(3), inputShape = [2];`);
  expect([again.sha256 === set.sha256, other.sha256 === set.sha256]).toEqual([true, false]);
});

test('rows may have names, come later, and do without validation', async () => {
  const set =
    await load(`export default { inputShape: { a: [1], b: [2] }, scale: { b: 0.5 }, classes: { size: 4 }, labelShape: { size: [] },
    train: { count: 5, read: async (rows) => ({ x: { a: Uint8Array.from(rows), b: Float64Array.from({ length: 2 * rows.length }, (_, i) => i) },
      y: { size: Uint8Array.from(rows, (row) => row % 4) } }) } };`);
  expect(set.fields.inputs).toEqual([
    { name: 'a', shape: [1], type: 'uint8', scale: 1 },
    { name: 'b', shape: [2], type: 'float32', scale: 0.5 },
  ]);
  expect([set.fields.targets[0].classes, set.validation, [...set.train.targets.size]]).toEqual([4, null, [0, 1, 2, 3, 0]]);
});

test('rows that are not what was asked for are named', async () => {
  const made = (set: string, more = ''): string => `export default { train: ${set}, inputShape: [2] ${more} };`;
  const rows = (x: string, y = 'Uint8Array.from(rows)'): string => `{ count: 4, read: (rows) => ({ x: ${x}, y: ${y} }) }`;
  const good = 'new Float32Array(2 * rows.length)';
  expect(await failure(made('{ count: 2.5, read() {} }'))).toBe(
    'DATA_ROWS data.mjs: train.count is 2.5, wanted the number of examples',
  );
  expect(await failure(made('{ count: 0, read() {} }'))).toBe('DATA_EMPTY data.mjs: the train set is empty');
  expect(await failure(made('{ count: 4, read() { throw new Error("no disk"); } }'))).toBe(
    'DATA_ROWS data.mjs: read(rows) of train failed for 1 examples from 0: Error: no disk (data.mjs:1:52)',
  );
  expect(await failure(made('{ count: 4, read() {} }'))).toBe(
    'DATA_ROWS data.mjs: read(rows) of train gave undefined, wanted { x, y } of typed arrays',
  );
  expect(await failure(made(rows('[1, 2]')))).toBe(
    'DATA_ROWS data.mjs: train.x is [1, 2], wanted a typed array (Uint8Array, Int32Array, Float32Array ...)',
  );
  expect(await failure(made(rows('new Float32Array(2)')))).toBe(
    'DATA_ROWS data.mjs: train.x has 2 values, wanted 8: 4 examples of [2]',
  );
  expect(await failure(made(rows('Float32Array.from({ length: 2 * rows.length }, (_, i) => (i < 7 ? i : NaN))')))).toBe(
    'DATA_ROWS data.mjs: train.x[7] is NaN, wanted a finite float32',
  );
  expect(await failure(made(rows('rows.length === 1 ? new Uint8Array(2) : new Float32Array(8)')))).toBe(
    'DATA_ROWS data.mjs: train.x is float32, and was uint8 before',
  );
  expect(await failure(made(rows(good), ', validation: { x: new Float32Array(2), y: new Uint8Array(1) }'))).toBe(
    'DATA_ROWS data.mjs: validation is an object (Object), wanted { count, read }',
  );
});

test('rows that change between two readings are told', async () => {
  const set = await load(`let calls = 0; export const inputShape = [1]; export const train = { count: 3, read: (rows) =>
    ({ x: new Float32Array(rows.length), y: Float32Array.from(rows, (row) => row + (calls++ > 3 && row === 2 ? 0.5 : 0)) }) };`);
  const split = await openStored(set.train as StoredSplit, set.fields);
  const into = { inputs: { x: new Float32Array(2) }, targets: { y: new Float32Array(2) } };
  await expect(split.read(Int32Array.of(1, 2), into)).rejects.toMatchObject({
    code: 'DATA_ROWS',
    message: 'data.mjs: read(rows) of train gives example 2 the label 2.5, and gave 2 before',
  });
});
