import { expect, test } from 'vitest';
import type { MemorySplit, NumericArray } from '../../src/common/dataset.js';
import { gatherRows } from '../../src/data/gather.js';

/** Row r of x is 10 r, 10 r + 1, ...; its label is r (labelSize 1), or r, 100 − r (labelSize 2). */
function split(count: number, rowSize: number, labelSize: 1 | 2): MemorySplit {
  const x = Uint8Array.from({ length: count * rowSize }, (_, i) => 10 * Math.floor(i / rowSize) + (i % rowSize));
  const y = Int32Array.from({ length: count * labelSize }, (_, i) =>
    labelSize === 1 ? i : i % 2 === 0 ? i >> 1 : 100 - (i >> 1),
  );
  return { count, inputs: { x }, targets: { y } };
}

function gathered(from: MemorySplit, rows: number[], x: NumericArray, y: NumericArray): number[][] {
  gatherRows(from, Int32Array.from(rows), { inputs: { x }, targets: { y } });
  return [[...x], [...y]];
}

test('rows arrive in the order asked for, repeated ones too', () => {
  expect(gathered(split(7, 3, 1), [4, 0, 6, 4], new Uint8Array(12), new Int32Array(4))).toEqual([
    [40, 41, 42, 0, 1, 2, 60, 61, 62, 40, 41, 42],
    [4, 0, 6, 4],
  ]);
});

test('neighboring rows, runs broken by others, and the last row are the same as one by one', () => {
  const from = split(11, 2, 2);
  for (const rows of [
    [0, 1, 2, 3],
    [8, 9, 10],
    [3, 4, 2, 3, 10, 0, 1],
    [10],
    [5, 5, 6],
    Array.from({ length: 11 }, (_, i) => i),
  ]) {
    expect(gathered(from, rows, new Uint8Array(2 * rows.length), new Int32Array(2 * rows.length))).toEqual([
      rows.flatMap((row) => [10 * row, 10 * row + 1]),
      rows.flatMap((row) => [row, 100 - row]),
    ]);
  }
});

test('a longer buffer keeps what lies behind, another type is converted', () => {
  expect(gathered(split(3, 2, 1), [2], new Float32Array(4).fill(0.5), new Float32Array(2).fill(0.5))).toEqual([
    [20, 21, 0.5, 0.5],
    [2, 0.5],
  ]);
});

test('no rows copy nothing', () => {
  expect(gathered(split(3, 2, 1), [], new Uint8Array(2), new Int32Array(0))).toEqual([[0, 0], []]);
});

test('a row outside the split and a buffer that is too short are bugs', () => {
  const x = new Uint8Array(4);
  const labels = new Int32Array(2);
  expect(() => gathered(split(3, 2, 1), [0, 3], x, labels)).toThrow('internal: row 3 lies in a split of 3');
  expect(() => gathered(split(3, 2, 1), [-1], x, labels)).toThrow('internal: row -1 lies in a split of 3');
  expect(() => gathered(split(3, 2, 1), [0, 1, 2], x, labels)).toThrow('internal: the buffer holds 3 rows of 2');
  expect(() => gathered(split(3, 2, 1), [0, 1], x, new Int32Array(1))).toThrow('internal: the buffer holds 2 rows of 1');
});

test('only the fields that are asked for are copied, each by its name', () => {
  const from: MemorySplit = {
    count: 2,
    inputs: { left: Uint8Array.of(1, 2), right: Uint8Array.of(3, 4, 5, 6) },
    targets: { one: Float32Array.of(0.5, 1.5), other: Float32Array.of(7, 8) },
  };
  const into = { inputs: { right: new Uint8Array(2) }, targets: { other: new Float32Array(1), one: new Float32Array(1) } };
  gatherRows(from, Int32Array.of(1), into);
  expect([...into.inputs.right, ...into.targets.other, ...into.targets.one]).toEqual([5, 6, 8, 1.5]);
});
