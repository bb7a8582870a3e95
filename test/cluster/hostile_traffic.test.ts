import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { collectGarbage } from '../support/collect_garbage.js';
import { CountingClusterRun } from '../support/counting_cluster_run.js';
import { loopbackCluster, modelOf, TOKEN } from '../support/loopback_cluster.js';

const isBuilt = existsSync('dist/worker/client.js');
if (!isBuilt) console.warn('hostile_traffic.test.ts skipped: dist/ is not built (npm run build)');

const FRAMES = 100_000;
/** On Node 24 the young objects of V8 get all of their room (64 MiB more) only after some 40,000 frames. */
const WARM_UP_FRAMES = 60_000;
const WEIGHTS = 10_000;

/** S1, S3. The coordinator and its two workers are in this process, the attacker in another. */
it.skipIf(!isBuilt)(`a run goes on beside ${FRAMES} fuzzed frames and ends as without them`, { timeout: 600_000 }, async () => {
  const cluster = await loopbackCluster({ weights: WEIGHTS });
  for (const name of ['a', 'b']) await (await cluster.join({ name })).admitted;
  const run = new CountingClusterRun(cluster.fleet, modelOf(WEIGHTS).initial, 4);
  const pace = (): Promise<void> => new Promise((done) => setTimeout(done, 5));
  for (let i = 0; i < 50; i++) await run.step().then(pace);

  const attacker = fork(fileURLToPath(new URL('../support/attack_process.mjs', import.meta.url)));
  onTestFinished(() => void attacker.kill());
  /** Steps until the attacker says that it is done. */
  const stepBeside = async (frames: number): Promise<{ told: string; highest: number }> => {
    let told: string | null = null;
    attacker.once('message', (text) => (told = String(text)));
    attacker.once('exit', () => (told ??= 'the attacker died'));
    attacker.send({ port: cluster.port, token: TOKEN, frames, seed: frames, root: resolve('.') });
    let highest = 0;
    while (told === null) {
      await run.step().then(pace);
      // What V8 has not collected yet is no answer to what an attacker can make us keep.
      if (run.steps % 100 === 0) collectGarbage();
      highest = Math.max(highest, process.memoryUsage.rss());
    }
    return { told, highest };
  };
  // What the first frames make the heap grow to, the others must not multiply.
  const { highest: before } = await stepBeside(WARM_UP_FRAMES);
  const loop = monitorEventLoopDelay({ resolution: 5 });
  loop.enable();
  const { told, highest } = await stepBeside(FRAMES);
  loop.disable();
  const [mib, p99, max] = [(highest - before) / 2 ** 20, loop.percentile(99) / 1e6, loop.max / 1e6];
  const figures = `${run.steps} steps, +${mib.toFixed(0)} MiB, event loop p99 ${p99.toFixed(0)} ms, max ${max.toFixed(0)} ms`;
  console.log(`${told}; ${figures}`);

  expect(Number(/(\d+) fuzzed frames/.exec(told)?.[1])).toBeGreaterThanOrEqual(FRAMES);
  expect(Number(/(\d+) wrong logins refused/.exec(told)?.[1])).toBeGreaterThan(100);
  expect(Buffer.compare(Buffer.from(run.parameters.buffer), Buffer.from(run.undisturbed().buffer))).toBe(0);
  expect(cluster.fleet.replicas).toEqual(['a:cpu(0)', 'b:cpu(0)']);
  expect(mib).toBeLessThan(64);
  // Of all turns, because another process may take this one's core for longer than any turn of its own.
  expect(p99).toBeLessThan(50);
  expect(cluster.lines.join('\n')).not.toContain(TOKEN);
  const { admitted } = await cluster.join({ name: 'late' });
  expect(await admitted).toBe('late');
});
