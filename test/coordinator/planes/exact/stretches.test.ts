/**
 * Owns: that a replica alone which takes several steps in one call has the bits of single steps and tells each of them, and that nothing of what it computed
 * beyond is left where somebody wants the values between two of them.
 */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { LIMITS } from '../../../../src/common/limits.js';
import type { ResidentReplica, ShardAssignment, ShardResult } from '../../../../src/common/replica.js';
import type { ExactPlane } from '../../../../src/coordinator/planes/exact/exact_plane.js';
import { StretchLength } from '../../../../src/coordinator/planes/exact/stretch_length.js';
import type { StepOutcome } from '../../../../src/coordinator/planes/plane.js';
import { datasetFromArrays } from '../../../../src/data/arrays.js';
import type { LocalReplica } from '../../../../src/worker/replica/local_replica.js';
import type { ReplicaTask } from '../../../../src/worker/replica/replica_spec.js';
import { advance, copied, everything, EXAMPLES, planeOn, told, workFrom, type Work } from '../../../support/plane_on.js';
import { drawnImages, openReplica } from '../../../support/replica_under_test.js';
import { topologyOf } from '../../../support/topology.js';
import { xorshift } from '../../../support/xorshift.js';

const { layers } = tf;
/** Ten steps an epoch, of which nine are whole: a stretch, and one of the rest. */
const batch = 3;
const PER_EPOCH = 10;
/** Past those that are taken singly, and three epochs more. */
const STEPS = LIMITS.stretchAfterSteps + 3 * PER_EPOCH + 4;

const dense = (): tf.LayersModel =>
  tf.sequential({
    layers: [
      layers.flatten({ inputShape: [6, 6, 1] }),
      layers.dense({ units: 17, activation: 'tanh', kernelRegularizer: tf.regularizers.l2({ l2: 0.01 }) }),
      layers.dropout({ rate: 0.25 }),
      layers.dense({ units: 9, trainable: false }),
      layers.dense({ units: 4 }),
    ],
  });

const signal = workFrom(0).signal;

// However long steps take here, as many as there are make a stretch.
const took = StretchLength.prototype.took;
vi.spyOn(StretchLength.prototype, 'took').mockImplementation(function (this: StretchLength, _ms, together) {
  took.call(this, 0, together);
});

async function valuesOf(plane: ExactPlane): Promise<Record<string, unknown>> {
  const { parameters, slots } = copied(await plane.values());
  return { parameters, slots };
}

/** Lengths of the stretches that the thread was given to compute, in their order, and how often it was told to go back. */
async function stretchesOf(replica: LocalReplica, work: () => Promise<unknown>): Promise<{ lengths: number[]; back: number }> {
  const run = vi.spyOn(replica as unknown as { run(task: ReplicaTask): Promise<unknown> }, 'run');
  try {
    await work();
    const tasks = run.mock.calls.map(([task]) => task);
    const lengths = tasks.flatMap((task) => (task.type === 'train_resident' ? [1 + task.work.then.length] : []));
    return { lengths: lengths.filter((length) => length > 1), back: tasks.filter(({ type }) => type === 'drop_after').length };
  } finally {
    run.mockRestore();
  }
}

