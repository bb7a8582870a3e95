import { expect, it } from 'vitest';
import { collectGarbage } from '../support/collect_garbage.js';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { loopbackCluster, modelOf } from '../support/loopback_cluster.js';

const WEIGHTS = 20_000;
const STEPS = 1500;
const WARM_UP_STRETCHES = 2;
const STRETCHES = 6;

/** Bytes of objects and buffers in use. Node's `external` has the pools of its native libraries too, which come and go by megabytes. */
async function kept(): Promise<number> {
  let least = Infinity;
  // A buffer goes some time after the object that held it, and sockets let go of theirs a turn later.
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    least = Math.min(least, heapUsed + arrayBuffers);
  }
  return least;
}

/** R11, short: `npm run chaos` and long runs are the release figure. Workers join and leave all the while. */
it(`memory and handles do not grow over ${STRETCHES * STEPS} steps with joins and leaves`, async () => {
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
    return { bytes: await kept(), handles: process.getActiveResourcesInfo().filter((type) => type.includes('TCP')).length };
  }

  for (let i = 0; i < WARM_UP_STRETCHES; i++) await stretch();
  const seen: { bytes: number; handles: number }[] = [];
  for (let i = 0; i < STRETCHES; i++) seen.push(await stretch());
  expect(new Set(seen.map(({ handles }) => handles)).size).toBe(1);
  // What is lost stays lost: the least of the later stretches shows it, and what one stretch happened to hold does not.
  const least = (some: typeof seen): number => Math.min(...some.map(({ bytes }) => bytes));
  expect(least(seen.slice(STRETCHES / 2)) - least(seen.slice(0, STRETCHES / 2))).toBeLessThan(2 ** 19);
  expect(Buffer.compare(Buffer.from(run.parameters.buffer), Buffer.from(run.undisturbed().buffer))).toBe(0);
});
