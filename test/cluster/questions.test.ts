/**
 * Owns: that nobody is waited for without end: every question on either side has a deadline, and ends with its session.
 */
import { describe, expect, it } from 'vitest';
import type { LinkTimes } from '../../src/transport/link_life.js';
import { connectToCoordinator } from '../../src/transport/client.js';
import { WorkerSession } from '../../src/worker/host/session.js';
import type { PreparedJob } from '../../src/worker/host/prepared_job.js';
import { initialSha256, layoutSha256 } from '../../src/transport/identity.js';
import { IntegerReplica, JOB, loopbackCluster, modelOf, NUMERICS, SECRET } from '../support/loopback_cluster.js';
import { helloOf, preparedOf, scriptedCoordinator, scriptedWorker, welcomeOf } from '../support/scripted_peers.js';

const times = (questionMs: number): LinkTimes => ({
  ...{ heartbeatMs: 1000, heartbeatTimeoutMs: 600_000, sendTimeoutMs: 600_000 },
  questionMs,
});

/** A worker up to its `prepared`, which then says nothing more, but for its heartbeat. */
async function mute(cluster: Awaited<ReturnType<typeof loopbackCluster>>, name: string) {
  const peer = await scriptedWorker(cluster);
  void peer.send(helloOf(name));
  await peer.hear('welcome');
  void peer.send(await preparedOf());
  return peer;
}

describe('a coordinator', () => {
  it('asks the next worker to describe the model where the first only keeps its heartbeat', async () => {
    const cluster = await loopbackCluster({ cluster: { times: times(500) } });
    const first = await mute(cluster, 'mute');
    await first.hear('describe');
    const { admitted } = await cluster.join({ name: 'b' });
    expect(await admitted).toBe('b');
    expect(await first.ended).toBe('no description within 0.5 s');
    expect((await cluster.cluster.first).model.layout.totalSize).toBe(6);
    expect(cluster.fleet.replicas).toEqual(['b:cpu(0)']);
    expect(cluster.lines).toContain('worker mute went away before it joined: no description within 0.5 s');
  });

  it('does not ask a worker that went away while it waited for its turn', async () => {
    const cluster = await loopbackCluster({ cluster: { times: times(600_000) } });
    const first = await mute(cluster, 'first');
    await first.hear('describe');
    const second = await mute(cluster, 'second');
    second.close();
    await expect.poll(() => cluster.lines.some((line) => line.startsWith('worker second went away'))).toBe(true);
    const third = await cluster.join({ name: 'third' });
    first.close();
    expect(await third.admitted).toBe('third');
    expect(second.heard.map(({ type }) => type)).toEqual(['welcome']);
  });
});

describe('a worker', () => {
  const model = modelOf(5);
  const job: PreparedJob = {
    job: JOB,
    replicas: [new IntegerReplica('cpu(0)', model)],
    model,
    numerics: NUMERICS,
    versions: { tensorflow: '2.21.0', tfjs: '4.22.0' },
    datasetSha256: JOB.datasetSha256,
    examples: { train: 10, validation: 10 },
    layoutSha256: layoutSha256(model),
    initialSha256: initialSha256(model),
    golden: ['0'.repeat(64)],
    close: () => Promise.resolve(),
  };
  const join = async (port: number, questionMs: number): Promise<WorkerSession> => {
    const socket = await connectToCoordinator({
      ...{ coordinator: { host: '127.0.0.1', port }, secret: SECRET, tls: { kind: 'none' } },
    });
    return new WorkerSession(socket, {
      ...{ software: '0.1.0', name: 'w', process: 'p'.repeat(16), deviceNames: ['cpu(0)'], times: times(questionMs) },
      prepare: () => Promise.resolve(job),
      onAdmitted: () => {},
    });
  };
  const broken = (reason: string) => ({ kind: 'broken', reason, admitted: false });

  it('ends its session where it gets no welcome, no verdict, or none after it described the model', async () => {
    const { port, next } = await scriptedCoordinator();
    const unwelcome = await join(port, 300);
    await next();
    expect(await unwelcome.ended).toEqual({ ...broken('no welcome within 0.3 s'), isUnheard: true });

    const unjudged = await join(port, 300);
    void (await next()).send(welcomeOf());
    expect(await unjudged.ended).toEqual(broken('no verdict within 0.3 s'));

    const described = await join(port, 300);
    const asking = await next();
    void asking.send(welcomeOf());
    await asking.hear('prepared');
    void asking.send({ type: 'describe' });
    await asking.hear('description');
    expect(await described.ended).toEqual(broken('no verdict within 0.3 s'));
  });

  it('leaves at once where it was not admitted, and without a goodbye that does not come', async () => {
    const { port, next } = await scriptedCoordinator();
    const early = await join(port, 600_000);
    await next();
    early.leave();
    expect(await early.ended).toEqual({ kind: 'finished', reason: 'left' });

    const late = await join(port, 300);
    const silent = await next();
    void silent.send(welcomeOf());
    await silent.hear('prepared');
    void silent.send({ type: 'admitted', worker: 'w' });
    void silent.send({ type: 'parameters', version: 0 }, new Uint8Array(24));
    const asked = { id: { kind: 'train', step: 0, shard: 0, attempt: 0 }, version: 0, replica: 0 } as const;
    void silent.send({ type: 'assign', ...asked, firstExample: 0, regularizationWeight: 0 }, new Uint8Array(8));
    await silent.hear('result');
    late.leave();
    expect(await late.ended).toEqual({ kind: 'broken', reason: 'no goodbye within 0.3 s', admitted: true });
  });
});
