/**
 * Owns: that what stands between a worker and its coordinator is named by its sign: scripted terminators, proxies and a path that swallows large packets.
 * The programs themselves are in test/system/what_stands_between.test.ts.
 */
import { createServer as createHttpServer, request } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectToCoordinator, type ClientTls } from '../../src/transport/client.js';
import { PSK_TLS, pskIdentity } from '../../src/transport/secrets.js';
import { WorkerSession } from '../../src/worker/host/session.js';
import { hasOpenssl, makeCertificate } from '../support/certificates.js';
import { loopbackCluster, SECRET } from '../support/loopback_cluster.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const PLAIN: ClientTls = { kind: 'none' };
const PSK: ClientTls = { kind: 'psk' };

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) =>
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket))),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

/** Joins what came in with what it opens; either end closes the other. */
function join(near: Socket, far: Socket): void {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ]) {
    from.on('error', () => to.destroy()).on('close', () => to.end());
    from.pipe(to);
  }
}

const login = (port: number, tls: ClientTls) =>
  connectToCoordinator({ coordinator: { host: '127.0.0.1', port }, secret: SECRET, tls, timeoutMs: 2000 }).then((socket) =>
    socket.terminate(),
  );

if (!hasOpenssl) console.warn('between.test.ts: TLS by certificate skipped: no openssl to make one');

describe('what ends TLS in front of the coordinator', () => {
  it.skipIf(!hasOpenssl)('is named, whether it encrypts anew behind itself or not', async () => {
    const { certificate: cert, key } = makeCertificate(await temporaryFolder(), 'between');
    const trusting: ClientTls = { kind: 'trusted_certificate', authority: cert };
    const [plain, keyed] = [await loopbackCluster(), await loopbackCluster({ tls: { kind: 'psk' } })];
    const toPlain = await listening(createTlsServer({ cert, key }, (near) => join(near, connect(plain.port, '127.0.0.1'))));
    const toKeyed = await listening(createTlsServer({ cert, key }, (near) => join(near, asPsk(keyed.port))));
    for (const port of [toPlain, toKeyed])
      await expect(login(port, trusting)).rejects.toMatchObject({ code: 'TLS_ENDS_BETWEEN' });
    // A worker that has not been given its certificate is told of that first.
    await expect(login(toPlain, PSK)).rejects.toThrow('if it has a certificate, pass that with --tls-ca');
  });

  it('is named where it stands on the worker’s own machine, too', async () => {
    const keyed = await loopbackCluster({ tls: { kind: 'psk' } });
    const port = await listening(createServer((near) => join(near, asPsk(keyed.port))));
    await expect(login(port, PLAIN)).rejects.toMatchObject({
      code: 'TLS_ENDS_BETWEEN',
      next: expect.stringContaining('pass TCP through as it is') as string,
    });
  });

  it('is no bar where it passes TCP through as it is', async () => {
    for (const tls of [PLAIN, PSK] as const) {
      const { port: behind } = await loopbackCluster({ tls: tls.kind === 'psk' ? { kind: 'psk' } : { kind: 'none' } });
      await login(await listening(createServer((near) => join(near, connect(behind, '127.0.0.1')))), tls);
    }
  });
});

function asPsk(port: number): Socket {
  const pskCallback = () => ({ psk: SECRET.tls, identity: pskIdentity(SECRET) });
  return connectTls({ host: '127.0.0.1', port, ...PSK_TLS, pskCallback, checkServerIdentity: () => undefined });
}

const V2_LOCAL = Buffer.from('\r\n\r\n\0\r\nQUIT\n\x20\0\0\0', 'latin1');

describe('the PROXY protocol', () => {
  it.each([
    ['version 1', Buffer.from('PROXY TCP4 10.0.0.7 10.0.0.5 50000 29500\r\n')],
    ['version 2', V2_LOCAL],
  ])('of %s is named on both sides, in plaintext and in TLS', async (_, header) => {
    for (const tls of [PLAIN, PSK] as const) {
      const cluster = await loopbackCluster({ tls: tls.kind === 'psk' ? { kind: 'psk' } : { kind: 'none' } });
      const through = createServer((near) => {
        const far = connect(cluster.port, '127.0.0.1');
        far.write(header);
        join(near, far);
      });
      await expect(login(await listening(through), tls), tls.kind).rejects.toMatchObject({ code: 'PROXY_PROTOCOL' });
      expect(cluster.lines.at(-1)).toContain('a proxy puts the PROXY protocol before what workers say');
    }
  });
});

