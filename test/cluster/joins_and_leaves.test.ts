import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
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

/** R3. Processes without TensorFlow, so that twenty schedules of eight fit in a minute; chaos.test.ts has whole workers. */
describe(`any schedule of joins and leaves, 1 → ${MOST} → 1`, () => {
  it.each(Array.from({ length: SCHEDULES }, (_, i) => i + 1))('seed %i ends as without a cluster', async (seed) => {
    const chance = new Chance(seed);
    const cluster = await loopbackCluster({ weights: WEIGHTS });
    const workers = new Set<ChildProcess>();
    /** Joined, and not asked to leave yet: one of them must be left. */
    const staying = new Set<ChildProcess>();
    const exits: (number | null)[] = [];
    const join = async (): Promise<void> => {
      const child = fork(fileURLToPath(new URL('../support/light_worker.mjs', import.meta.url)));
      workers.add(child);
      child.once('exit', (code) => {
        workers.delete(child);
        exits.push(code);
      });
      const settings = { software: '0.1.0', shardMs: 10, weights: WEIGHTS, prepared: PREPARED };
      child.send({ port: cluster.port, token: TOKEN, name: 'w', ...settings });
      await new Promise((resolve) => child.once('message', resolve));
      staying.add(child);
    };
    const leave = (): void => {
      if (staying.size < 2) return;
      const child = chance.of([...staying]);
      staying.delete(child);
      child.kill('SIGINT');
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
      expect(exits.every((code) => code === 0)).toBe(true);
    } finally {
      for (const child of workers) child.kill('SIGKILL');
    }
  });
});
