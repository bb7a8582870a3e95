import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { simulateAdmissions, TRUE_RIM, type Rim } from '../support/simulated_admissions.js';

const SEEDS = 2000;

beforeAll(() => void vi.useFakeTimers());
afterAll(() => void vi.useRealTimers());

describe('workers that die, fall silent or lie while they prepare, offer, describe and begin', () => {
  it(`cost their own work only, or the run by name: ${SEEDS} seeds`, async () => {
    const sum = { began: 0, firstWrong: 0, disagreed: 0, outvoted: 0, faulted: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await simulateAdmissions(seed);
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += Number(outcome[key]);
    }
    // The seeds must exercise what they are there for.
    expect(sum.began).toBeGreaterThan(SEEDS / 2);
    for (const key of ['firstWrong', 'disagreed', 'outvoted', 'faulted'] as const)
      expect(sum[key], key).toBeGreaterThan(SEEDS / 100);
  });
});

const BUGS: Record<string, Partial<Rim>> = {
  'waits for ever for a description': { describeTimeoutMs: 10 ** 9 },
  'waits for the description of a worker that is gone': { rejectsDescriptions: false },
  'remembers what workers that are gone have shown': { hearsOfEnds: false },
  'takes one worker’s word for a fault of the run': { asksOthersOfFaults: false },
  'begins with one worker where two are asked for': { minWorkers: () => 1 },
  'waits for ever for a third to decide': { disputeMs: 2 ** 31 - 1 },
  'gives each session of a process a voice': { process: (process, session) => `${process} ${session}` },
  'admits whoever comes after the first': {
    admit: async (admissions, session, prepared) => {
      const refusal = await admissions.admit(session, prepared);
      return admissions.model === null ? refusal : null;
    },
  },
};

describe('a planted bug is found', () => {
  it.each(Object.entries(BUGS))('%s', async (_, bug) => {
    const found = async (): Promise<void> => {
      for (let seed = 1; seed <= SEEDS; seed++) await simulateAdmissions(seed, { ...TRUE_RIM, ...bug });
    };
    await expect(found()).rejects.toThrow(/^seed \d+/);
  });
});
