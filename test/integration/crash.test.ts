import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { TINY_DATA } from '../support/real_run.js';

describe('training that is killed and resumed', () => {
  it(
    '10 times, with some 20 kills, ends with the weights, models and metrics of the undisturbed run',
    { timeout: 7_200_000 },
    () => {
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        ['scripts/crash.mjs', '--runs', '10', '--seed', '1', '--build', 'build', '--', '--data', TINY_DATA],
        {
          encoding: 'utf8',
        },
      );
      expect(`${stdout}${stderr}`).toContain('0 differ from the undisturbed run');
      expect(status).toBe(0);
    },
  );
});
