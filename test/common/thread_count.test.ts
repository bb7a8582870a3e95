/** Owns: how many threads a model keeps busy. */
import { describe, expect, it } from 'vitest';
import { threadsFor } from '../../src/common/thread_count.js';

describe('threads for a model', () => {
  const of = (multiplyAdds: number | null, rows: number, most: number): number => threadsFor({ multiplyAdds }, { rows, most });

  it('are one for small products, more for larger ones or more rows, and never more than there are', () => {
    expect(of(1_500, 32, 64)).toBe(1);
    expect(of(1_000_000, 9, 64)).toBe(1);
    expect(of(1_000_000, 10, 64)).toBe(2);
    expect(of(1_000_000, 100, 64)).toBe(20);
    expect(of(1_000_000, 100, 8)).toBe(8);
  });

  it('are all of them where nobody knows what the model computes', () => {
    expect(of(null, 1, 64)).toBe(64);
  });
});
