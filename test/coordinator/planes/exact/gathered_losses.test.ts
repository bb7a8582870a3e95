/**
 * Owns: that a run whose replicas each keep all weights loses nothing with one of them, whenever that goes: before the first step, between two, in the middle
 * of one, and as it ends one, when others have gone on already.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../../../src/common/dataset.js';
import { LIMITS } from '../../../../src/common/limits.js';
import type { Fleet } from '../../../../src/coordinator/planes/exact/fleet/fleet.js';
import type { ExactPlane } from '../../../../src/coordinator/planes/exact/exact_plane.js';
import type { LocalReplica } from '../../../../src/worker/replica/local_replica.js';
import { advance, copied, EXAMPLES, planeOn, told, workFrom, type Trained } from '../../../support/plane_on.js';
import { drawnImages } from '../../../support/replica_under_test.js';
import { replicasApart } from '../../../support/replicas_apart.js';

const STEPS = 6;
const work = { shards: 3, optimizer: { momentum: 0.9 } };
const never = new Promise<never>(() => undefined);

let dataset: Dataset;
beforeAll(async () => {
  dataset = await drawnImages({ examples: EXAMPLES, shape: [6, 6, 1], classes: 4 });
});

interface Run {
  readonly three: LocalReplica[];
  readonly plane: ExactPlane;
  readonly fleet: Fleet;
}

/** On replicas of its own, three with each version of the weights. */
async function withThree<T>(where: 'host' | 'device', of: { shards: number }, use: (run: Run) => Promise<T>): Promise<T> {
  const three = await replicasApart(dataset);
  try {
    return await use({ three, ...(await planeOn(three, where, { ...work, ...of })) });
  } finally {
    await Promise.all(three.map((replica) => replica.close()));
  }
}

async function trained({ plane }: Pick<Run, 'plane'>, from = 0, steps = STEPS): Promise<Pick<Trained, 'outcomes'>['outcomes']> {
  return advance(plane, { from, steps });
}

const valuesOf = async ({ plane }: Pick<Run, 'plane'>): Promise<unknown> => ({ ...copied(await plane.values()), version: 0 });

describe('a replica that goes', () => {
  let host: { outcomes: unknown; values: unknown };
  beforeAll(async () => {
    host = await withThree('host', work, async (run) => ({ outcomes: told(await trained(run)), values: await valuesOf(run) }));
  });

  /** Whatever happens to it, the run has the host's outcomes and values. */
  async function expectNothingLost(happens: (run: Run) => Promise<unknown>, left: readonly string[]): Promise<void> {
    await withThree('device', work, async (run) => {
      const seen = (await happens(run)) as Parameters<typeof told>[0] | undefined;
      const outcomes = [...(seen ?? []), ...(await trained(run, seen?.length ?? 0))];
      expect(told(outcomes)).toEqual(host.outcomes);
      expect(await valuesOf(run)).toEqual(host.values);
      expect(run.fleet.replicas).toEqual(left);
    });
  }

  it('before the first step', () =>
    expectNothingLost(
      async ({ three, fleet }) => {
        fleet.lose(three[1], 'it was put out');
        await three[1].close();
      },
      ['cpu(0)', 'cpu(2)'],
    ));

  it.each([
    [0, ['cpu(1)', 'cpu(2)']],
    [1, ['cpu(0)', 'cpu(2)']],
  ])('between two steps: number %i', (gone, left) =>
    expectNothingLost(async (run) => {
      const outcomes = await trained(run, 0, 3);
      run.fleet.lose(run.three[gone], 'it was put out');
      return outcomes;
    }, left),
  );

  it.each(['compute', 'gather'] as const)('within a step, as it is asked to %s', (task) =>
    expectNothingLost(
      async (run) => {
        const outcomes = await trained(run, 0, 3);
        Object.assign(run.three[1], { [task]: () => Promise.reject(new Error('the device is gone')) });
        return outcomes;
      },
      ['cpu(0)', 'cpu(2)'],
    ),
  );

  it.each([
    ['nobody has the values besides', false],
    ['the host has the values too', true],
  ])('as it ends a step that others have gone on from, where its memory was written again: %s', async (_, onHost) => {
    await withThree('device', work, async ({ three, plane, fleet }) => {
      const [reads, lends] = [three[0].gather.bind(three[0]), three[1].gather.bind(three[1])];
      let ended = 0;
      // What the first one reads in the place of the second one's gradient.
      three[0].gather = (step, next) => {
        const [other] = step.gradients;
        return reads(
          ended === 4 ? { ...step, gradients: step.gradients.map((each, at) => (at === 1 ? other : each)) } : step,
          next,
        );
      };
      three[1].gather = async (...args) => {
        const outcome = await lends(...args);
        if (++ended === 5) fleet.lose(three[1], 'it was put out');
        return outcome;
      };
      const outcomes = [];
      while (outcomes.length < STEPS)
        for await (const outcome of plane.advance(workFrom(outcomes.length, { steps: STEPS }))) {
          outcomes.push(outcome);
          if (onHost) await plane.values();
        }
      expect(told(outcomes)).toEqual(host.outcomes);
      expect(await valuesOf({ plane })).toEqual(host.values);
      expect(fleet.replicas).toEqual(['cpu(0)', 'cpu(2)']);
    });
  });
});

it('values for a stop come from another where the first replica hangs', () =>
  withThree('device', work, async ({ three, plane }) => {
    await advance(plane, { steps: 2 });
    const stop = new AbortController();
    Object.assign(three[0], { compute: () => never, writeValues: () => never });
    setTimeout(() => stop.abort(), 100);
    for await (const outcome of plane.advance(workFrom(2, { signal: stop.signal }))) expect(outcome.kind).toBe('never');
    const { version } = await plane.values();
    expect(version % 1000).toBe(2);
    // That the second one is asked long before the first one's time is over.
    expect(LIMITS.residentSoonMs * three.length).toBeLessThan(LIMITS.stopGraceMs);
  }));
