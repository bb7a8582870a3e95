/**
 * Owns: that `--audit` finds a worker whose answers are finite, plausible and wrong: nothing of an audited shard is in the run before two machines have
 * computed it alike, and who is in the minority is put out by name.
 */
import { describe, expect, it } from 'vitest';
import type { ShardAssignment, ShardResult } from '../../src/common/replica.js';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { loopbackCluster, type TestCluster } from '../support/loopback_cluster.js';

const LIE = { lossSum: 0.1 + 2 ** -50 };
const SLOW = () => new Promise<void>((resolve) => setTimeout(resolve, 30));

async function joined(
  cluster: TestCluster,
  names: readonly string[],
  options: { sums?: Partial<ShardResult>; behave?: (assignment: ShardAssignment) => Promise<void> } = {},
) {
  const sessions = [];
  for (const name of names) {
    const { session, admitted } = await cluster.join({ name, ...options });
    session.ended.catch(() => undefined);
    await admitted;
    sessions.push(session);
  }
  return sessions;
}

describe('with all shards audited', () => {
  it.each(['first', 'last'])('and three workers, the liar is put out by name, also where it answers %s', async (when) => {
    const cluster = await loopbackCluster({ fleet: { audit: 1, minWorkers: 3 } });
    const honest = when === 'first' ? { behave: SLOW } : {};
    await joined(cluster, ['a'], honest);
    const [liar] = await joined(cluster, ['liar'], { sums: LIE, ...(when === 'last' && { behave: SLOW }) });
    await joined(cluster, ['b'], honest);
    const run = await CountingClusterRun.on(cluster, 3);
    for (let step = 0; step < 3; step++) await run.step();
    expect(run.parameters).toEqual(run.undisturbed());
    await expect(liar.ended).rejects.toMatchObject({ code: 'WORKER_OUTVOTED' });
    expect(cluster.fleet.replicas).toEqual(['a:cpu(0)', 'b:cpu(0)']);
    expect(cluster.lines).toContainEqual(
      expect.stringMatching(
        /^liar:cpu\(0\) computed step 2, shard \d otherwise than [ab]:cpu\(0\) and [ab]:cpu\(0\): it is put out$/,
      ),
    );
    expect(cluster.fleet.incidents.audited).toBe(9);
  });

  it('and two workers, the run stops and names both', async () => {
    const cluster = await loopbackCluster({ fleet: { audit: 1 } });
    await joined(cluster, ['a']);
    await joined(cluster, ['b'], { sums: LIE });
    const step = (await CountingClusterRun.on(cluster, 2)).step();
    await expect(step).rejects.toMatchObject({
      code: 'AUDIT_UNDECIDED',
      exitCode: 5,
      soundUpTo: null,
      message: expect.stringMatching(
        /^[ab]:cpu\(0\) and [ab]:cpu\(0\) computed step 2, shard \d and differ, .*Not applied\.$/,
      ) as string,
    });
  });

  it('a lone worker is not believed: its shard waits for a second machine, and says so', async () => {
    const cluster = await loopbackCluster({ fleet: { audit: 1 } });
    await joined(cluster, ['a']);
    const run = await CountingClusterRun.on(cluster, 2);
    const step = run.step();
    await expect.poll(() => cluster.lines).toContain('step 2, shard 0 is audited and waits for a second machine; 1 replica now');
    await joined(cluster, ['b']);
    await step;
    expect(run.parameters).toEqual(run.undisturbed());
  });

  it('a lying evaluation is found too', async () => {
    const cluster = await loopbackCluster({ fleet: { audit: 1, minWorkers: 3 } });
    await joined(cluster, ['a', 'b']);
    const [liar] = await joined(cluster, ['liar'], { sums: { sums: [0] } });
    const { model } = await cluster.cluster.first;
    const parameters = { version: 0, values: model.initial };
    const id = { kind: 'evaluate', step: 0, attempt: 0 } as const;
    const unit = { firstExample: 0, regularizationWeight: 0, parameters };
    const units = [0, 1, 2, 3].map((shard) => ({ ...unit, id: { ...id, shard }, rows: Int32Array.of(shard) }));
    const results = await cluster.fleet.computeRound(units);
    expect(results.map(({ sums }) => sums[0])).toEqual([1, 1, 1, 1]);
    await expect(liar.ended).rejects.toMatchObject({ code: 'WORKER_OUTVOTED' });
  });

  it('a worker that dies with an audited shard costs that shard’s recomputation', async () => {
    const cluster = await loopbackCluster({ fleet: { audit: 1, minWorkers: 2, firstPauseMs: 10 } });
    await joined(cluster, ['a']);
    const [dying] = await joined(cluster, ['dying'], { behave: () => new Promise(() => {}) });
    const run = await CountingClusterRun.on(cluster, 2);
    const step = run.step();
    setTimeout(() => dying.close('killed'), 50);
    await joined(cluster, ['b']);
    await step;
    expect(run.parameters).toEqual(run.undisturbed());
  });
});

it('with a share of the shards audited, a liar ends the run, which says since when it is not to be trusted', async () => {
  const cluster = await loopbackCluster({ fleet: { audit: 1 - 2 ** -32, minWorkers: 2 } });
  let lies = false;
  // Shard 0 has rows 0 and 1: the right answer is 0.1.
  const sums = {
    get lossSum() {
      return lies ? 7 : 0.1;
    },
  };
  await joined(cluster, ['a']);
  await joined(cluster, ['late liar'], { sums });
  const run = await CountingClusterRun.on(cluster, 1);
  for (let step = 0; step < 6; step++) await run.step();
  expect(run.parameters).toEqual(run.undisturbed());
  await joined(cluster, ['b']);
  lies = true;
  await expect(run.step()).rejects.toMatchObject({
    code: 'AUDIT_FAILED',
    // Its last answer that was found right is that of the run's sixth step, the first of which is number 1 here.
    soundUpTo: 6,
    message: expect.stringMatching(
      /^late liar:cpu\(0\) computed step 8, shard 0 otherwise than .* from step 7 on is in the run\.$/,
    ) as string,
  });
  expect(cluster.lines).toContainEqual(expect.stringMatching(/^worker late liar is put out of the run: .* computes otherwise/));
});
