/**
 * Owns: that neither side takes memory because the other says so: each claim is judged first.
 */
import { describe, expect, it } from 'vitest';
import { requireShardsOf } from '../../src/api/work.js';
import { immodest } from '../../src/common/modest_json.js';
import { readDescription } from '../../src/common/protocol/description.js';
import { requireAllowedLayers } from '../../src/models/allowed_layers.js';
import { createWorkerState, reduceWorker } from '../../src/worker/host/worker_core.js';
import { loopbackCluster } from '../support/loopback_cluster.js';
import { helloOf, preparedOf, scriptedWorker } from '../support/scripted_peers.js';

describe('a worker', () => {
  it('describes its model once in a session, however often it is asked', () => {
    let state = { ...createWorkerState('1'), phase: 'prepared' as const };
    const first = reduceWorker(state, { type: 'heard', message: { type: 'describe' } });
    expect(first.commands).toEqual([{ type: 'send_description' }]);
    state = first.state as typeof state;
    for (let i = 0; i < 500; i++)
      expect(() => reduceWorker(state, { type: 'heard', message: { type: 'describe' } })).toThrow('describe is not due now');
  });

  it.each([2 ** 31, 2 ** 53 - 1, 601])('refuses golden shards of %d examples of 600', (size) => {
    expect(() => requireShardsOf({ shardSizes: [10, size] }, 600)).toThrow(
      `asks for a shard of ${size} examples, and there are 600`,
    );
    expect(() => requireShardsOf({ shardSizes: [10, 600] }, 600)).not.toThrow();
  });

  it('does not parse a topology of 16 MiB of brackets', () => {
    const before = process.memoryUsage.rss();
    expect(() => requireAllowedLayers(`[${'[],'.repeat(5 * 2 ** 20)}[]]`)).toThrow(/more than 1048576 brackets/);
    // Its text is 15 MiB; parsed it would take more than a gigabyte.
    expect(process.memoryUsage.rss() - before).toBeLessThan(256 * 2 ** 20);
  });
});

describe('a coordinator', () => {
  it('does not take memory for a description that claims more weights than this machine can train', async () => {
    // 8 copies of 4 bytes each: 1,000 weights.
    const cluster = await loopbackCluster({ cluster: { memoryBytes: 32_000 } });
    const liar = await scriptedWorker(cluster);
    void liar.send(helloOf('liar'));
    await liar.hear('welcome');
    void liar.send(await preparedOf());
    await liar.hear('describe');
    void liar.send({ type: 'description', jsonBytes: 10, weights: 1_001 }, new Uint8Array(10 + 4 * 1_001));
    await liar.ended;
    const { admitted } = await cluster.join({ name: 'honest' });
    expect(await admitted).toBe('honest');
    expect(cluster.lines).toContainEqual(expect.stringMatching(/^worker liar went away before it joined/));
  });

  it('does not parse a description of more objects than a model has', () => {
    const bytes = Buffer.from(`{"x":[${'[],'.repeat(2 ** 20)}[]]}`);
    expect(() => readDescription({ jsonBytes: bytes.length, weights: 0, bytes })).toThrow(/a description of more than 1048576/);
    expect(immodest('{"layers":[1,2]}')).toBeNull();
  });
});
