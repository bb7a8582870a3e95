/**
 * Owns: the way to a coordinator as `doctor --host` tells it: a real one on loopback, a port that is closed, a wrong token, another server, and ways that
 * are not there.
 */
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { way } from '../../src/doctor/checks/way.js';
import { realCoordinator, type Coordinator } from '../../src/doctor/coordinator.js';
import { examine } from '../../src/doctor/examine.js';
import { packageVersion } from '../../src/system/package_info.js';
import { loopbackCluster, TOKEN } from '../support/loopback_cluster.js';
import { machineOf } from '../support/machine_facts.js';
import { temporaryFolder } from '../support/temporary_folder.js';

async function tokenFile(token: string, mode = 0o600): Promise<string> {
  const path = join(await temporaryFolder(), 'token');
  writeFileSync(path, `${token}\n`, { mode });
  return path;
}

async function look(coordinator: Coordinator) {
  const found = await examine([way], { machine: machineOf(), coordinator });
  return found.map(({ status, name, found: what }) => ({ status, name, what }));
}

const at = async (
  port: number,
  { host = '127.0.0.1', token = TOKEN, mode = 0o600, path = '', kind = 'none' as 'none' | 'psk' } = {},
): Promise<Coordinator> => {
  const file = path === '' ? await tokenFile(token, mode) : path;
  return realCoordinator({ endpoint: { host, port }, token: { kind: 'file', path: file }, encryption: { kind } });
};

it.each(['none', 'psk'] as const)('a coordinator on loopback (%s): each step is well, and nobody is admitted', async (kind) => {
  const { port, lines } = await loopbackCluster({ tls: { kind } });
  const found = await look(await at(port, { kind }));
  expect(found.map(({ name }) => name)).toEqual(['name', 'port', 'tls', 'token', 'version', 'latency', 'bandwidth', 'its clock']);
  // A loaded machine may be slow, which is a note; none is a problem.
  expect(found.filter(({ status }) => status === 'problem')).toEqual([]);
  expect(found[4].what).toBe(`${packageVersion()} on both sides`);
  expect(lines).toEqual([]);
});

it('a port on which nobody listens', async () => {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  expect(await look(await at(port))).toEqual([
    { status: 'ok', name: 'name', what: '127.0.0.1 is 127.0.0.1' },
    { status: 'problem', name: 'port', what: `127.0.0.1:${port} takes no connection: connect ECONNREFUSED 127.0.0.1:${port}` },
  ]);
});

it.each(['none', 'psk'] as const)('another token (%s), no token, and one that others may read', async (kind) => {
  const { port } = await loopbackCluster({ tls: { kind } });
  const last = async (coordinator: Coordinator) => (await look(coordinator)).at(-1);
  expect(await last(await at(port, { kind, token: 'B'.repeat(43) }))).toMatchObject({
    status: 'problem',
    name: 'token',
    what: expect.stringContaining('refused our token') as string,
  });
  expect(await last(await at(port, { kind, path: '/nowhere/token' }))).toMatchObject({
    status: 'problem',
    name: 'token',
    what: 'no token: /nowhere/token does not exist',
  });
  expect(await last(await at(port, { kind, mode: 0o644 }))).toMatchObject({
    status: 'problem',
    name: 'token',
    what: expect.stringContaining('may be read by others') as string,
  });
});

it('a web server is no coordinator', async () => {
  const server = createServer((_, response) => response.end('<html>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  expect((await look(await at(port))).at(-1)).toMatchObject({
    status: 'problem',
    name: 'coordinator',
    what: expect.stringContaining(`127.0.0.1:${port}`) as string,
  });
});

it('TLS on one side alone', async () => {
  const { port } = await loopbackCluster({ tls: { kind: 'psk' } });
  expect((await look(await at(port))).at(-1)).toMatchObject({
    status: 'problem',
    name: 'coordinator',
    what: expect.stringContaining('does it use TLS?') as string,
  });
});

describe('ways that are not there', () => {
  const WAY = { software: '0.1.0', leastMs: 0.4, medianMs: 0.5, upBytesPerS: 1e9, downBytesPerS: 1e9, clockAheadMs: 0.1 };
  const fake = (changes: Partial<Coordinator>, way_: Partial<typeof WAY> = {}): Coordinator => ({
    endpoint: { host: 'c', port: 29_500 },
    encryption: 'psk',
    software: '0.1.0',
    lookUp: () => Promise.resolve(['10.0.0.5', 'fd00::5']),
    connect: () => Promise.resolve(0.3),
    measure: () => Promise.resolve({ ...WAY, ...way_ }),
    ...changes,
  });

  it('a fast one', async () => {
    expect((await look(fake({}))).map(({ status, name, what }) => `${status} ${name}: ${what}`)).toEqual([
      'ok name: c is 10.0.0.5, fd00::5',
      'ok port: c:29500 takes connections, after 0.3 ms',
      'ok tls: keys from the token (TLS 1.2)',
      'ok token: right, on both sides',
      'ok version: 0.1.0 on both sides',
      'ok latency: 0.50 ms there and back, 0.40 at least',
      'ok bandwidth: 1.0 GB/s to it, 1.0 GB/s from it',
      'ok its clock: the same as here',
    ]);
  });

  it.each<[string, Partial<Coordinator>, Partial<typeof WAY>, string]>([
    ['no name', { lookUp: () => Promise.reject(new Error('getaddrinfo ENOTFOUND c')) }, {}, 'problem name'],
    ['silence', { connect: () => Promise.reject(new Error('no answer within 5 s')) }, {}, 'problem port'],
    ['another version', {}, { software: '0.2.0' }, 'problem version'],
    ['far away', {}, { medianMs: 80, leastMs: 78 }, 'note latency'],
    // 4.34 MB there and back at 12.5 MB/s: 694 ms.
    ['100 Mbit/s', {}, { upBytesPerS: 12.5e6, downBytesPerS: 12.5e6 }, 'note bandwidth'],
    ['another time', {}, { clockAheadMs: -3_600_000 }, 'note its clock'],
    ['no encryption', { encryption: 'none' }, {}, 'note tls'],
  ])('%s', async (_, changes, way_, expected) => {
    const found = await look(fake(changes, way_));
    expect(found.filter(({ status }) => status !== 'ok').map(({ status, name }) => `${status} ${name}`)).toEqual([expected]);
  });

  it('tells what a bandwidth means in time of a step', async () => {
    const place = { machine: machineOf(), coordinator: fake({}, { upBytesPerS: 12.5e6, downBytesPerS: 12.5e6 }) };
    const found = await examine([way], place);
    expect(found.find(({ name }) => name === 'bandwidth')?.means).toContain('takes 694 ms of it for one worker');
  });
});