describe.each([
  ['by the graph', everything, 'graph', 'fp32'],
  ['by the graph in bf16', everything, 'graph', 'bf16'],
  ['by XLA', dense, 'xla', 'fp32'],
] as const)('%s', (_, model, execution, precision) => {
  let replica: LocalReplica;
  beforeAll(async () => {
    const dataset = await drawnImages({ examples: EXAMPLES, shape: [6, 6, 1], classes: 4 });
    replica = await openReplica({ model: topologyOf(model()), dataset, execution, precision });
  });
  afterAll(() => replica.close());

  const trained = async (where: 'host' | 'device', work: Work, stretches: boolean): Promise<unknown> => {
    const { plane } = await planeOn(replica, where, { ...work, stretches });
    const outcomes = await advance(plane, { steps: STEPS, batch, ...work });
    return { outcomes: told(outcomes), ...(await valuesOf(plane)) };
  };

  it.each<[string, Work]>([
    ['sgd', { rate: 0.01 }],
    ['momentum, decay and clipping', { rate: 0.01, optimizer: { momentum: 0.9, weightDecay: 1e-3, clipNorm: 0.05 } }],
    ['adamw with a moving average', { rate: 0.01, optimizer: { name: 'adamw', weightDecay: 0.01, emaDecay: 0.9 } }],
    ['rmsprop', { rate: 0.01, optimizer: { name: 'rmsprop', momentum: 0.5 } }],
    ['sgd over two shards of two rows and one', { rate: 0.01, shards: 2 }],
    ['adam with clipping over three shards', { rate: 0.01, shards: 3, optimizer: { name: 'adam', clipNorm: 0.05 } }],
  ])('%s: weights, slots, sums and norms are those of single steps, and of the host', async (_name, work) => {
    let stretched: unknown;
    const { lengths, back } = await stretchesOf(replica, async () => (stretched = await trained('device', work, true)));
    expect(lengths).toEqual([2, 9, 9, 9]);
    expect(back).toBe(0);
    expect(stretched).toEqual(await trained('device', work, false));
    expect(stretched).toEqual(await trained('host', work, false));
  });

  it.each([1, 3])('holds as many handles after many stretches as after few (%i shards)', async (shards) => {
    const { plane } = await planeOn(replica, 'device', { shards, stretches: true, optimizer: { momentum: 0.9, clipNorm: 1 } });
    const at = 3 * PER_EPOCH;
    await advance(plane, { steps: at, batch });
    await plane.values();
    const before = await replica.memory();
    await advance(plane, { from: at, steps: at + 3 * PER_EPOCH, batch });
    await plane.values();
    expect(await replica.memory()).toEqual(before);
  });
});

