import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { TINY_DATA } from '../support/real_run.js';

function hashes(flags: string): { stdout: string; stderr: string; status: number | null } {
  const args = ['scripts/hashes.mjs', '--build', 'build', '--', '--data', TINY_DATA, ...flags.split(' ')];
  return spawnSync(process.execPath, args, { encoding: 'utf8' });
}

describe('npm run hashes', () => {
  it('trains in eight ways and finds one hash', { timeout: 3_600_000 }, () => {
    const { stdout, stderr, status } = hashes('--model scripts/crash/tiny_model.mjs --epochs 2');
    const lines = stdout.trim().split('\n');
    expect(
      lines.slice(0, -1).map((line) => /^[0-9a-f]{64} {2}(train|coordinator)/.test(line)),
      stderr,
    ).toEqual(Array(8).fill(true));
    expect(lines.at(-1)).toBe('8 ways, 80 steps: one hash');
    expect(status).toBe(0);
  });

  it('says why a training has none', () => {
    const { stderr, status } = hashes('--model scripts/crash/tiny_model.mjs --batch 0');
    expect(stderr).toContain('train, 1 replica: ended with 2');
    expect(stderr).toContain('CONFIG_WRONG_VALUE');
    expect(status).toBe(1);
  });
});
