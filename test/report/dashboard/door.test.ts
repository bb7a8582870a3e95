import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LIMITS } from '../../../src/common/limits.js';
import { openDoor, type Wish } from '../../../src/report/dashboard/door.js';
import { Viewers } from '../../../src/report/dashboard/viewers.js';

const TOKEN = 'A'.repeat(43);
const PAGE = '<html><style>b{}</style><script>let a = 1</script></html>';

async function door(everything = '{"all":true}') {
  const wishes: Wish[] = [];
  const viewers = new Viewers();
  const { port, close } = await openDoor({
    listen: { host: '127.0.0.1', port: 0 },
    token: TOKEN,
    page: PAGE,
    onViewer: (response) => viewers.add(response, () => everything),
    onWish: (wish) => wishes.push(wish),
  });
  onTestFinished(close);
  return { port, wishes, viewers };
}

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Of a stream of events, the first piece. */
function ask(port: number, { method = 'GET', path = '/events', headers = {}, body }: Asked = {}) {
  return new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]>; close: () => void }>(
    (resolve, reject) => {
      const all = { host: `127.0.0.1:${port}`, authorization: `Bearer ${TOKEN}`, ...headers };
      const asking = request({ host: '127.0.0.1', port, method, path, headers: all }, (response) => {
        const { statusCode: status = 0 } = response;
        const told = (text: string): void => resolve({ status, text, headers: response.headers, close: () => asking.destroy() });
        response.once('data', (chunk: Buffer) => told(chunk.toString()));
        response.once('end', () => told(''));
        response.on('error', () => undefined);
      });
      asking.on('error', reject);
      asking.end(body);
      onTestFinished(() => void asking.destroy());
    },
  );
}

const open = (port: number, first = ''): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      if (first !== '') socket.write(first);
      resolve(socket);
    });
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
  });

const ended = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
  });

