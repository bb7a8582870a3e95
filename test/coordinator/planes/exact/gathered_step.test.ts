/**
 * Owns: that replicas which each keep all weights, and hand each other gradients on their devices, have the bits of weights on the host. Where one of them
 * goes away: gathered_losses.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Dataset } from '../../../../src/common/dataset.js';
import { deviceGradient } from '../../../../src/common/device_gradient.js';
import type { ResidentReplica, ShardResult } from '../../../../src/common/replica.js';
import type { ResidentOutcome } from '../../../../src/common/resident.js';
import { endTogether } from '../../../../src/coordinator/planes/exact/gathered_step.js';
import type { LocalReplica } from '../../../../src/worker/replica/local_replica.js';
import type { ReplicaTask } from '../../../../src/worker/replica/replica_spec.js';
import { advance, copied, EXAMPLES, planeOn, seenBetweenSteps, told, trainOn, type Work } from '../../../support/plane_on.js';
import { drawnImages } from '../../../support/replica_under_test.js';
import { replicasApart } from '../../../support/replicas_apart.js';

describe('three replicas', () => {
  let dataset: Dataset;
  let replicas: LocalReplica[] = [];
  beforeAll(async () => {
    dataset = await drawnImages({ examples: EXAMPLES, shape: [6, 6, 1], classes: 4 });
    replicas = await replicasApart(dataset);
  });
  afterAll(() => Promise.all(replicas.map((replica) => replica.close())));

  it.each<[string, Work]>([
    ['sgd', { shards: 3 }],
    ['sgd in 2 shards, so that one replica has none', { shards: 2 }],
    ['sgd in 6 shards, of which the last batch leaves one empty', { shards: 6 }],
    ['momentum, decay and clipping', { shards: 4, optimizer: { momentum: 0.9, weightDecay: 1e-3, clipNorm: 0.05 } }],
    ['adam', { shards: 3, rate: 0.01, optimizer: { name: 'adam' } }],
    ['adamw with a moving average', { shards: 3, rate: 0.01, optimizer: { name: 'adamw', weightDecay: 0.01, emaDecay: 0.9 } }],
  ])('%s: weights, slots, sums and norms are those of the host', async (_, work) => {
    const host = await trainOn(replicas, 'host', work);
    const device = await trainOn(replicas, 'device', work);
    expect(device.values.parameters).not.toEqual((await replicas[0].describe()).initial);
    expect(told(device.outcomes)).toEqual(told(host.outcomes));
    expect(device.values).toEqual({ ...host.values, version: expect.any(Number) as number });
    // Each of them has all of it.
    const alone = await trainOn(replicas.slice(0, 1), 'device', work);
    expect({ ...device.values, version: 0 }).toEqual({ ...alone.values, version: 0 });
  });

  it('values that are asked for between steps, evaluations and weights put in change nothing else', async () => {
    const run = async (where: 'host' | 'device'): Promise<unknown[]> => {
      const optimizer = { momentum: 0.9, emaDecay: 0.5, emaFor: ['evaluation' as const] };
      const { plane } = await planeOn(replicas, where, { shards: 3, optimizer });
      return seenBetweenSteps(plane);
    };
    expect(await run('device')).toEqual(await run('host'));
  });

  it('what the update makes infinite is not applied, and is told as the host tells it', async () => {
    const ended = async (where: 'host' | 'device'): Promise<unknown> => {
      const { plane, firstVersion } = await planeOn(replicas, where, { shards: 3, optimizer: { weightDecay: 1e4 } });
      const outcomes = await advance(plane, { rate: 1e38 });
      const last = outcomes.at(-1);
      expect(last).toMatchObject({ kind: 'non_finite', what: expect.stringMatching(/^the updated conv2d_/) as string });
      const { version, ...values } = copied(await plane.values());
      return { last, steps: version - firstVersion, ...values };
    };
    expect(await ended('device')).toEqual(await ended('host'));
  });

  it('hold as many handles after many steps and other runs as after few', async () => {
    const work = { shards: 4, optimizer: { momentum: 0.9, clipNorm: 1 } };
    const most = async (): Promise<number> =>
      Math.max(...(await Promise.all(replicas.map((replica) => replica.memory()))).map(({ handles }) => handles));
    const { plane } = await planeOn(replicas, 'device', work);
    await advance(plane, { steps: 4 });
    // A replica may have computed any of the four shards of the last step.
    const before = (await most()) + work.shards;
    await advance(plane, { from: 4, steps: 10 });
    expect(await most()).toBeLessThanOrEqual(before);
    for (let run = 0; run < 3; run++) await trainOn(replicas, 'device', work);
    expect(await most()).toBeLessThanOrEqual(before);
  });

  it('each begin the shard that they had with the next step, as they end one', async () => {
    const host = await trainOn(replicas, 'host', { shards: 3, steps: 12 });
    const begun = replicas.map((replica) => vi.spyOn(replica as unknown as { run(task: ReplicaTask): Promise<unknown> }, 'run'));
    const { plane } = await planeOn(replicas, 'device', { shards: 3 });
    const outcomes = await advance(plane, { steps: 12 });
    const tasks = begun.flatMap((spy) =>
      spy.mock.calls.flatMap(([task]) => (task.type === 'train_resident' ? [task.early] : [])),
    );
    begun.forEach((spy) => spy.mockRestore());
    // Of each three steps of an epoch the first is asked for; before the second one nothing was measured.
    expect(tasks.filter((early) => early)).toHaveLength(3 * 7);
    expect(told(outcomes)).toEqual(told(host.outcomes));
    expect({ ...copied(await plane.values()), version: 0 }).toEqual({ ...host.values, version: 0 });
  });
});

describe('the end of a step', () => {
  const finite = { finite: true } as const;
  const memory = { device: 'CPU:0', address: 64n, elements: 1 };
  const results = ['a', 'b'].map(
    (replica, shard) => ({ id: { shard }, replica, lossSum: 1, gradient: deviceGradient(memory) }) as ShardResult,
  );
  const work = { version: 3, step: 3, shards: [0, 1], globalBatch: 2, learningRate: 1, from: null, rescue: null } as never;

  /** Went away by themselves. */
  let left: string[] = [];

  async function ended(
    answers: Record<string, () => Promise<ResidentOutcome>>,
    of: readonly ShardResult[] = results,
  ): Promise<unknown> {
    left = [];
    const here = new Set(Object.keys(answers));
    const [lost, dropped]: [string[], string[]] = [[], []];
    const replicas = Object.entries(answers).map(([name, gather]) => ({
      name,
      gather,
      dropAfter: (version: number) => Promise.resolve(void dropped.push(`${name} after ${version}`)),
    })) as unknown as ResidentReplica[];
    const fleet = {
      get replicas() {
        return [...here].filter((name) => !left.includes(name));
      },
      lose: ({ name }: { name: string }, reason: string) => {
        here.delete(name);
        lost.push(`${name}: ${reason}`);
      },
    };
    return { outcome: await endTogether({ replicas, fleet }, work, of, []), lost, dropped };
  }
  const yes = (): Promise<ResidentOutcome> => Promise.resolve(finite);
  const no = (): Promise<ResidentOutcome> => Promise.resolve({ finite: false });
  const fails = (): Promise<ResidentOutcome> => Promise.reject(new Error('out of memory'));

  it('is what all say', async () => {
    expect(await ended({ a: yes, b: yes })).toEqual({ outcome: finite, lost: [], dropped: [] });
  });

  it('is nothing where numbers are not finite, and who has a next version forgets it', async () => {
    expect(await ended({ a: yes, b: no })).toEqual({ outcome: { finite: false }, lost: [], dropped: ['a after 3', 'b after 3'] });
    const bad = [results[0], { ...results[1], lossSum: NaN }];
    expect(await ended({ a: yes, b: yes }, bad)).toEqual({ outcome: { finite: false }, lost: [], dropped: [] });
  });

  it('stands without one that fails, which is closed when nobody reads its memory any more', async () => {
    const slowly = async (): Promise<ResidentOutcome> => (await new Promise(setImmediate), finite);
    expect(await ended({ a: slowly, b: fails, c: slowly })).toEqual({ outcome: finite, lost: ['b: out of memory'], dropped: [] });
    expect(await ended({ a: fails, b: fails })).toMatchObject({ outcome: { finite: false }, dropped: [] });
  });

  it('is nothing where one is gone that lent: its memory may be somebody else’s by now', async () => {
    const nothing = { finite: false };
    expect(await ended({ a: yes })).toEqual({ outcome: nothing, lost: [], dropped: ['a after 3'] });
    const leaves = (): Promise<ResidentOutcome> => (left.push('b'), Promise.resolve(finite));
    expect(await ended({ a: yes, b: leaves })).toEqual({ outcome: nothing, lost: [], dropped: ['a after 3'] });
  });
});
