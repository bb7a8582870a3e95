/** Owns: the arithmetic of scripts/endure.mjs. Measures nothing. */
import { describe, expect, it } from 'vitest';
import { inBlocks, slopeOf, studentT95, type Sample } from '../../scripts/endure/slope.mjs';

/** 40 samples, 100 steps apart, from a step and a level on. */
function piece(from: number, level: number, bytesPerStep: number, wiggle = 0): Sample[] {
  return Array.from({ length: 40 }, (_, i) => [from + 100 * i, level + bytesPerStep * 100 * i + (i % 4 < 2 ? wiggle : -wiggle)]);
}

describe('the slope of memory', () => {
  it('is that of all pieces, each with a level of its own: 3 bytes a step from 10^8 and from 10^9', () => {
    expect(slopeOf([piece(0, 1e8, 3), piece(4000, 1e9, 3)])).toEqual({ per1000: 3000, plusMinus: 0, blocks: 40 });
  });

  it('is within its interval of 0 where memory only goes up and down', () => {
    const slope = slopeOf([piece(0, 1e8, 0, 50_000)]);
    expect(Math.abs(slope?.per1000 ?? NaN)).toBeLessThan(slope?.plusMinus ?? NaN);
    expect(slope?.plusMinus).toBeGreaterThan(0);
  });

  it('is told from means of 20 stretches, and not from too few', () => {
    // 40 samples make 20 blocks of two: the first is at step 50.
    expect(inBlocks(piece(0, 0, 1))[0]).toEqual([50, 50]);
    expect(slopeOf([piece(0, 1e8, 3).slice(0, 3)])).not.toBeNull();
    expect(slopeOf([piece(0, 1e8, 3).slice(0, 2)])).toBeNull();
  });

  it('has Student’s quantiles: 2.228 with 10 degrees of freedom, 1.960 with very many', () => {
    expect(studentT95(10)).toBeCloseTo(2.228, 3);
    expect(studentT95(1e9)).toBeCloseTo(1.96, 3);
  });
});
