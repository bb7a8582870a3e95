import { describe, expect, it } from 'vitest';
import { simulateSlowLinks, SLOW_BUGS } from '../support/simulated_slow_links.js';

const SEEDS = 2000;

describe('slow links, simulated', () => {
  it(`cost nobody whose bytes flow his place, and hold nobody up: ${SEEDS} seeds`, () => {
    const sum = { long: 0, trickled: 0, silent: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = simulateSlowLinks(seed);
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += outcome[key];
    }
    // The seeds must exercise what they are there for.
    expect(sum.long).toBeGreaterThan(SEEDS);
    expect(sum.trickled).toBeGreaterThan(SEEDS / 5);
    expect(sum.silent).toBeGreaterThan(SEEDS / 5);
  });

  it.each(Object.entries(SLOW_BUGS))('a planted bug is found: %s', (_, bug) => {
    const found = (): void => {
      for (let seed = 1; seed <= SEEDS; seed++) simulateSlowLinks(seed, bug);
    };
    expect(found).toThrow(/^seed \d+/);
  });
});
