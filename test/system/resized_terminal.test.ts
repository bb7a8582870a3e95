/**
 * Owns: lines drawn in place on a terminal that changes its size (tmux, which breaks lines anew as terminals do): one panel after it, and nothing above it
 * lost.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const hasTmux = spawnSync('tmux', ['-V'], { stdio: 'ignore' }).status === 0;
if (!hasTmux) console.warn('resized_terminal.test.ts skipped: there is no tmux');

const scratch = mkdtempSync(join(tmpdir(), 'resized-'));
const tmux = (...args: string[]): string => {
  const env = { ...process.env, LC_ALL: 'C.UTF-8' };
  return spawnSync('tmux', ['-S', join(scratch, 'tmux'), '-f', '/dev/null', ...args], { encoding: 'utf8', env }).stdout;
};
afterAll(() => {
  tmux('kill-server');
  rmSync(scratch, { recursive: true, force: true });
});

/** As the reporter does: lines as wide as there is room, made way for by a line of the report now and then. */
const PROGRAM = `
import { createLiveLine } from '${pathToFileURL(resolve('build/report/live_line.js')).href}';
const live = createLiveLine({ stream: process.stderr, now: () => performance.now() });
let turns = 0;
setInterval(() => {
  const columns = process.stderr.columns - 1;
  live.draw(() => ['bar ' + 'x'.repeat(200), 'curve ' + 'y'.repeat(200), 'replica'].map((line) => line.slice(0, columns)).join('\\n'));
  if (++turns % 10 !== 0) return;
  live.clear();
  process.stdout.write('line ' + turns / 10 + '\\n');
}, 50);
`;

it.skipIf(!hasTmux)('keeps one panel and every line of the report', async () => {
  writeFileSync(join(scratch, 'program.mjs'), PROGRAM);
  tmux('new-session', '-d', '-x', '100', '-y', '40', `'${process.execPath}' '${join(scratch, 'program.mjs')}'`);
  const screen = (): string[] => tmux('capture-pane', '-p', '-J', '-S', '-2000').split('\n');
  const told = (): number[] => screen().flatMap((line) => (line.startsWith('line ') ? [Number(line.slice(5))] : []));
  const drawn = (): string[] => screen().flatMap((line) => /^(bar|curve|replica)/.exec(line)?.[0] ?? []);
  await expect.poll(() => told().length).toBeGreaterThan(1);
  for (const columns of ['60', '45', '100', '38']) {
    const before = told().length;
    tmux('resize-window', '-x', columns, '-y', '40');
    await expect.poll(() => told().length).toBeGreaterThan(before + 1);
    await expect.poll(drawn).toEqual(['bar', 'curve', 'replica']);
  }
  const lines = told();
  expect(lines).toEqual(Array.from({ length: lines.length }, (_, at) => at + 1));
});
