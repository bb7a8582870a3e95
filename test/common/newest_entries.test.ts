import { describe, expect, it } from 'vitest';
import { withNewest } from '../../src/common/newest_entries.js';

const abc = new Map([
  ['a', 1],
  ['b', 2],
  ['c', 3],
]);

describe('a bounded map', () => {
  it('forgets the oldest for the newest', () => {
    expect([...withNewest(abc, [['d', 4]], 3)]).toEqual([
      ['b', 2],
      ['c', 3],
      ['d', 4],
    ]);
  });

  it('takes who is written again as the newest, and leaves the map as it was', () => {
    const again = withNewest(abc, [['a', 5]], 3);
    expect([...withNewest(again, [['d', 4]], 3).keys()]).toEqual(['c', 'a', 'd']);
    expect([...abc.keys()]).toEqual(['a', 'b', 'c']);
  });

  it.each([0, 1, 2, 5])('holds %i entries at most, the last of those that are given', (most) => {
    const entries = [...'defg'].map((key, at) => [key, at] as const);
    expect([...withNewest(abc, entries, most).keys()]).toEqual([...'abcdefg'].slice(7 - most));
  });
});
