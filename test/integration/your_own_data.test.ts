/**
 * Owns: the README's way from nothing to a first trained model of one's own data: its commands, as they stand there, but for what a package manager fetches.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { BUILT_CLI } from '../support/built_cli.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const section = /## Your own data in five minutes\n\n((?: {4}.+\n)+)/.exec(readFileSync('README.md', 'utf8'))?.[1] ?? '';
const commands = section
  .trim()
  .split('\n')
  .map((line) => line.trim().replace(/ +#.*/, ''));

/** In place of `npm install`: what it would leave. */
function install(folder: string): string {
  const bin = join(folder, 'node_modules/.bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(resolve('.'), join(folder, 'node_modules/tfjs-parallel'));
  writeFileSync(join(bin, 'tfjs-parallel'), `#!/bin/sh\nexec '${process.execPath}' '${BUILT_CLI}' "$@"\n`, { mode: 0o755 });
  return 'true';
}

it('the commands of the README train a model of one’s own data, and score it', async () => {
  const folder = await temporaryFolder();
  expect(commands[1]).toBe('npm install tfjs-parallel @tensorflow/tfjs');
  mkdirSync(join(folder, 'points'));
  const [first, , ...others] = commands;
  const lines = [first.replace('mkdir points && ', ''), install(join(folder, 'points')), ...others];
  const { status, stdout, stderr } = spawnSync('bash', ['-e', '-c', lines.join('\n')], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  expect(status, stderr).toBe(0);
  expect(existsSync(join(folder, 'points/runs/first/metrics.jsonl'))).toBe(true);
  // Three sectors of a circle: whoever guesses is right in a third.
  const [, accuracy] = /^validation accuracy ([\d.]+) % \(\d+ of 150\)/m.exec(stdout) ?? [];
  expect(Number(accuracy), stdout).toBeGreaterThan(90);
});
