import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { loopbackCluster, modelOf } from '../support/loopback_cluster.js';

const WEIGHTS = 20_000;
const STEPS = 1500;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** R11, short: `npm run chaos` and long runs are the release figure. Workers join and leave all the while. */
it(`memory and handles do not grow over ${4 * STEPS} steps with joins and leaves`, async () => {
  const cluster = await loopbackCluster({ weights: WEIGHTS });
  const stay = await cluster.join({ name: 'stays' });
  await stay.admitted;
  const run = new CountingClusterRun(cluster.fleet, modelOf(WEIGHTS).initial, 4);

  async function stretch(): Promise<{ bytes: number; handles: number }> {
    for (let i = 0; i < STEPS; i++) {
      await run.step();
      if (i % 100 !== 50) continue;
      const guest = await cluster.join({ name: 'guest' });
      await guest.admitted;
      await run.step();
      if (i % 200 === 50) guest.session.leave();
      else guest.session.close('gone');
      await guest.session.ended;
    }
    await expect.poll(() => cluster.fleet.replicas).toEqual(['stays:cpu(0)']);
    // Let go of what the last sockets held.
    await new Promise((resolve) => setTimeout(resolve, 200));
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return {
      bytes: heapUsed + external,
      handles: process.getActiveResourcesInfo().filter((type) => type.includes('TCP')).length,
    };
  }

  await stretch();
  const before = await stretch();
  await stretch();
  const after = await stretch();
  expect(after.handles).toBe(before.handles);
  expect(after.bytes - before.bytes).toBeLessThan(2 ** 20);
  expect(Buffer.compare(Buffer.from(run.parameters.buffer), Buffer.from(run.undisturbed().buffer))).toBe(0);
});
