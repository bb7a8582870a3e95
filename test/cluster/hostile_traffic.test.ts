import { fork } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { collectGarbage } from '../support/collect_garbage.js';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { loopbackCluster, modelOf, TOKEN } from '../support/loopback_cluster.js';
import { watchTurns } from '../support/turn_meter.js';

const FRAMES = 100_000;
/** On Node 24 the young objects of V8 get all of their room (64 MiB more) only after some 40,000 frames. */
const WARM_UP_FRAMES = 60_000;
const WEIGHTS = 10_000;
const DEAD = 'the attacker died';

/** S1, S3. The coordinator and its two workers are in this process, the attacker in another. */
it(`a run goes on beside ${FRAMES} fuzzed frames and ends as without them`, async () => {
  const cluster = await loopbackCluster({ weights: WEIGHTS });
  for (const name of ['a', 'b']) await (await cluster.join({ name })).admitted;
  const run = new CountingClusterRun(cluster.fleet, modelOf(WEIGHTS).initial, 4);
  // Forty steps a second are beside every session; more would be the run's own work, which is not what is measured.
  const pace = (): Promise<void> => new Promise((done) => setTimeout(done, 20));
  for (let i = 0; i < 50; i++) await run.step().then(pace);

  const attacker = fork(fileURLToPath(new URL('../support/attack_process.mjs', import.meta.url)));
  onTestFinished(() => void attacker.kill());
  /** Steps until the attacker says that it is done. */
  const stepBeside = async (frames: number): Promise<{ told: string; highest: number }> => {
    let told: string | null = null;
    attacker.once('message', (text) => (told = String(text)));
    attacker.once('exit', () => (told ??= DEAD));
    attacker.send({ port: cluster.port, token: TOKEN, frames, seed: frames, build: resolve('build') });
    let highest = 0;
    while (told === null) {
      await run.step().then(pace);
      // What V8 has not collected yet is no answer to what an attacker can make us keep.
      if (run.steps % 25 === 0) collectGarbage();
      highest = Math.max(highest, process.memoryUsage.rss());
    }
    if (told === DEAD) throw new Error(DEAD);
    return { told, highest };
  };
  // What the first frames make the heap grow to, the others must not multiply.
  const { highest: before } = await stepBeside(WARM_UP_FRAMES);
  const turns = watchTurns();
  const { told, highest } = await stepBeside(FRAMES);
  const { p99, max } = turns();
  const mib = (highest - before) / 2 ** 20;
  const figures = `${run.steps} steps, +${mib.toFixed(0)} MiB, turns p99 ${p99.toFixed(1)} ms, max ${max.toFixed(0)} ms`;
  console.log(`${told}; ${figures}`);

  expect(Number(/(\d+) fuzzed frames/.exec(told)?.[1])).toBeGreaterThanOrEqual(FRAMES);
  expect(Number(/(\d+) wrong logins refused/.exec(told)?.[1])).toBeGreaterThan(100);
  expect(Buffer.compare(Buffer.from(run.parameters.buffer), Buffer.from(run.undisturbed().buffer))).toBe(0);
  expect(cluster.fleet.replicas).toEqual(['a:cpu(0)', 'b:cpu(0)']);
  expect(mib).toBeLessThan(64);
  // With a core of its own, everybody else has their turn again within this.
  expect(p99).toBeLessThan(50);
  expect(cluster.lines.join('\n')).not.toContain(TOKEN);
  const { admitted } = await cluster.join({ name: 'late' });
  expect(await admitted).toBe('late');
});
