/**
 * Owns: lies by their place: in one replica of several, from some step on, in one tensor, in a class, by the first worker, by one machine that comes twice,
 * before and after a resume.
 */
import { describe, expect, it } from 'vitest';
import { hostGradient, hostValues } from '../../src/common/host_gradient.js';
import type { ModelDescription, ShardAssignment, ShardResult } from '../../src/common/replica.js';
import { HeldAnswers } from '../../src/coordinator/planes/exact/fleet/held_answers.js';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { IntegerReplica, loopbackCluster, modelOf, type TestCluster } from '../support/loopback_cluster.js';

type Lie = (result: ShardResult, assignment: ShardAssignment) => ShardResult;

/** Computes rightly, and says something else. */
class LyingReplica extends IntegerReplica {
  constructor(
    name: string,
    model: ModelDescription,
    private readonly lie: Lie,
  ) {
    super(name, model);
  }
  override async compute(assignment: ShardAssignment): Promise<ShardResult> {
    return this.lie(await super.compute(assignment), assignment);
  }
}

const withGradient =
  (change: (values: Float32Array) => void): Lie =>
  (result) => {
    if (result.gradient === undefined) return result;
    const values = hostValues(result.gradient).slice();
    change(values);
    return { ...result, gradient: hostGradient({ kind: 'host', values, release: () => {} }) };
  };

async function join(cluster: TestCluster, name: string, lies: readonly (Lie | null)[] = [null], process?: string) {
  const model = modelOf(5);
  const replicas = lies.map((lie, at) =>
    lie === null ? new IntegerReplica(`cpu(${at})`, model) : new LyingReplica(`cpu(${at})`, model, lie),
  );
  const { session, admitted } = await cluster.join({
    ...{ name, replicas: lies.length, prepared: { replicas } },
    ...(process !== undefined && { host: { process } }),
  });
  session.ended.catch(() => undefined);
  await admitted;
  return session;
}

const from =
  (step: number, lie: Lie): Lie =>
  (result, assignment) =>
    assignment.id.step >= step ? lie(result, assignment) : result;

/** The last bit of one number. */
const bit = withGradient((values) => (new Int32Array(values.buffer)[2] ^= 1));

const LIES: [string, Lie][] = [
  ['the last bit of one gradient', bit],
  ['the sign of one gradient', withGradient((values) => (values[1] = -values[1]))],
  ['gradients of 3e38', withGradient((values) => values.fill(3e38))],
  ['a batch statistic of 3e38', (result) => ({ ...result, statistics: Float32Array.of(3e38) })],
  // As a layer that is called several times may honestly answer: the running variance is 5, and its momentum 0.9.
  ['a batch statistic below zero', (result) => ({ ...result, statistics: Float32Array.of(-44) })],
  ['the loss alone', (result) => ({ ...result, lossSum: result.lossSum + 1 })],
  ['the metrics alone', (result) => ({ ...result, sums: [0] })],
  ['a denormal', withGradient((values) => (values[0] = 2 ** -149))],
];

describe('with all shards audited and three workers, a liar is put out and the run is the undisturbed one, where it lies', () => {
  it.each(LIES)('in %s', async (_, lie) => {
    const cluster = await loopbackCluster({ fleet: { audit: 1, minWorkers: 3 } });
    await join(cluster, 'a');
    const liar = await join(cluster, 'liar', [lie]);
    await join(cluster, 'b');
    const run = await CountingClusterRun.on(cluster, 3);
    for (let step = 0; step < 3; step++) await run.step();
    expect(run.parameters).toEqual(run.undisturbed());
    await expect(liar.ended).rejects.toMatchObject({ code: 'WORKER_OUTVOTED' });
    expect(cluster.fleet.replicas).toEqual(['a:cpu(0)', 'b:cpu(0)']);
  });

  it('as the first worker, who described the model rightly', async () => {
    const cluster = await loopbackCluster({ fleet: { audit: 1, minWorkers: 3 } });
    const liar = await join(cluster, 'liar', [bit]);
    for (const name of ['a', 'b']) await join(cluster, name);
    const run = await CountingClusterRun.on(cluster, 3);
    for (let step = 0; step < 3; step++) await run.step();
    expect(run.parameters).toEqual(run.undisturbed());
    await expect(liar.ended).rejects.toMatchObject({ code: 'WORKER_OUTVOTED' });
  });

  it('from its fourth step on', async () => {
    const cluster = await loopbackCluster({ fleet: { audit: 1, minWorkers: 3 } });
    await join(cluster, 'a');
    const liar = await join(cluster, 'liar', [from(4, bit)]);
    await join(cluster, 'b');
    const run = await CountingClusterRun.on(cluster, 4);
    for (let step = 0; step < 3; step++) await run.step();
    expect(cluster.fleet.replicas).toHaveLength(3);
    for (let step = 0; step < 4; step++) await run.step();
    expect(run.parameters).toEqual(run.undisturbed());
    await expect(liar.ended).rejects.toMatchObject({ code: 'WORKER_OUTVOTED' });
  });

  it('in one of its four replicas: the process goes with all of them', async () => {
    const cluster = await loopbackCluster({ fleet: { audit: 1, minWorkers: 3 } });
    await join(cluster, 'a');
    const liar = await join(cluster, 'liar', [null, null, bit, null]);
    await join(cluster, 'b');
    const run = await CountingClusterRun.on(cluster, 8);
    for (let step = 0; step < 4; step++) await run.step();
    expect(run.parameters).toEqual(run.undisturbed());
    await expect(liar.ended).rejects.toMatchObject({ code: 'WORKER_OUTVOTED' });
    expect(cluster.fleet.replicas).toEqual(['a:cpu(0)', 'b:cpu(0)']);
  });
});

