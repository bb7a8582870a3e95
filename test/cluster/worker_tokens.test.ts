/**
 * Owns: that single workers may have tokens of their own, made and taken back while a run goes on, and are known by them.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  addWorkerToken,
  listWorkerTokens,
  revokeWorkerToken,
  WorkerTokens,
  workerTokenFolder,
} from '../../src/transport/worker_tokens.js';
import { secretOf } from '../../src/transport/secrets.js';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { loopbackCluster } from '../support/loopback_cluster.js';

function folder(): string {
  const parent = mkdtempSync(join(tmpdir(), 'tfjs-parallel-test-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  return workerTokenFolder({ kind: 'file', path: join(parent, 'token') }, {});
}
const read = (path: string): string => readFileSync(path, 'utf8').trim();

describe("workers' own tokens", () => {
  it('are files that only their owner can read, each 256 random bits', () => {
    const there = folder();
    expect(there).toMatch(/token\.workers$/);
    const paths = ['rack-2', 'rack-1'].map((name) => addWorkerToken(there, name, { replace: false }));
    expect(listWorkerTokens(there)).toEqual(['rack-1', 'rack-2']);
    for (const path of paths) {
      expect(read(path)).toMatch(/^[A-Za-z0-9_-]{43}$/);
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
    expect(read(paths[0])).not.toBe(read(paths[1]));
  });

  it('are not replaced by mistake, and have names that are file names', () => {
    const there = folder();
    const path = addWorkerToken(there, 'a', { replace: false });
    const before = read(path);
    expect(() => addWorkerToken(there, 'a', { replace: false })).toThrow('a has a token');
    expect(read(path)).toBe(before);
    addWorkerToken(there, 'a', { replace: true });
    expect(read(path)).not.toBe(before);
    for (const name of ['', '../a', '.a', 'a/b', 'a'.repeat(65), 'a b', '\u001b[31m'])
      expect(() => addWorkerToken(there, name, { replace: false })).toThrow("a worker's name");
    expect(() => revokeWorkerToken(there, 'b')).toThrow('no worker b has a token');
    revokeWorkerToken(there, 'a');
    expect(listWorkerTokens(there)).toEqual([]);
  });
});

/** A coordinator looks at the folder twice a second. */
const FRESH_MS = 600;
const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, FRESH_MS));

describe('a file in the place of a token', () => {
  const lines: string[] = [];
  const found = (there: string) => {
    lines.length = 0;
    const tokens = new WorkerTokens(there, (line) => lines.push(line));
    return { tokens, size: tokens.size };
  };

  it('that is a pipe, a folder, too long, no token, or writable by others lets nobody in, is told by name, and never waited on', () => {
    const there = folder();
    const good = addWorkerToken(there, 'good', { replace: false });
    execFileSync('mkfifo', [join(there, 'pipe')]);
    mkdirSync(join(there, 'folder'));
    writeFileSync(join(there, 'long'), 'A'.repeat(5_000_000), { mode: 0o600 });
    writeFileSync(join(there, 'empty'), '', { mode: 0o600 });
    writeFileSync(join(there, 'short'), 'A'.repeat(42), { mode: 0o600 });
    const shared = addWorkerToken(there, 'shared', { replace: false });
    chmodSync(shared, 0o666);
    const { tokens, size } = found(there);
    expect(size).toBe(1);
    expect(tokens.find(secretOf(read(good)).id)?.name).toBe('good');
    expect(lines.map((line) => line.replace(`${there}/`, ''))).toEqual([
      'the token of empty is not taken: empty holds no token',
      'the token of folder is not taken: folder is no file',
      'the token of long is not taken: long has 5000000 bytes, and a token 43',
      'the token of pipe is not taken: pipe is no file',
      'the token of shared is not taken: shared may be written by others (mode 666, wanted 600)',
      'the token of short is not taken: short holds no token',
    ]);
  });

  it('that cannot be read for a moment takes nobody’s token back, and one that is gone does', async () => {
    const there = folder();
    const path = addWorkerToken(there, 'a', { replace: false });
    const { id } = secretOf(read(path));
    const { tokens } = found(there);
    expect(tokens.find(id)?.name).toBe('a');
    // A loop of links is an error of the system, as a process without a free descriptor meets it.
    renameSync(there, `${there}.away`);
    execFileSync('ln', ['-s', there, there]);
    await later();
    expect(tokens.find(id)?.name).toBe('a');
    rmSync(there);
    renameSync(`${there}.away`, there);
    rmSync(path);
    execFileSync('ln', ['-s', path, path]);
    await later();
    expect(tokens.find(id)?.name).toBe('a');
    rmSync(path);
    await later();
    expect(tokens.find(id)).toBe(null);
  });
});

