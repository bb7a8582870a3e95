import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StoredSplit } from '../../src/common/dataset.js';
import { openAhead, type SplitAhead } from '../../src/data/read_ahead.js';
import { loadDataModule } from '../../src/data/sources/module.js';
import { temporaryFolder } from '../support/temporary_folder.js';

/** Twenty rows; each read says which rows it was for by a letter, in a file beside the module. */
const MODULE = `
import { appendFileSync } from 'node:fs';
const log = new URL('./asked.txt', import.meta.url);
export default {
  inputShape: [1],
  train: {
    count: 20,
    read(rows) {
      appendFileSync(log, [...rows].join('+') + ' ');
      if (rows.length === 1 && rows[0] === 13) throw new Error('the disk is gone');
      return { x: Float32Array.from(rows, (row) => row / 2), y: Uint8Array.from(rows, () => 0) };
    },
  },
};
`;

async function open(): Promise<{ split: SplitAhead; asked: () => Promise<string> }> {
  const { readFile, writeFile } = await import('node:fs/promises');
  const folder = await temporaryFolder({ 'data.mjs': MODULE });
  const { train, fields } = await loadDataModule(join(folder, 'data.mjs'));
  const log = join(folder, 'asked.txt');
  await writeFile(log, '');
  return { split: openAhead(train as StoredSplit, fields), asked: () => readFile(log, 'utf8') };
}

async function read(split: SplitAhead, ...rows: number[]): Promise<number[]> {
  const into = { inputs: { x: new Float32Array(rows.length) }, targets: { y: new Float32Array(rows.length) } };
  await split.read(Int32Array.from(rows), into);
  return [...into.inputs.x];
}

test('what was read ahead is not read again, and what was not is read when it is asked for', async () => {
  const { split, asked } = await open();
  const first = read(split, 1, 2);
  split.ahead([Int32Array.of(3, 4), Int32Array.of(5, 6)], 2);
  split.ahead([Int32Array.of(5, 6)], 2);
  expect(await first).toEqual([0.5, 1]);
  expect(await read(split, 5, 6)).toEqual([2.5, 3]);
  expect(await read(split, 3, 4)).toEqual([1.5, 2]);
  expect(await read(split, 9)).toEqual([4.5]);
  expect(await read(split, 9)).toEqual([4.5]);
  expect(await asked()).toBe('1+2 3+4 5+6 9 9 ');
});

test('no more than asked for is kept', async () => {
  const { split, asked } = await open();
  split.ahead([Int32Array.of(1), Int32Array.of(2), Int32Array.of(3)], 2);
  for (const row of [1, 2, 3]) expect(await read(split, row)).toEqual([row / 2]);
  expect(await asked()).toBe('1 2 3 1 ');
});

test('a failure ahead is told when the rows are asked for, and not before', async () => {
  const { split } = await open();
  split.ahead([Int32Array.of(13)], 2);
  expect(await read(split, 7)).toEqual([3.5]);
  await expect(read(split, 13)).rejects.toMatchObject({
    code: 'DATA_ROWS',
    message: expect.stringContaining('the disk is gone'),
  });
  expect(await read(split, 8)).toEqual([4]);
});
