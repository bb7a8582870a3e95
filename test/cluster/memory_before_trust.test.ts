/**
 * Owns: that neither side takes memory because the other says so: each claim is judged first.
 */
import { crc32 } from 'node:zlib';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { requireShardsOf } from '../../src/api/work.js';
import { LIMITS } from '../../src/common/limits.js';
import { immodest } from '../../src/common/modest_json.js';
import { encodeDescription, readDescription } from '../../src/common/protocol/description.js';
import { MessageReader, MessageWriter } from '../../src/common/protocol/message_stream.js';
import type { Message, MessageType } from '../../src/common/protocol/messages.js';
import { requireAllowedLayers } from '../../src/models/allowed_layers.js';
import { connectToCoordinator } from '../../src/transport/client.js';
import { createWorkerState, reduceWorker } from '../../src/worker/host/worker_core.js';
import { ACCURACY_OBJECTIVE } from '../support/accuracy_objective.js';
import { loopbackCluster, modelOf, SECRET, type TestCluster } from '../support/loopback_cluster.js';
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

  it('takes no metrics with more sums than a result may have', () => {
    const sums = Array.from({ length: 1024 }, () => ({ kind: 'count', least: 0, most: 1 }) as const);
    const metrics = Array.from({ length: 64 }, (_, i) => ({ ...ACCURACY_OBJECTIVE.metrics[0], name: `m${i}`, sums }));
    const described = encodeDescription({ ...modelOf(5), objective: { ...ACCURACY_OBJECTIVE, metrics } });
    expect(() => readDescription(described)).toThrow('a description of metrics with 65536 sums, at most 2048');
  });

  it('asks another for the model where a description of 2 GiB has begun and does not go on, and holds what has come', async () => {
    const cluster = await loopbackCluster({ cluster: { describeMs: 100 } });
    const liar = await bareWorker(cluster);
    await liar.prepare('liar');
    const before = process.memoryUsage.rss();
    liar.send({ type: 'description', jsonBytes: 100, weights: 2 ** 29 }, 100 + 2 ** 31);
    const honest = await cluster.join({ name: 'honest' });
    expect(await honest.admitted).toBe('honest');
    expect([...(await cluster.cluster.first).model.initial]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(process.memoryUsage.rss() - before).toBeLessThan(256 * 2 ** 20);
  });

  it('ends a worker that describes too slowly where those who wait have prepared something else', async () => {
    const cluster = await loopbackCluster({ cluster: { describeMs: 100 } });
    const liar = await bareWorker(cluster);
    await liar.prepare('liar', { initialSha256: 'a'.repeat(64) });
    liar.send({ type: 'description', jsonBytes: 100, weights: 1_000_000 }, 100 + 4_000_000);
    const honest = await cluster.join({ name: 'honest' });
    expect(await honest.admitted).toBe('honest');
    await liar.ended;
    expect(cluster.lines).toContain('worker liar went away before it joined: describes its model too slowly while others wait');
  });

  const id = { kind: 'train', step: 0, shard: 0, attempt: 0 } as const;
  const asked = { id, version: 0, replica: 0, coordinatorEpoch: 1, parametersChecksum: 0, examples: 2 };
  it.each<[string, Message, number]>([
    ['a description that nobody asked for, of 4 GiB', { type: 'description', jsonBytes: 10, weights: 2 ** 30 }, 10 + 2 ** 32],
    ['a description of 2^53 − 1 bytes', { type: 'description', jsonBytes: 2 ** 53 - 1, weights: 0 }, 2 ** 53 - 1],
    [
      'a result of 2^53 − 1 bytes',
      { type: 'result', ...asked, lossSum: 0, sums: [], nonFinite: null, computeMs: 1 },
      2 ** 53 - 1,
    ],
    ['a heartbeat of 1 GiB', { type: 'heartbeat' }, 2 ** 30],
    ['a farewell of 1 GiB', { type: 'leaving' }, 2 ** 30],
    ['the loss of replica 2^53 − 1', { type: 'lost', replica: 2 ** 53 - 1, reason: 'x'.repeat(4096) }, 0],
    [
      'a fault of replica 2^53 − 1',
      { type: 'fault', replica: 2 ** 53 - 1, of: 'data', code: 'X', message: 'x'.repeat(4096), next: '' },
      0,
    ],
    [
      '2,048 sums for a shard that nobody asked for',
      { type: 'result', ...asked, lossSum: 0, sums: Array<number>(2048).fill(1e308), nonFinite: null, computeMs: 1e308 },
      0,
    ],
  ])('ends a worker for %s, before memory is taken, and the next one joins', async (_, message, claimed) => {
    const cluster = await loopbackCluster();
    const liar = await bareWorker(cluster);
    liar.send(helloOf('x'.repeat(LIMITS.maxWorkerNameLength), LIMITS.maxReplicasPerWorker));
    await liar.hear('welcome');
    const before = process.memoryUsage.rss();
    liar.send(message, claimed);
    await liar.ended;
    expect(process.memoryUsage.rss() - before).toBeLessThan(256 * 2 ** 20);
    const { admitted } = await cluster.join({ name: 'honest' });
    expect(await admitted).toBe('honest');
  });

  it('lets a worker leave once, however often it says so, and hears its fault once', async () => {
    const cluster = await loopbackCluster();
    await (
      await cluster.join({ name: 'honest' })
    ).admitted;
    const [leaves, faults] = [await bareWorker(cluster), await bareWorker(cluster)];
    await leaves.prepare('leaves');
    await leaves.hear('admitted');
    const remove = vi.spyOn(cluster.fleet, 'remove');
    for (let i = 0; i < 1000; i++) leaves.send({ type: 'leaving' });
    await leaves.ended;
    expect(remove).toHaveBeenCalledTimes(1);
    faults.send(helloOf('faults'));
    await faults.hear('welcome');
    const fault = { type: 'fault', replica: 0, of: 'data', code: 'X', message: 'x', next: 'x' } as const;
    for (let i = 0; i < 1000; i++) faults.send(fault);
    await faults.ended;
    expect(cluster.lines.filter((line) => line.startsWith('worker faults'))).toEqual([
      'worker faults refused: faults:cpu(0): x. x',
    ]);
  });
});

