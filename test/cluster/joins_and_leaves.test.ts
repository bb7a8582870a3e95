import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { loopbackCluster, modelOf, NUMERICS, TOKEN } from '../support/loopback_cluster.js';
import type { SessionEnd } from '../../src/worker/host/worker_core.js';
import { Chance } from '../support/simulated_world.js';

const SCHEDULES = 20;
const MOST = 8;
const SHARDS = 8;
const WEIGHTS = 1000;
const HASH = '0'.repeat(64);

/** What every light worker shows at its join. */
const PREPARED = {
  numerics: NUMERICS,
  versions: { tensorflow: '2.21.0', tfjs: '4.22.0' },
  datasetSha256: HASH,
  examples: { train: 1000, validation: 1000 },
  golden: [HASH],
};

/** A machine that is busy with other tests is slow to answer, and not gone. */
const PATIENT = { heartbeatMs: 2_000, heartbeatTimeoutMs: 600_000, sendTimeoutMs: 600_000, questionMs: 600_000 };

/** Threads that are no worker now. */
const free: Worker[] = [];
afterAll(() => Promise.all(free.map((thread) => thread.terminate())));

/** R3. Threads without TensorFlow, so that twenty schedules of eight fit in a minute; chaos.test.ts has whole workers in processes of their own. */
describe(`any schedule of joins and leaves, 1 → ${MOST} → 1`, () => {
  it.each(Array.from({ length: SCHEDULES }, (_, i) => i + 1))('seed %i ends as without a cluster', async (seed) => {
    const chance = new Chance(seed);
    const cluster = await loopbackCluster({ weights: WEIGHTS, cluster: { times: PATIENT } });
    const workers = new Set<Worker>();
    /** Joined, and not asked to leave yet: one of them must be left. */
    const staying = new Set<Worker>();
    const ends: SessionEnd[] = [];
    let fail: (error: unknown) => void = () => {};
    const failed = new Promise<never>((_, reject) => (fail = reject));
    const join = async (): Promise<void> => {
      const thread = free.pop() ?? new Worker(new URL('../support/light_worker.mjs', import.meta.url));
      workers.add(thread);
      const joined = new Promise<void>((done) => {
        thread.on('error', fail).on('message', (told: 'joined' | { ended: SessionEnd }) => {
          if (told === 'joined') return done();
          thread.removeAllListeners('message').removeAllListeners('error');
          workers.delete(thread);
          free.push(thread);
          ends.push(told.ended);
          // The others would wait for it.
          if (told.ended.kind !== 'finished') fail(new Error(`a worker ended: ${JSON.stringify(told.ended)}`));
        });
      });
      const settings = { software: '0.1.0', shardMs: 10, weights: WEIGHTS, prepared: PREPARED };
      thread.postMessage({ port: cluster.port, token: TOKEN, name: 'w', ...settings });
      await joined;
      staying.add(thread);
    };
    const leave = (): void => {
      if (staying.size < 2) return;
      const thread = chance.of([...staying]);
      staying.delete(thread);
      thread.postMessage('leave');
    };
    const sleep = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, chance.below(40)));

    try {
      await join();
      const run = new CountingClusterRun(cluster.fleet, modelOf(WEIGHTS).initial, SHARDS);
      let scheduled = false;
      const schedule = (async () => {
        while (cluster.fleet.replicas.length < MOST) {
          if (chance.happens(0.3)) leave();
          await sleep();
          await Promise.all(Array.from({ length: 1 + chance.below(3) }, join));
        }
        while (staying.size > 1) {
          await sleep();
          leave();
          if (chance.happens(0.1)) await join();
        }
        while (cluster.fleet.replicas.length > 1) await sleep();
      })().finally(() => (scheduled = true));
      const steps = (async () => {
        while (!scheduled) await run.step();
      })();
      await Promise.race([failed, Promise.all([schedule, steps])]);
      expect(run.steps).toBeGreaterThan(3);
      expect(Buffer.compare(Buffer.from(run.parameters.buffer), Buffer.from(run.undisturbed().buffer))).toBe(0);
      expect(cluster.fleet.incidents.joined).toBeGreaterThanOrEqual(MOST);
      expect(cluster.fleet.incidents.left).toBeGreaterThanOrEqual(MOST - 1);
      expect(cluster.fleet.incidents.lostCount).toBe(0);
    } finally {
      // The last words of those that leave may still be on their way: no later schedule may take their threads for free.
      for (const thread of workers) thread.removeAllListeners('message').removeAllListeners('error');
      await Promise.all([...workers].map((thread) => thread.terminate()));
    }
  });
});
