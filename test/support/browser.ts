/**
 * Owns: a real headless Chromium, spoken to by its own protocol: open a page, ask it, press what is on it, take its picture.
 * Does not: judge what it shows.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';

const PROGRAM = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
);
/** At a tenth of a second each, as long as `expect.poll` tries: a test that waits in vain must not take half an hour to say so. */
const UNTIL_TRIES = 3000;
export const hasBrowser = PROGRAM !== undefined;

export interface Page {
  goto(url: string): Promise<void>;
  /** The value of an expression in the page. */
  evaluate<Value>(expression: string): Promise<Value>;
  /** Resolves once the expression is true; rejects with the page's text where it does not become so for five minutes. */
  until(expression: string): Promise<void>;
  /** PNG of all of the page. */
  screenshot(): Promise<Buffer>;
  /** Errors that the page wrote, and what its policy refused. */
  readonly complaints: readonly string[];
}

export interface Browser {
  open(size?: { width: number; height: number }): Promise<Page>;
  close(): Promise<void>;
}

interface Answer {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export async function startBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'browser-'));
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-port=0'];
  const child = spawn(PROGRAM ?? '', [...flags, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const address = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /DevTools listening on (ws:\S+)/.exec(text);
      if (found) resolve(found[1]);
    });
    void ended.then(() => reject(new Error(`the browser did not start: ${text}`)));
  });
  const socket = new WebSocket(address, { maxPayload: 2 ** 28 });
  await new Promise((resolve) => socket.once('open', resolve));
  const waiting = new Map<number, (answer: Answer) => void>();
  const listeners = new Set<(event: Answer) => void>();
  let lastId = 0;
  socket.on('message', (data: Buffer) => {
    const answer = JSON.parse(data.toString()) as Answer;
    if (answer.id === undefined) return listeners.forEach((listener) => listener(answer));
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  const send = (method: string, params: object = {}, sessionId?: string): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const id = (lastId += 1);
      waiting.set(id, ({ result, error }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result ?? {})));
      socket.send(JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) }));
    });

  const open: Browser['open'] = async (size = { width: 1280, height: 900 }) => {
    const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = (await send('Target.attachToTarget', { targetId, flatten: true })) as { sessionId: string };
    const ask = (method: string, params: object = {}) => send(method, params, sessionId);
    const complaints: string[] = [];
    listeners.add(({ sessionId: from, method, params }) => {
      if (from !== sessionId) return;
      if (method === 'Runtime.exceptionThrown') complaints.push(JSON.stringify(params));
      const { entry } = (params ?? {}) as { entry?: { level: string; text: string } };
      if (method === 'Log.entryAdded' && entry?.level === 'error') complaints.push(entry.text);
    });
    await Promise.all(['Page.enable', 'Runtime.enable', 'Log.enable'].map((method) => ask(method)));
    await ask('Emulation.setDeviceMetricsOverride', { ...size, deviceScaleFactor: 1, mobile: false });
    const page: Page = {
      complaints,
      async goto(url) {
        const loaded = new Promise<void>((resolve) => {
          const listener = ({ sessionId: from, method }: Answer): void => {
            if (from !== sessionId || method !== 'Page.loadEventFired') return;
            listeners.delete(listener);
            resolve();
          };
          listeners.add(listener);
        });
        await ask('Page.navigate', { url });
        await loaded;
      },
      async evaluate<Value>(expression: string) {
        const told = await ask('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
        const { result, exceptionDetails } = told as { result: { value: Value }; exceptionDetails?: object };
        if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
        return result.value;
      },
      async until(expression) {
        for (let tries = 0; !(await page.evaluate<boolean>(`Boolean(${expression})`)); tries++) {
          if (tries === UNTIL_TRIES) throw new Error(`${expression}: ${await page.evaluate<string>('document.body.innerText')}`);
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      },
      async screenshot() {
        const height = await page.evaluate<number>('document.documentElement.scrollHeight');
        const clip = { x: 0, y: 0, width: size.width, height, scale: 1 };
        const { data } = await ask('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, clip });
        return Buffer.from(data as string, 'base64');
      },
    };
    return page;
  };
  return {
    open,
    async close() {
      socket.close();
      child.kill('SIGKILL');
      await ended;
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