describe.each([1, 2])('where somebody comes between (%i shards)', (shards) => {
  const adam = { shards, optimizer: { name: 'adam' as const, clipNorm: 1, emaDecay: 0.5, emaFor: ['evaluation' as const] } };
  let replica: LocalReplica;
  beforeAll(async () => {
    const dataset = await drawnImages({ examples: EXAMPLES, shape: [6, 6, 1], classes: 4 });
    replica = await openReplica({ model: topologyOf(everything()), dataset });
  });
  afterAll(() => replica.close());

  type Between = (plane: ExactPlane, step: number, outcomes: readonly StepOutcome[]) => Promise<unknown>;

  /** What steps tell, and what `between` sees after each of them; it may name another rate for those that follow. */
  async function run(
    where: 'host' | 'device',
    { steps = STEPS, rateAfter = (): number => 0.01 }: { steps?: number; rateAfter?: (step: number) => number },
    between: Between = () => Promise.resolve(null),
  ): Promise<{ seen: unknown[]; plane: ExactPlane }> {
    const { plane } = await planeOn(replica, where, { ...adam, stretches: true });
    const seen: unknown[] = [];
    let rate = rateAfter(0);
    let step = 0;
    while (step < steps) {
      const outcomes: StepOutcome[] = [];
      const from = step;
      for await (const outcome of plane.advance(workFrom(from, { steps, batch, rate }))) {
        outcomes.push(outcome);
        step += 1;
        seen.push(...told([outcome]), await between(plane, step, outcomes));
        const next = rateAfter(step);
        if (next === rate) continue;
        rate = next;
        break;
      }
    }
    seen.push(await valuesOf(plane));
    return { seen, plane };
  }

  const bothSee = async (how: Parameters<typeof run>[1], between?: Between): Promise<void> => {
    const { seen } = await run('device', how, between);
    expect(seen).toEqual((await run('host', how, between)).seen);
  };

  /** The stretch of nine that begins here. */
  const first = 2 * PER_EPOCH;

  it.each([1, 2, 5, 8, 9])('values after %i steps of a stretch are theirs, and it goes on from them', async (after) => {
    await bothSee({}, async (plane, step) => (step === first + after ? valuesOf(plane) : null));
  });

  it('steps that were computed for nothing make the next ones single for a while', async () => {
    const { lengths, back } = await stretchesOf(replica, () =>
      run('device', { steps: 7 * PER_EPOCH }, async (plane, step) => (step === first + 3 ? valuesOf(plane) : null)),
    );
    expect(back).toBe(1);
    // For twice as many steps as at first: to the end of the fifth epoch, of which three whole ones were left.
    expect(first + 3 + 2 * LIMITS.stretchAfterSteps).toBe(5 * PER_EPOCH + 5);
    expect(lengths).toEqual([2, 9, 3, 9]);
  });

  it('evaluations, the model and other weights', async () => {
    await bothSee({}, async (plane, step) => {
      if (step === first + 2) return plane.evaluate({ examples: 10, batch, signal });
      if (step === first + 13) return plane.model();
      if (step !== first + 15) return null;
      const values = await plane.values();
      await plane.restore({ ...values, version: values.version + 100, parameters: values.parameters.map((w) => w / 2) });
      return null;
    });
  });

  it('another rate for the steps that follow', async () => {
    await bothSee({ rateAfter: (step) => (step < first + 3 ? 0.01 : step < first + 14 ? 0.02 : 0.01 / step) });
  });

  it('drawn ones of all these', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const draws = Array.from({ length: STEPS }, xorshift(seed));
      const rates = draws.map((draw) => (draw < 0.03 ? draw : -1));
      await bothSee({ rateAfter: (step) => rates.slice(0, step).findLast((rate) => rate > 0) ?? 0.01 }, async (plane, step) => {
        const draw = draws[step - 1];
        if (draw > 0.97) return valuesOf(plane);
        if (draw > 0.94) return plane.evaluate({ examples: 10, batch, signal });
        if (draw > 0.92) return plane.model();
        if (draw < 0.9) return null;
        const values = await plane.values();
        await plane.restore({ ...values, version: values.version + 100, parameters: values.parameters.map((w) => w / 2) });
        return null;
      });
    }
  });

  it('a state that is due by steps: the stretch before ends there, and nothing is computed for nothing', async () => {
    const every = 7;
    const due = (step: number): number => step + every - (step % every);
    const { plane } = await planeOn(replica, 'device', { ...adam, stretches: true });
    let step = 0;
    const { lengths, back } = await stretchesOf(replica, async () => {
      while (step < STEPS)
        for await (const outcome of plane.advance(workFrom(step, { steps: STEPS, batch, rate: 0.01, pauseAt: due }))) {
          expect(outcome.kind).toBe('committed');
          step += 1;
          if (step % every === 0) await plane.values();
        }
    });
    expect(back).toBe(0);
    expect(Math.max(...lengths)).toBe(7);
    expect([await valuesOf(plane)]).toEqual((await run('host', {})).seen.slice(-1));
  });

  it('who gives the run up while a stretch is computed has what was committed', async () => {
    const given = new AbortController();
    const hurried = new Proxy(replica, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== 'compute') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return (assignment: ShardAssignment): Promise<ShardResult> => {
          if (assignment.id.step === first) given.abort();
          return target.compute(assignment);
        };
      },
    });
    const { plane } = await planeOn(hurried as ResidentReplica, 'device', { ...adam, stretches: true });
    let step = 0;
    while (step < STEPS && !given.signal.aborted)
      for await (const outcome of plane.advance(workFrom(step, { steps: STEPS, batch, rate: 0.01, signal: given.signal }))) {
        expect(outcome.kind).toBe('committed');
        step += 1;
        if (given.signal.aborted) break;
      }
    expect(step).toBe(first + 1);
    expect([await valuesOf(plane)]).toEqual((await run('host', { steps: step })).seen.slice(-1));
  });

  it('a step that is not finite ends it after those before, and is told as the host tells it', async () => {
    const ended = async (where: 'host' | 'device'): Promise<unknown> => {
      const { plane, firstVersion } = await planeOn(replica, where, { shards, stretches: true });
      await advance(plane, { steps: first, batch, rate: 0.01 });
      const outcomes: StepOutcome[] = [];
      const error: unknown = await (async () => {
        for await (const outcome of plane.advance(workFrom(first, { steps: STEPS, batch, rate: 1e19 }))) outcomes.push(outcome);
      })().catch((cause: unknown) => (cause as Error).message);
      const { version, ...values } = copied(await plane.values());
      return { outcomes: told(outcomes), error, steps: version - firstVersion, ...values };
    };
    const device = await ended('device');
    expect((device as { steps: number }).steps).toBeGreaterThan(first);
    expect((device as { steps: number }).steps).toBeLessThan(first + 9);
    expect(device).toEqual(await ended('host'));
  });
});

