/**
 * Owns: that a replica which keeps the weights begins the next step before it is asked, and that this changes nothing but the time: not where the step
 * that comes is another one, where it fails, or where the run is given up meanwhile.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ResidentReplica, ShardAssignment, ShardResult } from '../../../../src/common/replica.js';
import { LIMITS } from '../../../../src/common/limits.js';
import type { ExactPlane } from '../../../../src/coordinator/planes/exact/exact_plane.js';
import { datasetFromArrays } from '../../../../src/data/arrays.js';
import type { LocalReplica } from '../../../../src/worker/replica/local_replica.js';
import type { ReplicaTask } from '../../../../src/worker/replica/replica_spec.js';
import { advance, copied, everything, EXAMPLES, planeOn, told, workFrom } from '../../../support/plane_on.js';
import { drawnImages, openReplica } from '../../../support/replica_under_test.js';
import { topologyOf } from '../../../support/topology.js';

const adam = { optimizer: { name: 'adam' as const, clipNorm: 1 } };
/** Six steps an epoch. */
const batch = 5;

let replica: LocalReplica;
beforeAll(async () => {
  const dataset = await drawnImages({ examples: EXAMPLES, shape: [6, 6, 1], classes: 4 });
  replica = await openReplica({ model: topologyOf(everything()), dataset });
});
afterAll(() => replica.close());

/** Of training shards that its thread was given, how many before they were asked for, and how many of those that were. */
async function tasksOf(work: () => Promise<unknown>): Promise<{ early: number; asked: number }> {
  const run = vi.spyOn(replica as unknown as { run(task: ReplicaTask): Promise<unknown> }, 'run');
  try {
    await work();
    const early = run.mock.calls.flatMap(([task]) => (task.type === 'train_resident' ? [task.early] : []));
    return { early: early.filter((is) => is).length, asked: early.filter((is) => !is).length };
  } finally {
    run.mockRestore();
  }
}

const valuesOf = async (plane: ExactPlane): Promise<unknown> => {
  const { parameters, slots } = copied(await plane.values());
  return { parameters, slots };
};

/** So many steps with the weights on the host. */
async function onHost(steps: number, how: { shards?: number; rate?: number } = {}): Promise<unknown> {
  const { plane } = await planeOn(replica, 'host', { ...adam, ...how });
  await advance(plane, { steps, batch, ...how });
  return valuesOf(plane);
}

describe('the next step', () => {
  it('begins before it is asked for, in an epoch, after a step that was short', async () => {
    const { plane } = await planeOn(replica, 'device', adam);
    // Of each epoch the first is asked for; of the first epoch the second too, because before it nothing was measured.
    expect(await tasksOf(() => advance(plane, { steps: 12, batch }))).toEqual({ early: 9, asked: 3 });
    expect(await valuesOf(plane)).toEqual(await onHost(12));
  });

  it('begins so too where a step has several shards', async () => {
    const { plane } = await planeOn(replica, 'device', { ...adam, shards: 3 });
    // The first step is asked for, 3 shards, and the first shard of the next one; of the last step, which is a boundary, the other two.
    expect(await tasksOf(() => advance(plane, { steps: 6, batch }))).toEqual({ early: 18 - 6, asked: 6 });
    expect(await valuesOf(plane)).toEqual(await onHost(6, { shards: 3 }));
  });

  it('keeps no step that is done from being told, where values come home', async () => {
    let now = 0;
    const { plane } = await planeOn(replica, 'device', { ...adam, nowMs: () => (now += LIMITS.residentHomeMs) });
    const home = vi.spyOn(replica, 'writeValues');
    const before: number[] = [];
    try {
      for await (const { kind } of plane.advance(workFrom(0, { steps: 6, batch }))) {
        expect(kind).toBe('committed');
        before.push(home.mock.calls.length);
      }
    } finally {
      home.mockRestore();
    }
    expect(before).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await valuesOf(plane)).toEqual(await onHost(6));
  });

  it('waits until it is asked for where steps are long', async () => {
    let now = 0;
    const { plane } = await planeOn(replica, 'device', { ...adam, nowMs: () => (now += LIMITS.earlyStepMs) });
    expect(await tasksOf(() => advance(plane, { steps: 6, batch }))).toEqual({ early: 0, asked: 6 });
    expect(await valuesOf(plane)).toEqual(await onHost(6));
  });
});

