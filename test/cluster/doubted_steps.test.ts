/**
 * Owns: steps whose shards are finite, and what comes of their sum is not: a liar that nobody audits is found and named, and an honest divergence stays one.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
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

/** Lies in the first two shards of each step that its process is given, and honestly when the step comes back. */
class FirstHugeReplica extends HugeReplica {
  constructor(
    name: string,
    private readonly asked: Map<number, number>,
    private readonly meanwhile: (ask: number) => Promise<void> = () => Promise.resolve(),
  ) {
    super(name, modelOf(5));
  }
  override async compute(assignment: ShardAssignment): Promise<ShardResult> {
    const { step } = assignment.id;
    const ask = (this.asked.get(step) ?? 0) + 1;
    this.asked.set(step, ask);
    await this.meanwhile(ask);
    return ask <= 2 ? super.compute(assignment) : IntegerReplica.prototype.compute.call(this, assignment);
  }
}

interface FirstLiar {
  readonly process?: string;
  readonly meanwhile?: (ask: number) => Promise<void>;
}

/** Two replicas each: who joined first has shards 0 and 1 of the four, the next one has 2 and 3. */
async function joinPair(cluster: TestCluster, name: string, liar: FirstLiar | null, behave?: () => Promise<void>) {
  const asked = new Map<number, number>();
  const replicas = [0, 1].map((at) =>
    liar === null
      ? new IntegerReplica(`cpu(${at})`, modelOf(5), behave)
      : new FirstHugeReplica(`cpu(${at})`, asked, liar.meanwhile),
  );
  const { session, admitted } = await cluster.join({
    ...{ name, replicas: 2, prepared: { replicas } },
    ...(liar?.process !== undefined && { host: { process: liar.process } }),
  });
  session.ended.catch(() => undefined);
  await admitted;
  return session;
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

async function endsUndisturbed(cluster: TestCluster): Promise<void> {
  const { outcomes, weights } = await twoSteps(cluster);
  expect(outcomes).toEqual(['committed', 'committed']);
  expect(weights).toEqual(await undisturbed());
}

const ALONE = expect.stringMatching(
  /^a:cpu\(\d\) computed step 1, shard [01] otherwise than liar:cpu\(\d\) did first, and no second machine is here to decide$/,
) as string;

describe('who sends 3e38 first, and answers honestly when the step comes back', () => {
  it.each([{ honest: ['a', 'b'] }, { honest: ['a'] }])('is put out by name, with $honest beside it', async ({ honest }) => {
    const cluster = await loopbackCluster({ fleet: { minWorkers: 1 + honest.length } });
    const liar = await joinPair(cluster, 'liar', {});
    for (const name of honest) await joinPair(cluster, name, null);
    await endsUndisturbed(cluster);
    expect(cluster.fleet.replicas).toEqual(honest.flatMap((name) => [`${name}:cpu(0)`, `${name}:cpu(1)`]));
    expect(cluster.fleet.incidents).toMatchObject({ recomputed: 1, lostCount: 2 });
    expect(cluster.lines).toContainEqual(
      expect.stringMatching(/^liar:cpu\(\d\) first computed step 1, shard [01] otherwise than .*: it is put out$/),
    );
    expect(cluster.lines).toContainEqual(
      expect.stringMatching(
        /^worker liar is put out of the run: .* was computed otherwise by [ab]:cpu\(\d\)( and [ab]:cpu\(\d\))?$/,
      ),
    );
    await expect(liar.ended).rejects.toMatchObject({ code: 'WORKER_OUTVOTED' });
  });

  it('and goes away before it is found is told of by name, and not let in again', async () => {
    const cluster = await loopbackCluster({ fleet: { minWorkers: 3 } });
    const gone = { process: 'the-same-process-in-both', meanwhile: (ask: number) => (ask <= 2 ? Promise.resolve() : leave()) };
    const liar = await joinPair(cluster, 'liar', gone);
    const leave = async (): Promise<void> => {
      liar.close('gone');
      await new Promise(() => {});
    };
    for (const name of ['a', 'b']) await joinPair(cluster, name, null);
    await endsUndisturbed(cluster);
    expect(cluster.lines).toContainEqual(
      expect.stringMatching(
        /^liar:cpu\(\d\) first computed step 1, shard [01] otherwise than [ab]:.* and [ab]:.*: it is put out$/,
      ),
    );
    const { session, admitted } = await cluster.join({ name: 'liar', host: { process: gone.process } });
    await expect(Promise.race([session.ended, admitted])).rejects.toMatchObject({ code: 'WORKER_PUT_OUT' });
  });

  it('and goes away while the step is computed once more leaves the run to the only other worker', async () => {
    const cluster = await loopbackCluster({ fleet: { minWorkers: 2 } });
    const liar = await joinPair(cluster, 'liar', {
      async meanwhile(ask) {
        if (ask <= 2) return;
        liar.close('gone');
        await new Promise(() => {});
      },
    });
    await joinPair(cluster, 'a', null);
    await endsUndisturbed(cluster);
    expect(cluster.lines).toContainEqual(ALONE);
  });

  it('and goes away before the step is whole leaves the run to the only other worker', async () => {
    const cluster = await loopbackCluster({ fleet: { minWorkers: 2 } });
    const liar = await joinPair(cluster, 'liar', {});
    await joinPair(cluster, 'a', null, () => expect.poll(() => cluster.fleet.incidents.lostCount).toBe(2));
    setTimeout(() => liar.close('gone'), 100);
    await endsUndisturbed(cluster);
    expect(cluster.lines).toContainEqual(ALONE);
  });

  it('ends the run where a share of the shards is audited, as any liar there', async () => {
    const cluster = await loopbackCluster({ fleet: { minWorkers: 3, audit: 2 ** -30 } });
    await joinPair(cluster, 'liar', {});
    for (const name of ['a', 'b']) await joinPair(cluster, name, null);
    await expect(twoSteps(cluster)).rejects.toMatchObject({
      ...{ code: 'AUDIT_FAILED', soundUpTo: 0 },
      message: expect.stringMatching(/^liar:/) as string,
    });
  });
});

it('who finds NaN in each of its shards is put out once two other machines found none, and the run is the undisturbed one', async () => {
  class NanReplica extends IntegerReplica {
    override async compute(assignment: ShardAssignment): Promise<ShardResult> {
      return { ...(await super.compute(assignment)), lossSum: NaN, nonFinite: 'loss' };
    }
  }
  const cluster = await loopbackCluster({ fleet: { minWorkers: 3 } });
  const broken = [0, 1].map((at) => new NanReplica(`cpu(${at})`, modelOf(5)));
  const { session, admitted } = await cluster.join({ name: 'broken', replicas: 2, prepared: { replicas: broken } });
  session.ended.catch(() => undefined);
  await admitted;
  // Each of the others is still busy with a shard of its own when both of the broken ones' are to be computed once more.
  const whenToldTwice = async (): Promise<void> => {
    while (cluster.fleet.incidents.recomputed < 2) await wait(5);
  };
  for (const name of ['a', 'b']) {
    const replicas = [new IntegerReplica('cpu(0)', modelOf(5), whenToldTwice)];
    const joined = await cluster.join({ name, replicas: 1, prepared: { replicas } });
    joined.session.ended.catch(() => undefined);
    await joined.admitted;
  }
  const { outcomes, weights } = await twoSteps(cluster);
  expect(outcomes).toEqual(['committed', 'committed']);
  expect(weights).toEqual(await undisturbed());
  await expect(session.ended).rejects.toMatchObject({ code: 'WORKER_OUTVOTED' });
  expect(cluster.lines.join('\n')).toMatch(
    /broken:cpu\(\d\) is put out: it found NaN or Inf in shards in which [ab]:cpu\(0\) and [ab]:cpu\(0\) found none/,
  );
});
