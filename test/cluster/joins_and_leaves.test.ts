import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { loopbackCluster, modelOf, NUMERICS, TOKEN } from '../support/loopback_cluster.js';
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

/** Threads that are no worker now. */
const free: Worker[] = [];
afterAll(() => Promise.all(free.map((thread) => thread.terminate())));

/** R3. Threads without TensorFlow, so that twenty schedules of eight fit in a minute; chaos.test.ts has whole workers in processes of their own. */
describe(`any schedule of joins and leaves, 1 → ${MOST} → 1`, () => {
  it.each(Array.from({ length: SCHEDULES }, (_, i) => i + 1))('seed %i ends as without a cluster', async (seed) => {
    const chance = new Chance(seed);
    const cluster = await loopbackCluster({ weights: WEIGHTS });
    const workers = new Set<Worker>();
    /** Joined, and not asked to leave yet: one of them must be left. */
    const staying = new Set<Worker>();
    const ends: string[] = [];
    const join = async (): Promise<void> => {
      const thread = free.pop() ?? new Worker(new URL('../support/light_worker.mjs', import.meta.url));
      workers.add(thread);
      const joined = new Promise<void>((done) => {
        thread.on('message', (told: 'joined' | { ended: string }) => {
          if (told === 'joined') return done();
          thread.removeAllListeners('message');
          workers.delete(thread);
          free.push(thread);
          ends.push(told.ended);
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
      while (!scheduled) await run.step();
      await schedule;
      expect(run.steps).toBeGreaterThan(3);
      expect(Buffer.compare(Buffer.from(run.parameters.buffer), Buffer.from(run.undisturbed().buffer))).toBe(0);
      expect(cluster.fleet.incidents.joined).toBeGreaterThanOrEqual(MOST);
      expect(cluster.fleet.incidents.left).toBeGreaterThanOrEqual(MOST - 1);
      expect(cluster.fleet.incidents.lostCount).toBe(0);
      expect(ends.every((kind) => kind === 'finished')).toBe(true);
    } finally {
      await Promise.all([...workers].map((thread) => thread.terminate()));
    }
  });
});
