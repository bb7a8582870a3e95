/**
 * Owns: that a run whose weights stay on its only replica has the bits of one whose weights are on the host, and loses nothing when that ends.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBucketLayout } from '../../../../src/common/bucket_layout.js';
import type { Dataset } from '../../../../src/common/dataset.js';
import type { ResidentReplica, ShardAssignment } from '../../../../src/common/replica.js';
import type { HostValues } from '../../../../src/common/resident.js';
import { DEFAULT_TRAIN_CONFIG } from '../../../../src/common/train_config.js';
import { Parameters } from '../../../../src/coordinator/planes/exact/parameters.js';
import { residentReplicas, ResidentWeights } from '../../../../src/coordinator/planes/exact/resident_weights.js';
import type { LocalReplica } from '../../../../src/worker/replica/local_replica.js';
import {
  advance,
  copied,
  everything,
  EXAMPLES,
  planeOn,
  seenBetweenSteps,
  told,
  trainOn,
  type Trained,
  type Work,
} from '../../../support/plane_on.js';
import { drawnImages, openReplica } from '../../../support/replica_under_test.js';
import { topologyOf } from '../../../support/topology.js';

function expectSame(device: Trained, host: Trained): void {
  expect(told(device.outcomes)).toEqual(told(host.outcomes));
  expect(device.values.parameters).toEqual(host.values.parameters);
  expect(device.values.slots).toEqual(host.values.slots);
}

describe.each([
  ['on a processor', false],
  ['treated as a GPU is', true],
])('on one replica %s', (_, isApart) => {
  let dataset: Dataset;
  let replica: LocalReplica;
  beforeAll(async () => {
    dataset = await drawnImages({ examples: EXAMPLES, shape: [6, 6, 1], classes: 4 });
    replica = await openReplica({ isApart, model: topologyOf(everything()), dataset });
  });
  afterAll(() => replica.close());

  it.each<[string, Work]>([
    ['sgd', {}],
    ['sgd in 3 shards, uneven', { shards: 3 }],
    ['sgd in 6 shards, of which the last batch leaves one empty', { shards: 6 }],
    ['a norm that is told and clips nothing', { optimizer: { clipNorm: Infinity } }],
    ['momentum, decay and clipping', { optimizer: { momentum: 0.9, weightDecay: 1e-3, clipNorm: 0.05 } }],
    ['the same in 4 shards', { shards: 4, optimizer: { momentum: 0.9, weightDecay: 1e-3, clipNorm: 0.05 } }],
    ['adam', { rate: 0.01, optimizer: { name: 'adam' } }],
    ['adamw with a moving average', { rate: 0.01, optimizer: { name: 'adamw', weightDecay: 0.01, emaDecay: 0.9 } }],
    ['rmsprop', { rate: 0.01, optimizer: { name: 'rmsprop', momentum: 0.5 } }],
  ])('%s: weights, slots, sums and norms are those of the host', async (_name, work) => {
    const host = await trainOn(replica, 'host', work);
    const device = await trainOn(replica, 'device', work);
    expect(device.values.parameters).not.toEqual((await replica.describe()).initial);
    expectSame(device, host);
  });

  it('values that are asked for between steps, evaluations and weights put in change nothing else', async () => {
    const run = async (where: 'host' | 'device'): Promise<unknown[]> => {
      const { plane } = await planeOn(replica, where, { optimizer: { momentum: 0.9, emaDecay: 0.5, emaFor: ['evaluation'] } });
      return seenBetweenSteps(plane);
    };
    expect(await run('device')).toEqual(await run('host'));
  });

  it.each([
    ['the loss of a shard', 1e38, {}, /^NaN or Inf at step 2, shard 0: loss on cpu\(0\)/],
    ['the update', 1e38, { weightDecay: 1e4 }, /^the updated conv2d_/],
  ])(
    'where %s is not finite, the step is not applied, and is told as the host tells it',
    async (_name, rate, optimizer, words) => {
      const ended = async (where: 'host' | 'device'): Promise<unknown> => {
        const { plane, firstVersion } = await planeOn(replica, where, { optimizer });
        const what = await advance(plane, { rate }).then(
          (outcomes) => outcomes.map((outcome) => (outcome.kind === 'non_finite' ? outcome.what : outcome.kind)).at(-1),
          (error: unknown) => (error as Error).message,
        );
        expect(what).toMatch(words);
        const { version, ...values } = copied(await plane.values());
        return { what: what?.replace(/step \d+/, ''), steps: version - firstVersion, ...values };
      };
      expect(await ended('device')).toEqual(await ended('host'));
    },
  );

  it('holds as many handles after many steps as after few', async () => {
    const { plane } = await planeOn(replica, 'device', { shards: 3, optimizer: { momentum: 0.9, clipNorm: 1 } });
    await advance(plane, { steps: 4 });
    const before = await replica.memory();
    await advance(plane, { from: 4, steps: 10 });
    expect(await replica.memory()).toEqual(before);
  });
});

describe('where the replica fails, the weights of the last commit', () => {
  const layout = createBucketLayout({ weights: [{ name: 'w', shape: [2] }], trained: 1 });
  const parameters = (): Parameters => new Parameters({ layout, initial: Float32Array.of(1, 2) }, []);
  const failing = { name: 'cpu(0)', reside: () => Promise.resolve(), writeValues: () => Promise.reject(new Error('gone')) };
  const nobody = { replicas: [], lose: () => undefined };
  const weightsOn = (held: Parameters): ResidentWeights =>
    new ResidentWeights({
      ...{ replicas: [failing as unknown as ResidentReplica], fleet: nobody, layout, optimizer: DEFAULT_TRAIN_CONFIG.optimizer },
      ...{ parameters: held, nowMs: () => 0 },
    });

  it('are those that it left behind', async () => {
    const held = parameters();
    const resident = weightsOn(held);
    const units = [{ id: { shard: 0 } } as ShardAssignment];
    const [{ resident: step }] = await resident.residing({ units, version: 0, globalBatch: 1, learningRate: 1, then: [] }, null);
    resident.committed();
    expect(() => held.values()).toThrow('values are read after they came home');
    expect(held.snapshot()).toEqual({ version: 1, values: new Float32Array(0) });
    // As replica_thread.ts does it before it answers with the failure of the next step.
    step!.rescue.parameters.set([3, 4]);
    step!.rescue.version[0] = 1;
    await resident.home();
    expect(held.values()).toEqual({ version: 1, parameters: Float32Array.of(3, 4), optimizerSlots: [] });
  });

  it('are lost where it left none, and that is said', async () => {
    const held = parameters();
    const resident = weightsOn(held);
    resident.committed();
    await expect(resident.home()).rejects.toMatchObject({
      code: 'VALUES_LOST',
      message: 'the weights of step 1 are lost with cpu(0), the only replica',
      cause: new Error('gone'),
    });
  });

  it('come home by themselves after 5 s at most', async () => {
    const held = parameters();
    let [now, written] = [0, 0];
    const writes = {
      ...failing,
      writeValues: (version: number, into: HostValues) => Promise.resolve(void ((into.version[0] = version), written++)),
    };
    const replica = writes as unknown as ResidentReplica;
    const resident = new ResidentWeights({
      replicas: [replica],
      fleet: nobody,
      layout,
      optimizer: DEFAULT_TRAIN_CONFIG.optimizer,
      parameters: held,
      nowMs: () => now,
    });
    for (now = 1000; now <= 12_000; now += 1000) {
      resident.committed();
      await resident.homeNowAndThen();
    }
    expect(written).toBe(2);
  });
});

describe('the replicas that keep the weights', () => {
  const numerics = { execution: 'compiled', device: 'CPU' } as const;
  const free = { layout: { constraints: [] } } as never;
  const one = [{ name: 'cpu(0)' }] as unknown as ResidentReplica[];

  it("are the only one, or several on GPUs, on devices with the host's bits, compiled, of a model without constraints", () => {
    const alone = { replicas: one, model: free, numerics, givesHostBits: true };
    expect(residentReplicas(alone)).toEqual(one);
    const two = { ...alone, replicas: [...one, ...one] };
    expect(residentReplicas(two)).toEqual([]);
    const onGpus = { ...two, numerics: { ...numerics, device: 'GPU' } };
    expect(residentReplicas(onGpus)).toEqual(two.replicas);
    expect(residentReplicas({ ...onGpus, audit: 0.1 })).toEqual([]);
    expect(residentReplicas({ ...onGpus, givesHostBits: false })).toEqual([]);
    expect(residentReplicas({ ...alone, givesHostBits: false })).toEqual([]);
    expect(residentReplicas({ ...alone, numerics: { ...numerics, execution: 'eager' } })).toEqual([]);
    const constrained = { layout: { constraints: [{ slot: 0, constraint: { kind: 'nonNeg' } }] } } as never;
    expect(residentReplicas({ ...alone, model: constrained })).toEqual([]);
  });
});
