import { hostValues } from '../../src/common/host_gradient.js';
import { describe, expect, it } from 'vitest';
import type { ShardAssignment } from '../../src/common/replica.js';
import { loopbackCluster, NUMERICS } from '../support/loopback_cluster.js';

const never = (): Promise<void> => new Promise(() => {});

/** Shards of two examples: shard s has rows 2s and 2s + 1, so its gradient is parameters + 4s + 1. */
function units(shards: number[], values: Float32Array, step = 1, kind: 'train' | 'evaluate' = 'train'): ShardAssignment[] {
  const parameters = { version: step - 1, values };
  return shards.map((shard) => {
    const rows = Int32Array.of(2 * shard, 2 * shard + 1);
    return { id: { kind, step, shard, attempt: 0 }, rows, firstExample: 2 * shard, regularizationWeight: 0, parameters };
  });
}

describe('a session', () => {
  it('takes a worker from hello to results: gradient, statistics and loss arrive to the bit', async () => {
    const cluster = await loopbackCluster();
    const { admitted } = await cluster.join({ name: 'host-b', replicas: 2 });
    expect(await admitted).toBe('host-b');
    const { model } = await cluster.cluster.first;
    expect([...model.initial]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(cluster.fleet.replicas).toEqual(['host-b:cpu(0)', 'host-b:cpu(1)']);
    const results = await cluster.fleet.computeRound(units([0, 1, 2], model.initial));
    expect(results.map(({ gradient }) => [...(gradient ? hostValues(gradient) : [])])).toEqual([
      [1, 2, 3, 4, 5],
      [5, 6, 7, 8, 9],
      [9, 10, 11, 12, 13],
    ]);
    expect(results.map(({ lossSum, statistics }) => [lossSum, statistics?.[0]])).toEqual([
      [0.1, 1],
      [0.5, 5],
      [0.9, 9],
    ]);
    for (const { gradient } of results) gradient?.release();
    const [evaluated] = await cluster.fleet.computeRound(units([1], model.initial, 2, 'evaluate'));
    expect([evaluated.lossSum, evaluated.gradient]).toEqual([0.5, undefined]);
  });

  it('carries 10 million weights in pieces of 1 MiB', async () => {
    const cluster = await loopbackCluster({ weights: 10_000_000 });
    await (
      await cluster.join({ prepared: { golden: ['1'.repeat(64)] } })
    ).admitted;
    const values = new Float32Array(10_000_001).fill(2);
    const [{ gradient }] = await cluster.fleet.computeRound(units([3], values));
    const sum = gradient && hostValues(gradient);
    expect([sum?.length, sum?.[0], sum?.at(-1)]).toEqual([10_000_000, 15, 15]);
  });

  it('gives the shard of a worker whose socket closes to another, within the round', async () => {
    const cluster = await loopbackCluster();
    const a = await cluster.join({ name: 'a', behave: never });
    await a.admitted;
    const { model } = await cluster.cluster.first;
    const round = cluster.fleet.computeRound(units([0], model.initial));
    await (
      await cluster.join({ name: 'b' })
    ).admitted;
    a.session.close('killed');
    expect((await round)[0].lossSum).toBe(0.1);
    expect(cluster.lines.filter((line) => line.startsWith('a:cpu(0) lost in step 2, shard 0'))).toHaveLength(1);
  });

  it('notices a silent worker by its missing heartbeats', async () => {
    const times = { heartbeatMs: 100, heartbeatTimeoutMs: 1000, sendTimeoutMs: 60_000 };
    const cluster = await loopbackCluster({ cluster: { times } });
    // A worker that beats once an hour: silent, but its socket stays open.
    await (
      await cluster.join({ name: 'mute', host: { times: { ...times, heartbeatMs: 3_600_000 } }, behave: never })
    ).admitted;
    const { model } = await cluster.cluster.first;
    const round = cluster.fleet.computeRound(units([0], model.initial));
    await (
      await cluster.join({ name: 'b', host: { times } })
    ).admitted;
    expect((await round)[0].lossSum).toBe(0.1);
    expect(cluster.lines.some((line) => line.startsWith('mute:cpu(0) lost') && line.includes('silent for'))).toBe(true);
  });

  it('lets a worker leave after its shard, and says goodbye', async () => {
    const cluster = await loopbackCluster();
    let finishShard: (() => void) | null = null;
    const { session, admitted } = await cluster.join({ behave: () => new Promise((resolve) => (finishShard = resolve)) });
    await admitted;
    const { model } = await cluster.cluster.first;
    const round = cluster.fleet.computeRound(units([0], model.initial));
    await expect.poll(() => finishShard).not.toBeNull();
    session.leave();
    await new Promise((resolve) => setTimeout(resolve, 20));
    (finishShard as (() => void) | null)?.();
    expect((await round)[0].lossSum).toBe(0.1);
    expect(await session.ended).toEqual({ kind: 'finished', reason: 'left' });
    expect(cluster.lines.at(-1)).toBe('w:cpu(0) left after 1 shards; 0 replicas now');
  });

  it('loses one replica of a worker and keeps the other', async () => {
    const cluster = await loopbackCluster();
    let failed = false;
    const behave = ({ id }: ShardAssignment): Promise<void> => {
      if (id.shard !== 0 || failed) return Promise.resolve();
      failed = true;
      return Promise.reject(new Error('device fell off the bus'));
    };
    await (
      await cluster.join({ replicas: 2, behave })
    ).admitted;
    const { model } = await cluster.cluster.first;
    const results = await cluster.fleet.computeRound(units([0, 1], model.initial));
    expect(results.map(({ lossSum }) => lossSum)).toEqual([0.1, 0.5]);
    expect(cluster.fleet.replicas).toEqual(['w:cpu(1)']);
    expect(cluster.lines.some((line) => line.includes('device fell off the bus'))).toBe(true);
  });

  it('shows names and last words of a worker on one line, whatever is in them', async () => {
    const cluster = await loopbackCluster();
    const { session, admitted } = await cluster.join({ name: 'a\n\u001b[31mdone: 1 epoch\u202e', behave: never });
    expect(await admitted).toBe('a [31mdone: 1 epoch ');
    session.close('over\r\nand out');
    await expect
      .poll(() => cluster.lines.at(-1))
      .toBe('a [31mdone: 1 epoch :cpu(0) lost while idle: over and out; 0 replicas now');
  });

  it('gives two workers of one name two names', async () => {
    const cluster = await loopbackCluster();
    const names = [await (await cluster.join()).admitted, await (await cluster.join()).admitted];
    expect(names).toEqual(['w', 'w#2']);
  });
});

describe('a worker is refused before any parameter is sent', () => {
  it.each([
    ['another version', { host: { software: '0.0.9' } }, 'the worker runs tfjs-parallel 0.0.9, the coordinator 0.1.0'],
    [
      'other data',
      { prepared: { datasetSha256: 'f'.repeat(64) } },
      "the worker's data are not the coordinator's synthetic digits",
    ],
    ['another model', { prepared: { layoutSha256: 'f'.repeat(64) } }, 'the worker built another model than first'],
    ['oneDNN on', { prepared: { numerics: { ...NUMERICS, oneDnn: 'on' as const } } }, 'oneDnn is on, wanted off'],
    ['another arithmetic', { prepared: { numerics: { ...NUMERICS, arithmetic: 2 } } }, 'arithmetic is 2, wanted 1'],
    ['other bits of a product', { prepared: { numerics: { ...NUMERICS, probe: 'f'.repeat(64) } } }, 'probe is ffffffff'],
    ['other threads', { prepared: { numerics: { ...NUMERICS, intraOpThreads: 2 } } }, 'intraOpThreads is 2, wanted 1'],
    [
      'another golden shard',
      { prepared: { golden: ['f'.repeat(64)] } },
      'golden shard of 2 examples has other bits than that of first',
    ],
    ['a golden shard less', { prepared: { golden: [] } }, '0 golden shards, wanted 1'],
  ])('%s', async (_, options, message) => {
    const cluster = await loopbackCluster();
    // Two that agree: nobody's word stands against one other's.
    for (const name of ['first', 'same']) await (await cluster.join({ name })).admitted;
    const { session } = await cluster.join({ name: 'second', ...options });
    await expect(session.ended).rejects.toThrow(message);
    expect(cluster.fleet.replicas).toEqual(['first:cpu(0)', 'same:cpu(0)']);
  });

  it('other arithmetic passes under relaxed numerics, other data never', async () => {
    const cluster = await loopbackCluster({ cluster: { numericsCheck: 'relaxed' } });
    await (
      await cluster.join({ name: 'first' })
    ).admitted;
    await (
      await cluster.join({ name: 'second', prepared: { golden: ['f'.repeat(64)], numerics: { ...NUMERICS, intraOpThreads: 2 } } })
    ).admitted;
    const { session } = await cluster.join({ name: 'third', prepared: { datasetSha256: 'f'.repeat(64) } });
    await expect(session.ended).rejects.toThrow("the worker's data are not");
  });

  it('a worker refuses a coordinator older than one it has seen of the same run', async () => {
    const cluster = await loopbackCluster();
    const { session } = await cluster.join({ host: { epochs: new Map([['run-001', 2]]) } });
    expect(await session.ended).toMatchObject({ kind: 'broken', reason: 'an older start of this run' });
  });
});