describe.each([{ shards: 1 }, { shards: 3 }])('what began early, in $shards shards,', ({ shards }) => {
  /** Another rate for each step, as a function of the user's makes them; what is computed early is of the rate before. */
  async function withRates(where: 'host' | 'device', rates: readonly number[]): Promise<unknown> {
    const { plane } = await planeOn(replica, where, { ...adam, shards });
    const outcomes = [];
    let steps = plane.advance(workFrom(0, { steps: 12, batch, rate: rates[0] }));
    for (const [step, rate] of rates.entries()) {
      if (step > 0 && (rate !== rates[step - 1] || step % 6 === 0)) {
        await steps.return();
        steps = plane.advance(workFrom(step, { steps: 12, batch, rate }));
      }
      const { value } = await steps.next();
      if (value !== undefined) outcomes.push(value);
    }
    await steps.return();
    return { outcomes: told(outcomes), ...((await valuesOf(plane)) as object) };
  }

  it('is forgotten where the rate is another one, and no more is begun in that epoch', async () => {
    const rates = [0.01, 0.01, 0.01, 0.02, 0.03, 0.03, 0.01, 0.01, 0.01];
    let device: unknown;
    const { early, asked } = await tasksOf(async () => (device = await withRates('device', rates)));
    expect(device).toEqual(await withRates('host', rates));
    if (shards === 1) expect({ early, asked }).toEqual({ early: 5, asked: 6 });
  });

  it('is forgotten where other weights are given between two steps', async () => {
    const halved = async (where: 'host' | 'device'): Promise<unknown> => {
      const { plane } = await planeOn(replica, where, { ...adam, shards });
      const outcomes = [];
      for await (const outcome of plane.advance(workFrom(0, { steps: 6, batch }))) {
        outcomes.push(outcome);
        if (outcomes.length !== 3) continue;
        const values = await plane.values();
        await plane.restore({ ...values, version: values.version + 2, parameters: values.parameters.map((w) => w / 2) });
      }
      return { outcomes: told(outcomes), ...((await valuesOf(plane)) as object) };
    };
    expect(await halved('device')).toEqual(await halved('host'));
  });

  it('is in nobody’s way who asks for values, or evaluates, between two steps', async () => {
    const run = async (where: 'host' | 'device'): Promise<unknown[]> => {
      const { plane } = await planeOn(replica, where, { ...adam, shards });
      const seen: unknown[] = [];
      for await (const outcome of plane.advance(workFrom(0, { steps: 6, batch }))) {
        seen.push(...told([outcome]), await valuesOf(plane));
        if (seen.length > 6) seen.push(await plane.evaluate({ examples: 10, batch, signal: workFrom(0).signal }));
      }
      return seen;
    };
    expect(await run('device')).toEqual(await run('host'));
  });

  it('counts for nothing where the run ends', async () => {
    const { plane } = await planeOn(replica, 'device', { ...adam, shards });
    let steps = 0;
    for await (const outcome of plane.advance(workFrom(0, { steps: 6, batch }))) {
      expect(outcome.kind).toBe('committed');
      if ((steps += 1) === 3) break;
    }
    expect(await valuesOf(plane)).toEqual(await onHost(3, { shards }));
  });

  it('is never the only thing that is left where the run is given up', async () => {
    const given = new AbortController();
    let asked = 0;
    const hurried = new Proxy(replica, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== 'compute') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return (assignment: ShardAssignment): Promise<ShardResult> => {
          if ((asked += 1) === 3 * shards + 1) given.abort();
          return target.compute(assignment);
        };
      },
    });
    const { plane } = await planeOn(hurried as ResidentReplica, 'device', { ...adam, shards });
    let steps = 0;
    for await (const outcome of plane.advance(workFrom(0, { steps: 6, batch, signal: given.signal }))) {
      expect(outcome.kind).toBe('committed');
      if (((steps += 1), given.signal.aborted)) break;
    }
    expect(steps).toBe(4);
    expect(await valuesOf(plane)).toEqual(await onHost(steps, { shards }));
  });
});

it('that fails fails when it is asked for, and leaves what was committed before it', async () => {
  const classes = 4;
  const tokens = Float32Array.from({ length: EXAMPLES * 3 }, (_, at) => at % 7);
  // Beyond the embedding, in whichever batch it is.
  tokens[40] = 9;
  const split = { x: tokens, y: Uint8Array.from({ length: EXAMPLES }, (_, at) => at % classes) };
  const dataset = await datasetFromArrays({ name: 'words', train: split, validation: split, inputShape: [3], classes });
  const model = tf.sequential();
  model.add(tf.layers.embedding({ inputDim: 7, outputDim: 4, inputLength: 3 }));
  model.add(tf.layers.flatten());
  model.add(tf.layers.dense({ units: classes }));
  const run = async (where: 'host' | 'device'): Promise<unknown> => {
    const words = await openReplica({ model: topologyOf(model), dataset });
    const { plane, firstVersion } = await planeOn(words, where, adam);
    const error: unknown = await advance(plane, { steps: 6, batch }).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'TOKEN_OUT_OF_RANGE' });
    const { version, ...values } = copied(await plane.values());
    await words.close();
    return { error: (error as Error).message, steps: version - firstVersion, ...values };
  };
  const device = await run('device');
  expect(device).toMatchObject({ steps: expect.any(Number) as number });
  expect((device as { steps: number }).steps).toBeGreaterThan(2);
  expect(device).toEqual(await run('host'));
});
