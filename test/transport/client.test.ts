import { createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { channelOf } from '../../src/transport/between.js';
import { PROTOCOL } from '../../src/common/protocol/frame.js';
import { connectToCoordinator, type ClientTls } from '../../src/transport/client.js';
import { SECRET } from '../support/loopback_cluster.js';

/** A server that treats each connection as the test says; `sockets` are those it has. */
async function server(treat: (socket: Socket, nth: number) => void) {
  const sockets = new Set<Socket>();
  let nth = 0;
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.resume();
    treat(socket, ++nth);
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  });
  return { coordinator: { host: '127.0.0.1', port: (listening.address() as { port: number }).port }, sockets };
}

const PLAIN: ClientTls = { kind: 'none' };
const nonce = 'n'.repeat(40);
const challenge = JSON.stringify({ nonce, channel: channelOf('', nonce), protocol: PROTOCOL });

it.each([
  ['the connection', PLAIN, () => {}],
  ['the TLS handshake', { kind: 'psk' } as const, () => {}],
  [
    'half of the challenge',
    PLAIN,
    (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${challenge.length}\r\n\r\n${challenge.slice(0, 9)}`),
  ],
  [
    'the challenge',
    PLAIN,
    (socket: Socket, nth: number) =>
      nth === 1 && socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${challenge.length}\r\n\r\n${challenge}`),
  ],
])('gives up on a coordinator that is silent after %s, and keeps no socket', async (_, tls, treat) => {
  const { coordinator, sockets } = await server(treat);
  await expect(connectToCoordinator({ coordinator, secret: SECRET, tls, timeoutMs: 200 })).rejects.toMatchObject({
    code: 'COORDINATOR_UNREACHABLE',
    message: expect.stringContaining('no answer within 0.2 s') as string,
  });
  await expect.poll(() => sockets.size).toBe(0);
});

it('stops at once when asked to, whatever it waits for', async () => {
  const { coordinator, sockets } = await server(() => {});
  const stop = new AbortController();
  const login = connectToCoordinator({ coordinator, secret: SECRET, tls: PLAIN, timeoutMs: 3_600_000, signal: stop.signal });
  setTimeout(() => stop.abort(), 50);
  await expect(login).rejects.toThrow('asked to stop');
  await expect.poll(() => sockets.size).toBe(0);
  const again = connectToCoordinator({ coordinator, secret: SECRET, tls: PLAIN, timeoutMs: 3_600_000, signal: stop.signal });
  await expect(again).rejects.toThrow('asked to stop');
});

it('knows a name without an address, and a server of another kind', async () => {
  const nowhere = { host: 'no-such-host.invalid', port: 1 };
  const unknown = connectToCoordinator({ coordinator: nowhere, secret: SECRET, tls: PLAIN });
  await expect(unknown).rejects.toMatchObject({
    code: expect.stringMatching(/^(HOST_UNKNOWN|COORDINATOR_UNREACHABLE)$/) as string,
  });
  const ssh = await server((socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n'));
  await expect(connectToCoordinator({ ...ssh, secret: SECRET, tls: PLAIN })).rejects.toMatchObject({ code: 'NOT_A_COORDINATOR' });
  const web = await server((socket) => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'));
  await expect(connectToCoordinator({ ...web, secret: SECRET, tls: PLAIN })).rejects.toMatchObject({ code: 'NOT_A_COORDINATOR' });
  const tls = await server((socket) => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 70])));
  await expect(connectToCoordinator({ ...tls, secret: SECRET, tls: PLAIN })).rejects.toThrow('does it use TLS?');
});
