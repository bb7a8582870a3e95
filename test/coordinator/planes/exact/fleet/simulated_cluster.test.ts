import { describe, expect, it } from 'vitest';
import { PLANTED_BUGS } from '../../../../support/planted_bugs.js';
import { simulate, type Bug } from '../../../../support/simulated_cluster.js';

const SEEDS = 2000;
/** Seeds that once failed; they stay. */
const KEPT_SEEDS = [24186];

describe('the simulated cluster', () => {
  it(`ends in the undisturbed end, whatever happens to it: ${SEEDS} seeds`, () => {
    const sum = { steps: 0, kills: 0, restarts: 0, speculative: 0, condemned: 0, undecided: 0, doubted: 0, diverged: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = simulate(seed);
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += outcome[key];
    }
    // The seeds must exercise what they are there for.
    expect(sum.kills).toBeGreaterThan(SEEDS);
    expect(sum.restarts).toBeGreaterThan(SEEDS / 3);
    expect(sum.speculative).toBeGreaterThan(SEEDS / 10);
    expect(sum.condemned).toBeGreaterThan(SEEDS / 50);
    expect(sum.undecided).toBeGreaterThan(SEEDS / 200);
    expect(sum.doubted).toBeGreaterThan(SEEDS / 50);
  });

  it('still passes the seeds that once failed', () => {
    for (const seed of KEPT_SEEDS) simulate(seed);
  });
});

describe('a planted bug is found', () => {
  it.each(Object.entries(PLANTED_BUGS))('%s', (_, bug: Bug) => {
    const found = (): void => {
      for (let seed = 1; seed <= SEEDS; seed++) simulate(seed, bug);
    };
    expect(found).toThrow(/^seed \d+/);
  });
});
