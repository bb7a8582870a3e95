/**
 * Owns: that single workers may have tokens of their own, made and taken back while a run goes on, and are known by them.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
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
