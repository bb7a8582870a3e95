/**
 * Owns: that a fault of the run's own data or model, found by a worker, ends the run with that error at both ends once
 * another has found it too, or where no other is there: nobody is waited for. (What one worker alone says: first_worker.test.ts.)
 */
import { expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/common/errors.js';
import { RunFault } from '../../src/worker/host/prepared_job.js';
import { loopbackCluster } from '../support/loopback_cluster.js';

const details = { code: 'TOKEN_OUT_OF_RANGE', message: 'train example 3 has the token 11', next: 'Map it.' };

it('in a shard: the round rejects with it once a second worker has found it, and the workers end with it', async () => {
  const cluster = await loopbackCluster();
  let asked = 0;
  const behave = (): Promise<void> => {
    asked += 1;
    return Promise.reject(new DataError(details));
  };
  const bad = await cluster.join({ name: 'a', behave });
  await bad.admitted;
  const other = await cluster.join({ name: 'b', behave });
  await other.admitted;
  const { model } = await cluster.cluster.first;
  const unit = {
    id: { kind: 'train', step: 0, shard: 0, attempt: 0 },
    rows: Int32Array.of(3),
    firstExample: 0,
    regularizationWeight: 0,
  } as const;
  const round = cluster.fleet.computeRound([{ ...unit, parameters: { version: 0, values: model.initial } }]);
  await expect(round).rejects.toMatchObject({
    ...details,
    message: 'b:cpu(0): train example 3 has the token 11 (a:cpu(0) found it too)',
    exitCode: 4,
  });
  for (const { session } of [bad, other]) await expect(session.ended).rejects.toMatchObject({ ...details, exitCode: 4 });
  expect(asked).toBe(2);
});

it('while the first worker prepares: whoever waits for a first worker hears it', async () => {
  const cluster = await loopbackCluster();
  const fault = new UsageError({ ...details, code: 'MODEL_FAILS' });
  const { session } = await cluster.join({ name: 'a', host: { prepare: () => Promise.reject(new RunFault(fault)) } });
  await expect(cluster.cluster.first).rejects.toMatchObject({
    code: 'MODEL_FAILS',
    exitCode: 2,
    message: `a:cpu(0): ${details.message}`,
  });
  await expect(session.ended).rejects.toBe(fault);
});

it('while a later worker prepares: it is that worker’s own trouble, for the others compute', async () => {
  const cluster = await loopbackCluster();
  await (
    await cluster.join({ name: 'a' })
  ).admitted;
  const prepare = () => Promise.reject(new RunFault(new DataError(details)));
  const { session } = await cluster.join({ name: 'b', host: { prepare } });
  await expect(session.ended).rejects.toMatchObject(details);
  await expect.poll(() => cluster.lines).toContain('worker b refused: b:cpu(0): train example 3 has the token 11. Map it.');
  expect(cluster.fleet.replicas).toEqual(['a:cpu(0)']);
});

it('a worker that cannot prepare for a reason of its own is quoted to the end, however long that is', async () => {
  const cluster = await loopbackCluster();
  const own = new UsageError({
    code: 'MODEL_NEEDED',
    message: `the run uses ${'a long path/'.repeat(40)}model.mjs`,
    next: 'Give it --model.',
  });
  const { session } = await cluster.join({ name: 'a', host: { prepare: () => Promise.reject(own) } });
  await expect(session.ended).rejects.toBe(own);
  await expect
    .poll(() => cluster.lines)
    .toContain(`worker a went away before it joined: MODEL_NEEDED: ${own.message}. Give it --model.`);
});
