/**
 * Owns: the dashboard in a real browser: a cluster that is watched while a worker joins and is killed, the page reloaded, the coordinator killed and started
 * again, a state saved and the end asked for by its buttons.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBrowser, startBrowser, type Browser, type Page } from '../support/browser.js';
import { BUILT_CLI } from '../support/built_cli.js';
import { TINY_DATA, TINY_MODEL, TINY_RUN } from '../support/real_run.js';
import { stablePort } from '../support/stable_port.js';

if (!hasBrowser) console.warn('dashboard.test.ts skipped: there is no chromium, chromium-browser or google-chrome');

const scratch = mkdtempSync(join(tmpdir(), 'dashboard-'));
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

/** With the text it has written so far. */
function start(args: readonly string[]) {
  const env = { ...process.env, NODE_OPTIONS: '', XDG_CONFIG_HOME: join(scratch, 'config') };
  const child = spawn(process.execPath, [BUILT_CLI, ...args], { cwd: scratch, env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const told = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (told.text += chunk.toString()));
  const ended = new Promise<number | null>((resolve) =>
    child.on('close', (code) => {
      children.delete(child);
      resolve(code);
    }),
  );
  /** Resolves once it has said so; rejects with all it said where it ended without. */
  const says = async (words: RegExp): Promise<void> => {
    while (!words.test(told.text)) {
      if (child.exitCode !== null) throw new Error(told.text);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  return { child, ended, told, says };
}

/** Flags with a value that a coordinator has no use for. */
const OF_WORKERS = ['--gpus', '--threads-per-worker'];

const worker = (port: number, name: string) =>
  start([
    'worker',
    '--host',
    `127.0.0.1:${port}`,
    '--model',
    TINY_MODEL,
    '--data',
    TINY_DATA,
    '--workers',
    '1',
    '--threads-per-worker',
    '1',
    '--worker-name',
    name,
  ]);
/** It is ended by the test, however long a browser takes for its pages. */
const ENDLESS = ['--epochs', '1000000'];
const text = (id: string): string => `document.getElementById('${id}').innerText`;

describe.skipIf(!hasBrowser)('the dashboard of a cluster, in a browser', () => {
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    browser = await startBrowser();
    page = await browser.open();
  });
  afterAll(() => browser.close());

  it('shows joins, losses and where each step goes; outlives a reload and a coordinator; saves and ends the run', async () => {
    const args = TINY_RUN.filter((arg, at) => ![arg, TINY_RUN[at - 1]].some((one) => OF_WORKERS.includes(one)));
    args.push('--state-every', '600s,epoch', '--name', 'r');
    const port = await stablePort();
    const doors = ['--listen', `127.0.0.1:${port}`, '--dashboard', `127.0.0.1:${await stablePort()}`];
    const first = start(['coordinator', ...args, ...ENDLESS, ...doors]);
    await first.says(/waiting for workers at/);
    const [, link] = /^dashboard (\S+)$/m.exec(first.told.text) ?? [];
    await page.goto(link);
    await page.until(`${text('tiles')}.includes('waiting for workers')`);

    worker(port, 'ada');
    await page.until(`${text('tiles')}.includes('running')`);
    const bob = worker(port, 'bob');
    await page.until(`${text('happened')}.includes('bob')`);
    await page.until(`${text('replicas')}.includes('ada') && ${text('replicas')}.includes('bob')`);
    expect(await page.evaluate(text('replicas'))).toMatch(/crc32 [0-9a-f]{8}, as the coordinator/);
    bob.child.kill('SIGKILL');
    await page.until(`document.querySelector('#happened tr.loss')?.innerText.includes('bob')`);
    await page.until(`document.querySelectorAll('#charts .uplot').length >= 4`);

    // Who reloads, and who comes late, sees the whole run.
    const pointsOf = (seen: Page) => seen.evaluate<string>(text('tiles'));
    await page.goto('about:blank');
    await page.goto(link);
    await page.until(`${text('tiles')}.includes('running') && ${text('happened')}.includes('bob')`);
    expect(await pointsOf(page)).toContain('best val_acc');

    const steps = `Number(document.getElementById('step-title').innerText.match(/\\d+/)?.[0])`;
    await page.until(`${steps} > 24`);
    first.child.kill('SIGKILL');
    await first.ended;
    await page.until(`${text('link')}.includes('Looking for it')`);
    const again = start(['coordinator', '--resume', 'runs/r', ...doors]);
    await again.says(/waiting for workers at/);
    await page.until(`${text('link')} === '' && ${text('tiles')}.includes('running')`);
    await page.until(`${text('happened')}.includes('resumed') && document.querySelector('#charts .uplot') !== null`);

    await page.evaluate(`document.getElementById('save').click()`);
    await page.until(`document.querySelector('#happened tr.saved') !== null`);
    // Within the time in which the second click counts as one.
    const twice = `(() => { const end = document.getElementById('end'); end.click(); const said = end.innerText; end.click(); return said; })()`;
    expect(await page.evaluate(twice)).toBe('Click again to stop after this epoch');
    await page.until(`${text('tiles')}.includes('ended (stopped_early)')`);
    expect(await again.ended).toBe(0);
    expect((await page.screenshot()).length).toBeGreaterThan(20_000);
    // While the coordinator was away the browser could not reach it, and says so itself.
    expect(
      page.complaints.filter(
        (text) => !/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_INCOMPLETE/.test(text),
      ),
    ).toEqual([]);
  });

  it('shows what others named as text, and asks nothing of the network but its run', async () => {
    const run = start(['train', ...TINY_RUN, '--workers', '1', ...ENDLESS, '--dashboard', '127.0.0.1:0', '--name', 'x']);
    await run.says(/^dashboard /m);
    const [, link] = /^dashboard (\S+)$/m.exec(run.told.text) ?? [];
    const stranger = await browser.open();
    await stranger.goto(link.replace(/#.*/, '#wrong'));
    await stranger.until(`${text('link')}.includes('The link is not right')`);
    expect(await stranger.evaluate(text('name'))).toBe('tfjs-parallel');
    const seen = await browser.open({ width: 500, height: 900 });
    await seen.goto(link);
    await seen.until(`${text('tiles')}.includes('running')`);
    const html = await seen.evaluate<string>(
      `performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => !name.startsWith(location.origin + '/events')).join()`,
    );
    expect(html).toBe('');
    expect(await seen.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(75);
  });
});
