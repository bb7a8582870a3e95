import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** R1: 7 × 3 kills. R2: 2. R6: 2. Schedules of joins and leaves (R3) are thousands in the simulated cluster; here a few are real. */
const KINDS = [
  ...Array<string>(7).fill('kill'),
  ...['all', 'all', 'churn', 'churn', 'churn', 'stop', 'stop', 'late'],
  ...['reset', 'cut', 'slow', 'loss', 'attack', 'coordinator', 'coordinator'],
];

describe('a cluster of processes', () => {
  it('ends with the weights of one machine, whoever dies', { timeout: 7_200_000 }, () => {
    const args = ['scripts/chaos.mjs', '--runs', String(KINDS.length), '--kinds', KINDS.join(','), '--build', 'build'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toContain(' 0 differ from the undisturbed run');
    expect(status).toBe(0);
  });
});