describe('who comes to the dashboard', () => {
  it('sees the page without a token, and nothing of a run', async () => {
    const { port } = await door();
    const { status, text, headers } = await ask(port, { path: '/', headers: { authorization: '' } });
    expect([status, text]).toEqual([200, PAGE]);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain(`default-src 'none'`);
    expect(policy).not.toContain('unsafe');
    expect(policy.match(/'sha256-/g)?.length).toBe(2);
    expect(policy).toContain(`frame-ancestors 'none'`);
  });

  it('with the token sees everything, and may wish', async () => {
    const { port, wishes } = await door('{"all":true,"state":"running"}');
    const seen = await ask(port);
    expect([seen.status, seen.text]).toEqual([200, 'data: {"all":true,"state":"running"}\n\n']);
    const own = { origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' };
    expect((await ask(port, { method: 'POST', path: '/save', headers: own })).status).toBe(204);
    expect((await ask(port, { method: 'POST', path: '/end' })).status).toBe(204);
    expect(wishes).toEqual(['save', 'end']);
  });

  it.each<[string, Asked, number]>([
    ['no token', { headers: { authorization: '' } }, 401],
    ['another token', { headers: { authorization: `Bearer ${'B'.repeat(43)}` } }, 401],
    ['a part of the token', { headers: { authorization: `Bearer ${'A'.repeat(42)}` } }, 401],
    ['the token as another scheme', { headers: { authorization: `Basic ${TOKEN}` } }, 401],
    ['the token in the address', { path: `/events?token=${TOKEN}`, headers: { authorization: '' } }, 404],
    ['a foreign Origin', { headers: { origin: 'http://evil.example' } }, 403],
    ['its own address at another port as Origin', { headers: { origin: 'http://127.0.0.1:1' } }, 403],
    ['an opaque Origin', { headers: { origin: 'null' } }, 403],
    ['a page of another site', { headers: { 'sec-fetch-site': 'cross-site' } }, 403],
    ['a page of a neighbor', { headers: { 'sec-fetch-site': 'same-site' } }, 403],
    ['a name that was made to point here', { headers: { host: 'evil.example' } }, 403],
    ['the page under such a name', { path: '/', headers: { host: 'evil.example:80' } }, 403],
    ['POST for the page', { method: 'POST', path: '/' }, 405],
    ['GET for a wish', { path: '/save' }, 405],
    ['OPTIONS for a wish', { method: 'OPTIONS', path: '/save' }, 405],
    ['another path', { path: '/metrics' }, 404],
    ['a path out of the folder', { path: '/../config.yaml' }, 404],
    ['a name that every object has', { path: '/constructor' }, 404],
    ['a body', { method: 'POST', path: '/save', body: 'x'.repeat(1000) }, 413],
    ['a body without a length', { method: 'POST', path: '/save', headers: { 'transfer-encoding': 'chunked' }, body: 'x' }, 413],
  ])('with %s is answered %s', async (_, how, status) => {
    const { port, wishes, viewers } = await door();
    expect((await ask(port, how)).status).toBe(status);
    expect([wishes, viewers.count]).toEqual([[], 0]);
  });

  it('may come through a tunnel from another port, and by any address', async () => {
    const { port } = await door();
    for (const host of ['localhost:8080', '127.0.0.1', '[::1]:9000', '10.0.0.7:80'])
      expect((await ask(port, { headers: { host } })).status).toBe(200);
  });
});

describe('abuse of the dashboard', () => {
  it('1,000 wrong tokens open nothing, and the right one still does', async () => {
    const { port, wishes } = await door();
    for (let i = 0; i < 1000; i += 50) {
      const tries = Array.from({ length: 50 }, (_, j) => {
        const how = { method: 'POST', path: (i + j) % 2 ? '/save' : '/end' };
        return ask(port, { ...how, headers: { authorization: `Bearer ${String(i + j).padStart(43, 'A')}` } });
      });
      expect(new Set((await Promise.all(tries)).map(({ status }) => status))).toEqual(new Set([401]));
    }
    expect(wishes).toEqual([]);
    expect((await ask(port)).status).toBe(200);
  });

  it('1,000 idle connections and slow heads keep nobody out, and put nobody out who is in', async () => {
    const { port, viewers } = await door();
    await ask(port);
    for (let i = 0; i < 10; i++)
      await Promise.all(Array.from({ length: 100 }, (_, j) => open(port, j % 2 ? 'GET /events HTTP/1.1\r\nHo' : '')));
    expect((await ask(port)).status).toBe(200);
    expect(viewers.count).toBe(2);
  });

  it.each([
    ['a head beyond its limit', `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'x'.repeat(2 * LIMITS.maxHttpHeadBytes)}\r\n\r\n`],
    ['garbage', '\x16\x03\x01\x02\x00\x01\r\n\r\n'],
    ['an upgrade', 'GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
    ['CONNECT', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['two lengths', 'POST /save HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n'],
  ])('%s ends the connection, and nothing else', async (_, bytes) => {
    const { port, wishes } = await door();
    const text = await ended(await open(port, bytes));
    expect(text).not.toContain('200 OK');
    expect(wishes).toEqual([]);
    expect((await ask(port)).status).toBe(200);
  });

  it('a request of 50 MB is refused without being taken', async () => {
    const { port } = await door();
    const socket = await open(port, `POST /save HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${50 * 2 ** 20}\r\n\r\n`);
    socket.on('data', () => undefined);
    const over = ended(socket);
    const piece = Buffer.alloc(2 ** 16);
    const pour = (): void => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', pour);
    pour();
    expect(await over).toContain('413');
    expect(socket.bytesWritten).toBeLessThan(50 * 2 ** 20);
  });

  it('no more look at once than there is room for', async () => {
    const { port, viewers } = await door();
    for (let i = 0; i < LIMITS.maxViewers; i++) expect((await ask(port)).status).toBe(200);
    expect((await ask(port)).status).toBe(503);
    expect(viewers.count).toBe(LIMITS.maxViewers);
  });

  it('who takes nothing is let go, and the others hear all of it', async () => {
    const { port, viewers } = await door();
    const slow = await open(port, `GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`);
    slow.pause();
    let heard = 0;
    const quick = request(
      { host: '127.0.0.1', port, path: '/events', headers: { authorization: `Bearer ${TOKEN}` } },
      (response) => response.on('data', (chunk: Buffer) => (heard += chunk.length)),
    );
    quick.end();
    onTestFinished(() => void quick.destroy());
    await expect.poll(() => viewers.count).toBe(2);
    const text = 'x'.repeat(2 ** 18);
    let told = 0;
    while (viewers.count === 2) {
      viewers.tell(text);
      told += 1;
      // What the system's buffers take is no memory of ours.
      await expect.poll(() => heard).toBeGreaterThanOrEqual(told * text.length);
      expect(told * text.length).toBeLessThan(64 * 2 ** 20);
    }
    expect(viewers.count).toBe(1);
    viewers.tell(text);
    await expect.poll(() => heard).toBeGreaterThanOrEqual((told + 1) * text.length);
  });
});