describe('an HTTP proxy', () => {
  /** Passes requests on as nginx does: with the Host that `host` gives, and with an upgrade only where `upgrades`. */
  const httpProxy = (target: number, { host, upgrades }: { host?: string; upgrades: boolean }): Server => {
    const pass = (
      incoming: { url?: string; headers: object },
      answer: (status: number, headers: object, body: string) => void,
    ): void => {
      const headers = {
        ...incoming.headers,
        ...(host !== undefined && { host }),
        ...(!upgrades && { upgrade: '', connection: 'close' }),
      };
      if (!upgrades) delete (headers as { upgrade?: string }).upgrade;
      request({ host: '127.0.0.1', port: target, path: incoming.url, headers }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => answer(response.statusCode ?? 0, { ...response.headers, server: 'nginx' }, body));
      }).end();
    };
    const server = createHttpServer((incoming, response) =>
      pass(incoming, (status, headers, body) => response.writeHead(status, { ...headers }).end(body)),
    );
    // Without a listener for it Node takes an upgrade for a request, as a proxy does that knows none.
    return server;
  };

  it('that rewrites the Host is named, and so is one that drops the upgrade', async () => {
    const { port } = await loopbackCluster();
    const rewriting = await listening(httpProxy(port, { host: `127.0.0.1:${port}`, upgrades: false }));
    await expect(login(rewriting, PLAIN)).rejects.toMatchObject({ code: 'HOST_REWRITTEN' });
    const dropping = await listening(httpProxy(port, { upgrades: false }));
    await expect(login(dropping, PLAIN)).rejects.toMatchObject({ code: 'UPGRADE_DROPPED' });
  });

  it.each([
    ['200 OK', 'Content-Type: text/html', 'WEB_SERVER_ANSWERS', 'HTTP status 200, text/html'],
    ['403 Forbidden', 'Via: 1.1 squid', 'WEB_SERVER_ANSWERS', 'HTTP status 403, 1.1 squid'],
    ['400 Bad Request', 'Server: cloudflare', 'WEB_SERVER_ANSWERS', 'cloudflare'],
    [
      '502 Bad Gateway',
      'Server: nginx/1.22.1',
      'COORDINATOR_UNREACHABLE',
      'a proxy answers that it cannot either (HTTP status 502, nginx/1.22.1)',
    ],
    ['503 Service Unavailable', 'Content-Type: text/html', 'COORDINATOR_UNREACHABLE', 'cannot either'],
    ['404 Not Found', 'X-Other: 1', 'NOT_A_COORDINATOR', 'HTTP status 404'],
  ])('that answers %s with %s is named: %s', async (status, header, code, sign) => {
    const page = `<html>${'x'.repeat(5000)}</html>`;
    const server = createServer((socket) =>
      socket.end(`HTTP/1.1 ${status}\r\n${header}\r\nContent-Length: ${page.length}\r\n\r\n${page}`),
    );
    await expect(login(await listening(server), PLAIN)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(sign) as string,
    });
  });
});

describe('a path that swallows packets over 1,280 bytes', () => {
  /** TCP delivers in order: after the first segment that is swallowed nothing more comes in that direction. */
  const swallowing = (target: number, way: 'up' | 'down'): Server =>
    createServer((near) => {
      const far = connect(target, '127.0.0.1');
      const carry = (from: Socket, to: Socket, swallows: boolean): void => {
        let swallowed = false;
        // What came before the end still goes out: the path swallows large packets, not the farewell.
        from.on('error', () => to.destroy()).on('close', () => to.end());
        from.on('data', (chunk: Buffer) => {
          swallowed ||= swallows && chunk.length > 1280;
          if (!swallowed) to.write(chunk);
        });
      };
      carry(near, far, way === 'up');
      carry(far, near, way === 'down');
    });

  it.each(['up', 'down'] as const)('%s lets the login through, and shows itself in the first message', async (way) => {
    const cluster = await loopbackCluster({
      tls: { kind: 'psk' },
      cluster: { times: { heartbeatMs: 100, heartbeatTimeoutMs: 60_000, sendTimeoutMs: 60_000, questionMs: 400 } },
    });
    const port = await listening(swallowing(cluster.port, way));
    const socket = await connectToCoordinator({ coordinator: { host: '127.0.0.1', port }, secret: SECRET, tls: PSK });
    const session = new WorkerSession(socket, {
      ...{ software: '0.1.0', name: 'w', process: 'p'.repeat(16), deviceNames: ['cpu(0)'] },
      prepare: () => Promise.reject(new Error('no welcome comes')),
      onAdmitted: () => {},
      times: { heartbeatMs: 100, heartbeatTimeoutMs: 60_000, sendTimeoutMs: 60_000, questionMs: 500 },
    });
    expect(await session.ended).toMatchObject({ kind: 'broken', admitted: false, isUnheard: true });
  });
});
