/**
 * Owns: steps whose shards are finite, and what comes of their sum is not: a liar that nobody audits is found and named, and an honest divergence stays one.
 */
import { expect, it } from 'vitest';
import { DEFAULT_TRAIN_CONFIG } from '../../src/common/train_config.js';
import type { ShardAssignment, ShardResult } from '../../src/common/replica.js';
import { hostGradient } from '../../src/common/host_gradient.js';
import { ExactPlane } from '../../src/coordinator/planes/exact/exact_plane.js';
import type { StepOutcome } from '../../src/coordinator/planes/plane.js';
import { IntegerReplica, loopbackCluster, modelOf, type TestCluster } from '../support/loopback_cluster.js';

/** Its gradients are all 3e38: two of them add to Inf. */
class HugeReplica extends IntegerReplica {
  override async compute(assignment: ShardAssignment): Promise<ShardResult> {
    const result = await super.compute(assignment);
    if (result.gradient === undefined) return result;
    return { ...result, gradient: hostGradient({ kind: 'host', values: new Float32Array(5).fill(3e38), release: () => {} }) };
  }
}

async function join(cluster: TestCluster, name: string, isHuge: boolean) {
  const Kind = isHuge ? HugeReplica : IntegerReplica;
  // As many as there are shards: whoever the fleet asks first, this process has two of them at least once.
  const replicas = Array.from({ length: 4 }, (_, at) => new Kind(`cpu(${at})`, modelOf(5)));
  const { session, admitted } = await cluster.join({ name, replicas: 4, prepared: { replicas } });
  session.ended.catch(() => undefined);
  await admitted;
  return session;
}

/** Two steps of eight rows in four shards, over everybody who is here. */
async function twoSteps({ fleet, cluster }: Pick<TestCluster, 'fleet' | 'cluster'>) {
  const { model } = await cluster.first;
  const plane = new ExactPlane({
    ...{ model, shards: 4, fleet, nowMs: () => performance.now() },
    optimizer: { ...DEFAULT_TRAIN_CONFIG.optimizer, learningRate: 0.125, momentum: 0 },
  });
  const outcomes: StepOutcome[] = [];
  const work = {
    ...{ from: { step: 0, example: 0 }, upTo: 2, signal: new AbortController().signal },
    rows: { seed: 1, epoch: 1, shuffle: false, examples: 16, batch: 8 },
    rates: { schedule: DEFAULT_TRAIN_CONFIG.optimizer.schedule, base: 0.125, stepsPerEpoch: 2, epochs: 1 },
  };
  try {
    for await (const outcome of plane.advance(work)) outcomes.push(outcome);
    return { outcomes: outcomes.map(({ kind }) => kind), weights: [...(await plane.model())] };
  } finally {
    await plane.close();
  }
}

async function undisturbed(): Promise<number[]> {
  const cluster = await loopbackCluster();
  await join(cluster, 'alone', false);
  const { outcomes, weights } = await twoSteps(cluster);
  expect(outcomes).toEqual(['committed', 'committed']);
  return weights;
}

it('of three workers without audits one sends 3e38: it is put out by name, and the run is the undisturbed one', async () => {
  const cluster = await loopbackCluster({ fleet: { minWorkers: 3 } });
  const liar = await join(cluster, 'liar', true);
  for (const name of ['a', 'b']) await join(cluster, name, false);
  const { outcomes, weights } = await twoSteps(cluster);
  expect(outcomes).toEqual(['committed', 'committed']);
  expect(weights).toEqual(await undisturbed());
  await expect(liar.ended).rejects.toMatchObject({ code: 'WORKER_OUTVOTED' });
  expect(cluster.lines.filter((line) => line.includes('two machines compute each once more'))).toHaveLength(1);
  expect(cluster.fleet.incidents.recomputed).toBe(1);
});

it('of two workers one sends 3e38: the run stops before the step is applied, and names both', async () => {
  const cluster = await loopbackCluster({ fleet: { minWorkers: 2 } });
  await join(cluster, 'liar', true);
  await join(cluster, 'a', false);
  await expect(twoSteps(cluster)).rejects.toMatchObject({
    code: 'AUDIT_UNDECIDED',
    soundUpTo: null,
    message: expect.stringMatching(
      /(liar.*and a:|a:.*and liar).* and differ, and no other machine is here to decide. Not applied\.$/,
    ) as string,
  });
});

it('where a share of the shards is audited, what the liar computed before is in doubt too: the run stops at it', async () => {
  const cluster = await loopbackCluster({ fleet: { minWorkers: 3, audit: 2 ** -30 } });
  await join(cluster, 'liar', true);
  for (const name of ['a', 'b']) await join(cluster, name, false);
  await expect(twoSteps(cluster)).rejects.toMatchObject({
    code: 'AUDIT_FAILED',
    message: expect.stringMatching(/^liar:/) as string,
  });
});

it.each([1, 3])('an honest divergence is one still, with %i workers', async (workers) => {
  const cluster = await loopbackCluster({ fleet: { minWorkers: workers } });
  for (let at = 0; at < workers; at++) await join(cluster, `w${at}`, true);
  expect((await twoSteps(cluster)).outcomes).toEqual(['non_finite']);
  expect(cluster.fleet.incidents.recomputed).toBe(workers === 1 ? 0 : 1);
});

it('is not doubted where workers need not agree to the bit', async () => {
  const cluster = await loopbackCluster({ fleet: { minWorkers: 2, comparesBits: false } });
  for (const name of ['a', 'b']) await join(cluster, name, true);
  expect((await twoSteps(cluster)).outcomes).toEqual(['non_finite']);
  expect(cluster.fleet.incidents.recomputed).toBe(0);
});
