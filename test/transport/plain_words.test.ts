/**
 * Owns: that the words of Node, OpenSSL and ws do not reach the user: a walk over all their codes, over connections broken for real, and over the sources.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { plainClose, plainly } from '../../src/transport/plain_words.js';
import { Link } from '../../src/transport/link.js';

/** What no sentence for people has: the system's calls, ws's states and codes, Node's parsers. */
const RAW =
  /readyState|socket hang up|WS_ERR|ERR_|HPE_|Parse Error|getaddrinfo|syscall|\b(read|write|connect|listen|send) E[A-Z]|[A-Z]:\\|null|undefined|\[object/;

const systemCodes = [...getSystemErrorMap().values()].map(([code]) => code);
const sources = ['node_modules/ws/lib/receiver.js', 'node_modules/ws/lib/sender.js', 'node_modules/ws/lib/websocket.js'];
const wsCodes = [...new Set(sources.flatMap((file) => readFileSync(file, 'utf8').match(/WS_ERR_\w+/g) ?? []))];

it('every code of the system, of ws, of TLS and of the HTTP parser has words', () => {
  const others = [
    'HPE_INVALID_METHOD',
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'ERR_STREAM_DESTROYED',
    'ERR_SOCKET_CLOSED',
    'ERR_UNHEARD_OF',
    '',
  ];
  expect(wsCodes.length).toBeGreaterThan(8);
  for (const code of [...systemCodes, ...wsCodes, ...others]) {
    const said = plainly(Object.assign(new Error(`write ${code} readyState 2`), code === '' ? {} : { code }));
    expect(said, code).not.toMatch(RAW);
    expect(said.length, code).toBeGreaterThan(8);
  }
  for (const value of [null, undefined, 'text', new Error('WebSocket is not open: readyState 2 (CLOSING)')])
    expect(plainly(value)).not.toMatch(RAW);
  for (let code = 1000; code < 1016; code++) expect(plainClose(code, '')).not.toMatch(RAW);
  expect(plainClose(1008, 'silent for 10 s')).toBe('silent for 10 s');
});

it('what a connection really fails with is put in words: refused, reset, closed while sending, no WebSocket', async () => {
  const closed = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
  const refused = await new Promise((resolve) => connect(closed, '127.0.0.1').on('error', resolve));
  expect(plainly(refused)).toBe('nobody listens there');

  const door = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => door.close());
  await new Promise((resolve) => door.once('listening', resolve));
  const { port } = door.address() as { port: number };
  const pair = async (): Promise<{ near: WebSocket; far: WebSocket }> => {
    const coming = new Promise<WebSocket>((resolve) => door.once('connection', resolve));
    const near = new WebSocket(`ws://127.0.0.1:${port}`);
    await new Promise((resolve) => near.once('open', resolve));
    return { near, far: await coming };
  };
  const times = { heartbeatMs: 20, heartbeatTimeoutMs: 60_000, sendTimeoutMs: 60_000 };
  const endOf = (socket: WebSocket): { link: Link; reason: Promise<string> } => {
    let tell: (reason: string) => void = () => {};
    const reason = new Promise<string>((resolve) => (tell = resolve));
    const link = new Link(socket, { place: (_, total) => new Uint8Array(total), onMessage: () => {}, onClosed: tell }, times);
    return { link, reason };
  };
  const reset = await pair();
  const watched = endOf(reset.near);
  (reset.far as WebSocket & { _socket: { resetAndDestroy(): void } })._socket.resetAndDestroy();
  expect(await watched.reason).toMatch(/^the connection was (reset|closed)/);

  // Bytes are handed over while the socket is closing already: ws says readyState 2.
  const closing = await pair();
  const sending = endOf(closing.near);
  closing.near.close();
  void sending.link.send({ type: 'heartbeat' });
  expect(await sending.reason).not.toMatch(RAW);

  const foreign = await pair();
  const heard = endOf(foreign.near);
  foreign.far.send('text');
  expect(await heard.reason).not.toMatch(RAW);
});

it('no source of a connection shows a library’s message but through these words', () => {
  const folders = ['src/transport', 'src/worker/host', 'src/coordinator/cluster'];
  const lines = folders.flatMap((folder) =>
    readdirSync(folder).flatMap((file) =>
      readFileSync(join(folder, file), 'utf8')
        .split('\n')
        .filter((line) => /\b(error|cause|reason)\.message\b|errorMessage\(|String\((error|cause)\)/.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    ),
  );
  // Errors of our own, of a file, or of a replica; none of a connection.
  const known = [
    /^(token|worker_tokens)\.ts: const why = /,
    /^client_tls\.ts: throw fileError\(/,
    /^plain_words\.ts: if \(\/readyState/,
    /^link\.ts: const message = errorMessage\(error\);/,
    /^keep_in_touch\.ts: if \(!told\) say\(/,
    /^prepared_job\.ts: super\(cause\.message\);/,
    /^session\.ts: reason: errorMessage\(error\),/,
    /^session\.ts: \(error: unknown\) => this\.#link\.close\(errorMessage\(error\)\)/,
    /^worker_core\.ts: const reason = error instanceof ExpectedError/,
    /^admissions\.ts: else this\.#options\.say\(/,
  ];
  expect(lines.filter((line) => !known.some((pattern) => pattern.test(line)))).toEqual([]);
  expect(lines.length).toBeGreaterThanOrEqual(known.length);
});
