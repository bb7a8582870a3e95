/**
 * Owns: that nobody is believed alone for longer than needed: what the first worker shows is provisional until a second one has shown the same, and a
 * fault that one worker tells ends the run only where no other can be asked.
 */
import { describe, expect, it } from 'vitest';
import { DataError } from '../../src/common/errors.js';
import { initialSha256 } from '../../src/transport/identity.js';
import { RunFault } from '../../src/worker/host/prepared_job.js';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { JOB, loopbackCluster, modelOf, NUMERICS } from '../support/loopback_cluster.js';

const LIE = { golden: ['f'.repeat(64)] };
const altered = modelOf(5);
altered.initial[2] += 2 ** -20;
const ALTERED = { model: altered, initialSha256: initialSha256(altered) };
const refusedWith = (code: string) => ({ code, exitCode: 5 });

describe('the first worker', () => {
  it('is outvoted by two others before a run of --min-workers 2 begins, and the run is the undisturbed one', async () => {
    const cluster = await loopbackCluster({ fleet: { minWorkers: 2 }, cluster: { minWorkers: 2 } });
    const liar = await cluster.join({ name: 'liar', prepared: ALTERED });
    await liar.admitted;
    const [b, c] = [await cluster.join({ name: 'b' }), await cluster.join({ name: 'c' })];
    await expect(liar.session.ended).rejects.toMatchObject(refusedWith('WORKER_OUTVOTED'));
    expect(await b.admitted).toBe('b');
    expect(await c.admitted).toBe('c');
    const { model } = await cluster.cluster.first;
    expect([...model.initial]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(cluster.fleet.replicas.sort()).toEqual(['b:cpu(0)', 'c:cpu(0)']);
    const run = new CountingClusterRun(cluster.fleet, model.initial, 3);
    for (let step = 0; step < 4; step++) await run.step();
    expect(run.parameters).toEqual(run.undisturbed());
    expect(cluster.lines).toContainEqual(
      expect.stringMatching(/^liar is wrong, as two others show: the worker built other initial/),
    );
  });

  it('is confirmed by a third against a liar, who is refused', async () => {
    const cluster = await loopbackCluster();
    await (
      await cluster.join({ name: 'first' })
    ).admitted;
    const liar = await cluster.join({ name: 'liar', prepared: LIE });
    await expect
      .poll(() => cluster.lines)
      .toContainEqual(expect.stringMatching(/^liar and first differ: .* A third worker decides/));
    await (
      await cluster.join({ name: 'third' })
    ).admitted;
    await expect(liar.session.ended).rejects.toMatchObject(refusedWith('GOLDEN_DIFFERS'));
    // From now on one worker's word changes nothing.
    const late = await cluster.join({ name: 'late', prepared: ALTERED });
    await expect(late.session.ended).rejects.toMatchObject(refusedWith('INITIAL_DIFFERS'));
    expect(cluster.fleet.replicas).toEqual(['first:cpu(0)', 'third:cpu(0)']);
  });

  it.each([
    ['golden shard', LIE, 'golden shard of 2 examples has other bits'],
    ['initial weights', ALTERED, 'other initial weights'],
  ])('that lies about its %s ends the run with both names where nobody comes to decide', async (_, lie, words) => {
    const cluster = await loopbackCluster({ cluster: { disputeMs: 300 } });
    await (
      await cluster.join({ name: 'liar', prepared: lie })
    ).admitted;
    await cluster.cluster.first;
    void cluster.join({ name: 'honest' }).then(({ session }) => session.ended.catch(() => undefined));
    await expect.poll(() => cluster.lines.some((line) => line.startsWith('honest and liar differ'))).toBe(true);
    await expect
      .poll(() => cluster.fleet.computeRound(UNITS).catch((error: unknown) => error))
      .toMatchObject({
        code: 'WORKERS_DISAGREE',
        message: expect.stringMatching(
          new RegExp(`^liar and honest differ, and no third worker came within 0.3 s to decide: .*${words}`),
        ) as string,
      });
  });

  it('is forgotten with its golden shard when it is gone, and an honest one that waited is let in', async () => {
    const cluster = await loopbackCluster();
    const liar = await cluster.join({ name: 'liar', prepared: LIE });
    await liar.admitted;
    const honest = await cluster.join({ name: 'honest' });
    await expect.poll(() => cluster.lines.some((line) => line.startsWith('honest and liar differ'))).toBe(true);
    liar.session.close('killed');
    expect(await honest.admitted).toBe('honest');
    const again = await cluster.join({ name: 'again' });
    expect(await again.admitted).toBe('again');
  });

  it('ends a run that it has computed alone when two others show that its weights were wrong from the start', async () => {
    const cluster = await loopbackCluster();
    await (
      await cluster.join({ name: 'liar', prepared: ALTERED })
    ).admitted;
    const { model } = await cluster.cluster.first;
    await new CountingClusterRun(cluster.fleet, model.initial, 2).step();
    for (const name of ['b', 'c']) void cluster.join({ name }).then(({ session }) => session.ended.catch(() => undefined));
    await expect.poll(() => cluster.lines.some((line) => line.startsWith('worker liar is put out'))).toBe(true);
    await expect(cluster.fleet.computeRound(UNITS)).rejects.toMatchObject({
      code: 'FIRST_WORKER_WRONG',
      message: expect.stringContaining('by the word of liar') as string,
    });
  });

  it('is not asked to decide for a module that draws without a seed: who differs is refused and told to seed it', async () => {
    const job = { ...JOB, model: { kind: 'module', name: './model.mjs', sha256: JOB.datasetSha256 } } as const;
    const cluster = await loopbackCluster({ cluster: { job } });
    await (
      await cluster.join({ name: 'first' })
    ).admitted;
    const second = await cluster.join({ name: 'second', prepared: ALTERED });
    await expect(second.session.ended).rejects.toMatchObject({
      code: 'INITIAL_DIFFERS',
      next: expect.stringMatching(/^Seed your/) as string,
    });
  });

  it('need not have the run’s first weights where these come from a file or a state', async () => {
    const cluster = await loopbackCluster({ cluster: { initialCounts: false } });
    for (const [name, prepared] of Object.entries({ first: ALTERED, second: {} })) {
      const { admitted } = await cluster.join({ name, prepared });
      expect(await admitted).toBe(name);
    }
  });

  it('that describes other weights than it proved is refused, and the next is asked', async () => {
    const cluster = await loopbackCluster();
    const liar = await cluster.join({ name: 'liar', prepared: { model: altered } });
    await expect(liar.session.ended).rejects.toMatchObject(refusedWith('MODEL_DIFFERS'));
    const honest = await cluster.join({ name: 'honest', prepared: { numerics: { ...NUMERICS, intraOpThreads: 2 } } });
    expect(await honest.admitted).toBe('honest');
  });
});

const parameters = { version: 0, values: new Float32Array(6) };
const UNITS = [
  {
    id: { kind: 'train', step: 0, shard: 0, attempt: 0 },
    rows: Int32Array.of(3),
    firstExample: 0,
    regularizationWeight: 0,
    parameters,
  } as const,
];
const FAULT = { code: 'TOKEN_OUT_OF_RANGE', message: 'train example 3 has the token 11', next: 'Map it.' };

describe('a fault of the run, told by one worker', () => {
  it('in its shard does not end the run: another computes it, and the liar is named', async () => {
    const cluster = await loopbackCluster();
    const liar = await cluster.join({ name: 'liar', behave: () => Promise.reject(new DataError(FAULT)) });
    await liar.admitted;
    await (
      await cluster.join({ name: 'honest' })
    ).admitted;
    const [result] = await cluster.fleet.computeRound(UNITS);
    expect(result.lossSum).toBe(0.3);
    await expect(liar.session.ended).rejects.toMatchObject(FAULT);
    expect(cluster.lines).toContain('liar:cpu(0): train example 3 has the token 11. Another worker is asked before the run ends');
    expect(cluster.lines).toContain('honest:cpu(0) found no fault in step 1, shard 0: liar:cpu(0) is broken');
  });

  it('ends it where that worker is the only one', async () => {
    const cluster = await loopbackCluster();
    const only = await cluster.join({ name: 'only', behave: () => Promise.reject(new DataError(FAULT)) });
    await only.admitted;
    only.session.ended.catch(() => undefined);
    await expect(cluster.fleet.computeRound(UNITS)).rejects.toMatchObject({ ...FAULT, message: `only:cpu(0): ${FAULT.message}` });
  });

  it('before any has joined does not end the run where another can be asked', async () => {
    const cluster = await loopbackCluster();
    let prepared: (job: never) => void = () => {};
    const slow = await cluster.join({ name: 'slow', host: { prepare: () => new Promise((resolve) => (prepared = resolve)) } });
    void prepared;
    const liar = await cluster.join({
      name: 'liar',
      host: { prepare: () => Promise.reject(new RunFault(new DataError(FAULT))) },
    });
    await expect(liar.session.ended).rejects.toMatchObject(FAULT);
    await expect.poll(() => cluster.lines).toContainEqual(expect.stringContaining('The other workers are asked'));
    const honest = await cluster.join({ name: 'honest' });
    expect(await honest.admitted).toBe('honest');
    await cluster.cluster.first;
    slow.session.close('test over');
    slow.session.ended.catch(() => undefined);
  });

  it('and again by the same one, started again, is still one voice', async () => {
    const cluster = await loopbackCluster();
    const slow = await cluster.join({ name: 'slow', host: { prepare: () => new Promise(() => {}) } });
    for (let i = 0; i < 2; i++) {
      const liar = await cluster.join({
        name: 'liar',
        host: { prepare: () => Promise.reject(new RunFault(new DataError(FAULT))) },
      });
      await expect(liar.session.ended).rejects.toMatchObject(FAULT);
    }
    const honest = await cluster.join({ name: 'honest' });
    expect(await honest.admitted).toBe('honest');
    await cluster.cluster.first;
    slow.session.close('test over');
    slow.session.ended.catch(() => undefined);
  });
});
