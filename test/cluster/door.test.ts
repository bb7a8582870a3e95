import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { LIMITS } from '../../src/common/limits.js';
import { LOGIN } from '../../src/common/protocol/login.js';
import { Challenges } from '../../src/transport/challenge.js';
import { newNonce, proofOf, secretOf } from '../../src/transport/secrets.js';
import { hasOpenssl, makeCertificate } from '../support/certificates.js';
import { temporaryFolder } from '../support/temporary_folder.js';
import { loopbackCluster, SECRET, TOKEN } from '../support/loopback_cluster.js';

const WRONG = 'B'.repeat(43);

function ask(
  port: number,
  {
    method = 'GET',
    path = '/challenge',
    headers = {},
  }: { method?: string; path?: string; headers?: Record<string, string> } = {},
) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, method, path, headers: { host: LOGIN.host, ...headers } }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asking.on('error', reject);
    asking.end();
  });
}

const challenge = async (port: number): Promise<string> => (JSON.parse((await ask(port)).body) as { nonce: string }).nonce;

/** The status of an upgrade with these headers; 101 if a WebSocket came to be. */
function upgrade(port: number, headers: Record<string, string>): Promise<{ status: number; socket: WebSocket }> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${LOGIN.sessionPath}`, { headers: { host: LOGIN.host, ...headers } });
    onTestFinished(() => socket.terminate());
    socket.on('error', () => {});
    socket.on('open', () => resolve({ status: 101, socket }));
    socket.on('unexpected-response', (_, response) => resolve({ status: response.statusCode ?? 0, socket }));
  });
}

function proven(nonce: string, role: 'worker' | 'coordinator' = 'worker', secret = SECRET): Record<string, string> {
  const workerNonce = newNonce();
  const proof = proofOf(secret, role, { coordinatorNonce: nonce, workerNonce, exporter: '' });
  return { [LOGIN.nonceHeader]: nonce, [LOGIN.workerNonceHeader]: workerNonce, [LOGIN.proofHeader]: proof };
}

describe('login (S2)', () => {
  it('opens for the right proof, once', async () => {
    const { port } = await loopbackCluster();
    const headers = proven(await challenge(port));
    expect((await upgrade(port, headers)).status).toBe(101);
    expect((await upgrade(port, headers)).status).toBe(401);
  });

  it('refuses absent, wrong, reflected, foreign and malformed proofs, 1,000 of them', async () => {
    const { port, lines } = await loopbackCluster();
    const kinds: (() => Promise<Record<string, string>>)[] = [
      () => Promise.resolve({}),
      async () => proven(await challenge(port), 'worker', secretOf(WRONG)),
      async () => proven(await challenge(port), 'coordinator'),
      () => Promise.resolve(proven(new Challenges().issue())),
      () => Promise.resolve(proven('x')),
      async () => ({ ...proven(await challenge(port)), [LOGIN.workerNonceHeader]: newNonce() }),
      async () => ({ ...proven(await challenge(port)), [LOGIN.proofHeader]: 'zz' }),
      async () => ({ ...proven(await challenge(port)), [LOGIN.proofHeader]: TOKEN }),
    ];
    for (let i = 0; i < 1000; i += 50) {
      const statuses = await Promise.all(
        Array.from({ length: 50 }, async (_, j) => (await upgrade(port, await kinds[(i + j) % kinds.length]())).status),
      );
      expect(new Set(statuses)).toEqual(new Set([401]));
    }
    // One line a second, and no secret in any.
    expect(lines.length).toBeLessThan(100);
    expect(lines.join('\n')).not.toContain(TOKEN);
  });

  it('lets challenges go stale after 10 s and keeps no memory of those asked for', () => {
    let now = 0;
    const challenges = new Challenges(() => now);
    const nonce = challenges.issue();
    now = LIMITS.nonceLifeMs - 1;
    expect(challenges.isOpen(nonce)).toBe(true);
    now += 1;
    expect(challenges.isOpen(nonce)).toBe(false);
  });

  it('tells a worker with another token to stop trying, in plaintext and in TLS', async () => {
    const plain = await loopbackCluster();
    await expect(plain.join({ token: WRONG })).rejects.toMatchObject({ code: 'TOKEN_REFUSED' });
    const psk = await loopbackCluster({ tls: { kind: 'psk' } });
    await expect(psk.join({ token: WRONG, tls: { kind: 'psk' } })).rejects.toMatchObject({ code: 'TOKEN_REFUSED' });
  });

  it('works over TLS with keys from the token', async () => {
    const cluster = await loopbackCluster({ tls: { kind: 'psk' } });
    const { admitted } = await cluster.join({ tls: { kind: 'psk' } });
    expect(await admitted).toBe('w');
  });
});

if (!hasOpenssl) console.warn('TLS by certificate skipped: no openssl to make one');

it.skipIf(!hasOpenssl)('works over TLS with a certificate, and refuses one that is not trusted', async () => {
  const folder = await temporaryFolder();
  const [ours, other] = [makeCertificate(folder, 'ours'), makeCertificate(folder, 'other')];
  const cluster = await loopbackCluster({ tls: { kind: 'certificate', ...ours } });
  const { admitted } = await cluster.join({ tls: { kind: 'trusted_certificate', authority: ours.certificate } });
  expect(await admitted).toBe('w');
  // Trying again would end the same: a worker must not wait a minute to say so.
  const wrong = cluster.join({ tls: { kind: 'trusted_certificate', authority: other.certificate } });
  await expect(wrong).rejects.toMatchObject({ code: 'CERTIFICATE_UNTRUSTED' });
  const keyed = cluster.join({ tls: { kind: 'psk' } });
  await expect(keyed).rejects.toThrow(/TLS handshake failed \(ERR_SSL_.*\); if it has a certificate, pass that with --tls-ca/);
  expect(cluster.lines.at(-1)).toBe('login refused: TLS handshake failed (no --tls-ca, or no TLS)');
});

it('tells one side that the other uses TLS, or none', async () => {
  const encrypted = await loopbackCluster({ tls: { kind: 'psk' } });
  await expect(encrypted.join()).rejects.toMatchObject({
    code: 'COORDINATOR_UNREACHABLE',
    message: expect.stringContaining('does it use TLS? One that listens to the network does') as string,
  });
  const plain = await loopbackCluster();
  await expect(plain.join({ tls: { kind: 'psk' } })).rejects.toMatchObject({
    code: 'COORDINATOR_UNREACHABLE',
    message: expect.stringContaining('does it use none (--insecure-plaintext)?') as string,
  });
});

describe('browsers and strangers (S5)', () => {
  it.each([
    ['a foreign Host', { headers: { host: 'evil.example' } }, 403],
    ['its own address as Host', { headers: { host: '127.0.0.1' } }, 403],
    ['an Origin', { headers: { origin: 'http://localhost' } }, 403],
    ['POST', { method: 'POST' }, 404],
    ['OPTIONS', { method: 'OPTIONS' }, 404],
    ['another path', { path: '/metrics' }, 404],
    ['the session without an upgrade', { path: '/session' }, 426],
  ])('%s is answered %s', async (_, how, status) => {
    const { port } = await loopbackCluster();
    expect((await ask(port, how)).status).toBe(status);
  });

  it('an upgrade with an Origin is refused though its proof is right', async () => {
    const { port } = await loopbackCluster();
    expect((await upgrade(port, { ...proven(await challenge(port)), origin: 'http://localhost' })).status).toBe(403);
  });
});

describe('abuse (S3, S4)', () => {
  const open = (port: number, first = ''): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        if (first !== '') socket.write(first);
        resolve(socket);
      });
      socket.on('error', () => {});
      onTestFinished(() => void socket.destroy());
    });

  it('a genuine worker joins past 1,000 idle connections and slow headers', async () => {
    const cluster = await loopbackCluster();
    for (let i = 0; i < 10; i++)
      await Promise.all(Array.from({ length: 100 }, (_, j) => open(cluster.port, j % 2 ? 'GET /challenge HTTP/1.1\r\nHo' : '')));
    const { admitted } = await cluster.join();
    expect(await admitted).toBe('w');
  });

  /** A logged-in peer that then speaks raw WebSocket bytes of its own. */
  async function rawPeer(port: number): Promise<{ socket: Socket; ended: Promise<Buffer> }> {
    const headers = proven(await challenge(port));
    const key = Buffer.alloc(16).toString('base64');
    const lines = Object.entries({
      host: LOGIN.host,
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
      ...headers,
    });
    const socket = await open(
      port,
      `GET ${LOGIN.sessionPath} HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`,
    );
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    await new Promise<void>((resolve, reject) =>
      socket.once('data', (data) => (data.toString('latin1').includes(accept) ? resolve() : reject(new Error('no upgrade')))),
    );
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    const ended = new Promise<Buffer>((resolve) => socket.on('close', () => resolve(Buffer.concat(chunks))));
    return { socket, ended };
  }

  const masked = (first: number, length: Buffer): Buffer =>
    Buffer.concat([Buffer.of(first, length[0] | 0x80), length.subarray(1), Buffer.alloc(4)]);

  it.each([
    ['an oversize frame', [masked(0x82, Buffer.of(127, 0, 0, 0, 0, 0x40, 0, 0, 0))]],
    ['a compressed frame', [masked(0xc2, Buffer.of(1)), Buffer.of(0)]],
    ['text', [masked(0x81, Buffer.of(1)), Buffer.of(65)]],
    ['a ping', [masked(0x89, Buffer.of(0))]],
    ['many fragments', [masked(0x02, Buffer.of(0)), ...Array.from({ length: 10 }, () => masked(0x00, Buffer.of(0)))]],
    ['garbage', [masked(0x82, Buffer.of(100)), Buffer.alloc(100, 7)]],
  ])('%s ends the connection, and nothing else', async (_, bytes) => {
    const cluster = await loopbackCluster();
    const { socket, ended } = await rawPeer(cluster.port);
    socket.write(Buffer.concat(bytes));
    await ended;
    await (
      await cluster.join()
    ).admitted;
  });

  it('a peer that logs in and says nothing is closed', async () => {
    const times = { heartbeatMs: 100, heartbeatTimeoutMs: 1000, sendTimeoutMs: 60_000 };
    const cluster = await loopbackCluster({ cluster: { times } });
    const { ended } = await rawPeer(cluster.port);
    expect((await ended).toString('latin1')).toContain('silent for');
  });
});
