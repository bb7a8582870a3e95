/**
 * Owns: lines drawn in place on a terminal that changes its size (tmux, which breaks lines anew as terminals do): one panel after it, and nothing above it
 * lost.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
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
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { createLiveLine } from '${pathToFileURL(resolve('build/report/live_line.js')).href}';
const live = createLiveLine({ stream: process.stderr, now: () => performance.now() });
let turns = 0;
setInterval(() => {
  if (existsSync('${join(scratch, 'busy')}')) {
    writeFileSync('${join(scratch, 'is_busy')}', '');
    while (existsSync('${join(scratch, 'busy')}'));
    rmSync('${join(scratch, 'is_busy')}');
  }
  const wide = (line) => line.slice(0, process.stderr.columns - 1);
  live.draw(() => ['bar ' + turns + 'x'.repeat(200), 'curve ' + 'y'.repeat(200), 'replica'].map(wide).join('\\n'));
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
  const terminal = tmux('list-panes', '-F', '#{pane_tty}').trim();
  const width = (): string | undefined =>
    spawnSync('stty', ['-F', terminal, 'size'], { encoding: 'utf8' }).stdout.trim().split(' ')[1];
  /** Whether nothing changed for a moment. */
  const stands = async (): Promise<boolean> => {
    const before = screen().join('\n');
    await setTimeout(200);
    return screen().join('\n') === before;
  };
  await expect.poll(() => told().length).toBeGreaterThan(1);
  for (const columns of ['60', '45', '100', '38']) {
    const before = told().length;
    // Busy as the terminal changes, and all that it wrote is on the screen: it does not hear of the change before it draws again.
    writeFileSync(join(scratch, 'busy'), '');
    await expect.poll(() => existsSync(join(scratch, 'is_busy'))).toBe(true);
    await expect.poll(stands).toBe(true);
    tmux('resize-window', '-x', columns, '-y', '40');
    await expect.poll(width).toBe(columns);
    rmSync(join(scratch, 'busy'));
    await expect.poll(() => told().length).toBeGreaterThan(before + 1);
    await expect.poll(drawn).toEqual(['bar', 'curve', 'replica']);
  }
  const lines = told();
  expect(lines).toEqual(Array.from({ length: lines.length }, (_, at) => at + 1));
});