it('answers that differ in the classes of an evaluation alone are not equal', () => {
  const held = new HeldAnswers();
  const id = { kind: 'evaluate', step: 0, shard: 0, attempt: 0 } as const;
  const answer = (found: number): ShardResult => {
    const sums = { examples: 1, lossSum: 0, sums: [], computeMs: 1 };
    return { id, version: 0, ...sums, classified: Float32Array.of(found, 0.5) };
  };
  held.hold(0, 1, answer(3));
  expect([held.groupOf(0, answer(3)), held.groupOf(0, answer(4))]).toEqual([0, 1]);
});

it('a shard of an evaluation may have a high number: all batches are numbered through', async () => {
  const cluster = await loopbackCluster();
  await join(cluster, 'a');
  const { model } = await cluster.cluster.first;
  const parameters = { version: 0, values: model.initial };
  const id = { kind: 'evaluate', step: 0, shard: 5_000, attempt: 0 } as const;
  const [{ lossSum }] = await cluster.fleet.computeRound([
    { id, rows: Int32Array.of(7), firstExample: 0, regularizationWeight: 0, parameters },
  ]);
  expect(lossSum).toBe(0.7);
});

it('a count of an evaluation that is NaN puts its sender out, and another’s number is taken', async () => {
  const cluster = await loopbackCluster();
  await join(cluster, 'liar', [(result) => ({ ...result, sums: [NaN] })]);
  const { model } = await cluster.cluster.first;
  await join(cluster, 'a');
  const parameters = { version: 0, values: model.initial };
  const id = { kind: 'evaluate', step: 0, shard: 0, attempt: 0 } as const;
  const [{ sums }] = await cluster.fleet.computeRound([
    { id, rows: Int32Array.of(7), firstExample: 0, regularizationWeight: 0, parameters },
  ]);
  expect(sums).toEqual([1]);
});

it('with a share audited, who passed an audit before a resume is trusted up to there and not up to the resume', async () => {
  const process = 'the-same-process-in-both';
  const audit = 1 - 2 ** -32;
  const before = await loopbackCluster({ fleet: { audit, minWorkers: 2 } });
  await join(before, 'a');
  await join(before, 'liar', [null], process);
  const { model } = await before.cluster.first;
  const first = new CountingClusterRun(before.fleet, model.initial, 1);
  for (let step = 0; step < 4; step++) await first.step();
  const known = [...before.fleet.trusted];
  expect(known).toContainEqual([process, 4]);

  // The run went on to step 20 by shards that nobody audited, and was resumed there.
  const after = await loopbackCluster({ fleet: { audit, minWorkers: 3 } });
  after.fleet.trust(known);
  for (const name of ['a', 'b']) await join(after, name);
  await join(after, 'liar', [bit], process);
  await after.cluster.first;
  const run = new CountingClusterRun(after.fleet, first.parameters, 3);
  run.steps = 20;
  const ended = (async () => {
    for (;;) await run.step();
  })();
  await expect(ended).rejects.toMatchObject({ code: 'AUDIT_FAILED', soundUpTo: 4 });
});
