import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { TINY_DATA } from '../support/real_run.js';

/** Each kind of trouble, and some of them more often; `npm run chaos` makes as many as are asked for. Thousands of joins and leaves are simulated. */
const KINDS = [
  ...['kill', 'kill', 'kill', 'all', 'churn', 'churn', 'stop', 'late'],
  ...['reset', 'cut', 'slow', 'loss', 'attack', 'coordinator'],
];

describe('a cluster of processes', () => {
  it('ends with the weights of one machine, whoever dies', { timeout: 7_200_000 }, () => {
    const what = ['--runs', String(KINDS.length), '--kinds', KINDS.join(','), '--build', 'build'];
    const args = ['scripts/chaos.mjs', ...what, '--', '--data', TINY_DATA, '--report', 'none'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toContain(' 0 differ from the undisturbed run');
    expect(status).toBe(0);
  });
});