it('a token that is replaced lets its worker in no more, and the new one does, while a run goes on', async () => {
  const there = folder();
  const tokens = new WorkerTokens(there);
  const old = read(addWorkerToken(there, 'rack', { replace: false }));
  const cluster = await loopbackCluster({ workers: (id) => tokens.find(id) });
  const { session, admitted } = await cluster.join({ name: 'old', token: old });
  session.ended.catch(() => undefined);
  await admitted;
  const { model } = await cluster.cluster.first;
  const run = new CountingClusterRun(cluster.fleet, model.initial, 3);
  await run.step();
  const fresh = read(addWorkerToken(there, 'rack', { replace: true }));
  await later();
  await (
    await cluster.join({ name: 'new', token: fresh })
  ).admitted;
  const both = run.step();
  cluster.cluster.putOutRevoked((id) => tokens.find(id) !== null);
  await both;
  expect(cluster.fleet.replicas).toEqual(['new:cpu(0)']);
  await expect(session.ended).rejects.toMatchObject({ code: 'TOKEN_REVOKED', next: expect.stringContaining('same token file') });
  await expect(cluster.join({ name: 'again', token: old })).rejects.toMatchObject({ code: 'TOKEN_REFUSED' });
  await run.step();
  expect(run.parameters).toEqual(run.undisturbed());
});

it('a token that is taken back while its worker prepares puts it out before it was admitted', async () => {
  const there = folder();
  const tokens = new WorkerTokens(there);
  const token = read(addWorkerToken(there, 'rack', { replace: false }));
  const cluster = await loopbackCluster({ workers: (id) => tokens.find(id) });
  const { session } = await cluster.join({ name: 'slow', token, host: { prepare: () => new Promise(() => {}) } });
  revokeWorkerToken(there, 'rack');
  await later();
  await expect
    .poll(() => {
      cluster.cluster.putOutRevoked((id) => tokens.find(id) !== null);
      return cluster.lines;
    })
    .toContainEqual(expect.stringMatching(/^worker .* is put out: the token of rack was taken back$/));
  await expect(session.ended).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
});

it('one token on two machines is one voice: under an audit its shards wait for another', async () => {
  const there = folder();
  const tokens = new WorkerTokens(there);
  const token = read(addWorkerToken(there, 'rack', { replace: false }));
  const cluster = await loopbackCluster({ fleet: { audit: 1 }, workers: (id) => tokens.find(id) });
  for (const name of ['a', 'b']) await (await cluster.join({ name, token })).admitted;
  const { model } = await cluster.cluster.first;
  const run = new CountingClusterRun(cluster.fleet, model.initial, 2);
  const step = run.step();
  await expect.poll(() => cluster.lines).toContainEqual(expect.stringContaining('is audited and waits for a second machine'));
  await (
    await cluster.join({ name: 'c' })
  ).admitted;
  await step;
  expect(run.parameters).toEqual(run.undisturbed());
});

it.each([{ kind: 'none' } as const, { kind: 'psk' } as const])(
  'a worker comes in with its own token (%o), and is put out when it is taken back while it computes',
  async (tls) => {
    const there = folder();
    const tokens = new WorkerTokens(there);
    const cluster = await loopbackCluster({ tls, workers: (id) => tokens.find(id) });
    const token = read(addWorkerToken(there, 'rack-2', { replace: false }));
    // Made after the coordinator has looked at the folder: seen when somebody comes with it.
    let own = null;
    while (own === null)
      own = await cluster.join({ name: 'own', token, tls, behave: () => new Promise(() => {}) }).catch(() => null);
    await own.admitted;
    expect(cluster.fleet.replicas).toEqual(['own:cpu(0)']);
    const { model } = await cluster.cluster.first;
    const parameters = { version: 0, values: model.initial };
    const id = { kind: 'train', step: 0, shard: 0, attempt: 0 } as const;
    const shard = { id, rows: Int32Array.of(0, 1), firstExample: 0 };
    const round = cluster.fleet.computeRound([{ ...shard, regularizationWeight: 0, parameters }]);
    const shared = await cluster.join({ name: 'shared', tls });
    await shared.admitted;

    revokeWorkerToken(there, 'rack-2');
    await expect
      .poll(() => {
        cluster.cluster.putOutRevoked((id) => tokens.find(id) !== null);
        return cluster.fleet.replicas;
      })
      .toEqual(['shared:cpu(0)']);
    expect((await round)[0].lossSum).toBe(0.1);
    expect(cluster.lines.filter((line) => line.startsWith('own:cpu(0) lost'))).toHaveLength(1);
    expect(cluster.lines).toContain('worker own is put out: the token of rack-2 was taken back');
    await expect(cluster.join({ name: 'again', token, tls })).rejects.toMatchObject({ code: 'TOKEN_REFUSED' });
  },
);
