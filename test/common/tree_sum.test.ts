import { expect, test } from 'vitest';
import { printSumTree, sumTree } from '../../src/common/tree_sum.js';

const printed = (present: string) => printSumTree(sumTree([...present].map((shard) => shard === '1')));

test('1 to 8 shards are added by pairs, level by level; an odd one passes up', () => {
  expect(Array.from({ length: 8 }, (_, shards) => printed('1'.repeat(shards + 1)))).toEqual([
    '0',
    '(0 + 1)',
    '((0 + 1) + 2)',
    '((0 + 1) + (2 + 3))',
    '(((0 + 1) + (2 + 3)) + 4)',
    '(((0 + 1) + (2 + 3)) + (4 + 5))',
    '(((0 + 1) + (2 + 3)) + ((4 + 5) + 6))',
    '(((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)))',
  ]);
});

test('an absent shard passes its partner through', () => {
  expect(printed('1011')).toBe('(0 + (2 + 3))');
  expect(printed('0111')).toBe('(1 + (2 + 3))');
  expect(printed('1100')).toBe('(0 + 1)');
  expect(printed('0001')).toBe('3');
  expect(printed('10001')).toBe('(0 + 4)');
});

test('without a shard there is nothing to add', () => {
  expect(printed('')).toBe('nothing');
  expect(printed('0')).toBe('nothing');
  expect(printed('000')).toBe('nothing');
});
