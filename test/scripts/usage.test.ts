/** Owns: what the scripts say to --help and to an option they do not know. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const SCRIPTS = ['crash', 'chaos', 'endure', 'bench_exchange', 'bench_footprint', 'bench_peers/main', 'stand_still'].map(
  (name) => `scripts/${name}.mjs`,
);

function run(script: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
}

it.each(SCRIPTS)('%s --help prints what the file opens with, every option in it, and exits 0', (script) => {
  const { status, stdout, stderr } = run(script, '--help');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toContain(`node ${script} `);
  const options = [...readFileSync(script, 'utf8').matchAll(/^ {4}'?([a-z-]+)'?: \{ type: /gm)].map(([, name]) => `--${name}`);
  expect(options.length).toBeGreaterThan(3);
  for (const option of options) expect(stdout).toContain(option);
  expect(stdout).not.toContain('*/');
  expect(stdout).not.toContain('import');
  expect(run(script, '-h').stdout).toBe(stdout);
});

it.each(SCRIPTS)('%s answers a wrong option with one line and exit 2', (script) => {
  const { status, stdout, stderr } = run(script, '--reptitions', '3');
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^error: Unknown option '--reptitions'; options: node \S+ --help\n$/);
});

it('a missing value and a value too many are told as plainly', () => {
  expect(run('scripts/crash.mjs', '--runs').stderr).toBe(
    "error: Option '--runs <value>' argument missing; options: node scripts/crash.mjs --help\n",
  );
  expect(run('scripts/crash.mjs', '--runs', '--keep').stderr).toBe(
    "error: Option '--runs' argument is ambiguous; options: node scripts/crash.mjs --help\n",
  );
  expect(run('scripts/bench_exchange.mjs', 'now').stderr).toBe(
    "error: Unexpected argument 'now'; options: node scripts/bench_exchange.mjs --help\n",
  );
});