/** A worker of bare frames: what it claims and what it sends are two things. */
async function bareWorker({ port }: TestCluster) {
  const coordinator = { host: '127.0.0.1', port };
  const socket = await connectToCoordinator({ coordinator, secret: SECRET, tls: { kind: 'none' } });
  socket.binaryType = 'fragments';
  onTestFinished(() => socket.terminate());
  const writer = new MessageWriter(crc32);
  const reader = new MessageReader(crc32, (_, total) => new Uint8Array(total));
  const heard = new Set<MessageType>();
  socket.on('message', (data) => {
    const whole = reader.push(...(data as unknown as [Buffer, Buffer?]));
    if (whole !== null) heard.add(whole.message.type);
  });
  const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  const hear = (type: MessageType): Promise<void> => expect.poll(() => heard.has(type), { timeout: 60_000 }).toBe(true);
  /** The first frame alone. */
  const send = (message: Message, claimed = 0): void => {
    const piece = new Uint8Array(Math.min(claimed, LIMITS.maxPieceBytes));
    const source = { byteLength: claimed, at: () => ({ piece, checksum: crc32(piece) }) };
    const [{ head }] = firstOf(writer.frames(message, source));
    socket.send(head, { binary: true, fin: piece.length === 0 });
    if (piece.length > 0) socket.send(piece, { binary: true, fin: true });
  };
  // It lives all the while.
  const beats = setInterval(() => socket.readyState === socket.OPEN && send({ type: 'heartbeat' }), 1000);
  onTestFinished(() => clearInterval(beats));
  const prepare = async (name: string, otherwise: object = {}): Promise<void> => {
    send(helloOf(name));
    await hear('welcome');
    send({ ...(await preparedOf()), ...otherwise });
    await expect.poll(() => heard.has('describe') || heard.has('admitted'), { timeout: 60_000 }).toBe(true);
  };
  return { send, hear, prepare, ended };
}

function firstOf<T>(items: Iterable<T>): [T] {
  for (const item of items) return [item];
  throw new Error('nothing');
}