describe.each<[string, { weighted: boolean; augment: string[] }]>([
  ['examples that count by weights', { weighted: true, augment: [] }],
  ['augmented ones, which are read for each step by itself', { weighted: true, augment: ['flip', 'shift 1'] }],
  ['mixed ones', { weighted: false, augment: ['mixup 0.3'] }],
])('%s', (_, { weighted, augment }) => {
  it.each([1, 2])('have the bits of single steps (%i shards)', async (shards) => {
    const split = {
      x: Uint8Array.from({ length: EXAMPLES * 36 }, (_pixel, at) => (at * 73 + (at >> 3) * 41) % 256),
      y: Uint8Array.from({ length: EXAMPLES }, (_example, at) => at % 4),
      ...(weighted && { weights: Float32Array.from({ length: EXAMPLES }, (_example, at) => 0.25 + (at % 5)) }),
    };
    const dataset = await datasetFromArrays({
      name: 'weighted',
      train: split,
      validation: split,
      inputShape: [6, 6, 1],
      classes: 4,
      scale: 1 / 255,
    });
    const replica = await openReplica({ model: topologyOf(dense()), dataset, augment });
    const run = async (stretches: boolean): Promise<unknown> => {
      const { plane } = await planeOn(replica, 'device', { shards, stretches, mixes: augment.includes('mixup 0.3') });
      return [told(await advance(plane, { steps: STEPS, batch, rate: 0.01 })), await valuesOf(plane)];
    };
    let stretched: unknown;
    const { lengths } = await stretchesOf(replica, async () => (stretched = await run(true)));
    expect(lengths).toEqual([2, 9, 9, 9]);
    expect(stretched).toEqual(await run(false));
    await replica.close();
  });
});

it('a row that cannot be read ends the run with what was committed before its stretch, and is told by its words', async () => {
  const classes = 4;
  const tokens = Float32Array.from({ length: EXAMPLES * 3 }, (_, at) => at % 7);
  const split = { x: tokens, y: Uint8Array.from({ length: EXAMPLES }, (_, at) => at % classes) };
  const dataset = await datasetFromArrays({ name: 'words', train: split, validation: split, inputShape: [3], classes });
  const model = tf.sequential();
  model.add(layers.embedding({ inputDim: 7, outputDim: 4, inputLength: 3 }));
  model.add(layers.flatten());
  model.add(layers.dense({ units: classes }));
  const words = await openReplica({ model: topologyOf(model), dataset });
  const { plane, firstVersion } = await planeOn(words, 'device', { stretches: true });
  await advance(plane, { steps: 2 * PER_EPOCH, batch });
  // Beyond the embedding, in whichever batch it is.
  const spoiled = await datasetFromArrays({
    name: 'words',
    train: { ...split, x: tokens.map((token, at) => (at === 40 ? 9 : token)) },
    validation: split,
    inputShape: [3],
    classes,
  });
  await words.takeData('', spoiled, null);
  await expect(advance(plane, { from: 2 * PER_EPOCH, steps: STEPS, batch })).rejects.toMatchObject({
    code: 'TOKEN_OUT_OF_RANGE',
  });
  const { version } = await plane.values();
  expect(version - firstVersion).toBeGreaterThanOrEqual(2 * PER_EPOCH);
  await words.close();
});
