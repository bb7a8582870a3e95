/**
 * Owns: one measurement of the product's exchange: server, sessions, fleet and update in this process, N worker processes on loopback.
 * Does not: choose what is measured (../bench_exchange.mjs), or sum it up (report.mjs).
 *
 * A step is parameters out → gradients back → reduce → SGD → publish, as run.ts does it, with nothing computed in between.
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { markAtOnce } from '../../dist/cli/collector.js';
import { shardBatch } from '../../dist/coordinator/planes/exact/batches.js';
import { Cluster } from '../../dist/coordinator/cluster/cluster.js';
import { Fleet } from '../../dist/coordinator/planes/exact/fleet/fleet.js';
import { startServer } from '../../dist/transport/server.js';
import { Parameters } from '../../dist/coordinator/planes/exact/parameters.js';
import { createUpdate } from '../../dist/coordinator/planes/exact/update/update.js';
import { secretOf } from '../../dist/transport/secrets.js';
import { GLOBAL_BATCH, jobOf, modelOf, OPTIMIZER, SOFTWARE, weightAfter } from './fixture.mjs';

/** @returns per timed step, ms: `step`, and in it `round` (out and back) and `update`; `longestTurn`; shards `repeated` for speed. */
export async function measureExchange({ workers, elements, steps, warmup }) {
  markAtOnce();
  const token = randomBytes(32).toString('base64url');
  const say = (line) => console.error(`  ${line}`);
  const fleet = new Fleet({ canJoin: true, minWorkers: workers });
  const job = jobOf(workers);
  const cluster = new Cluster({
    ...{ software: SOFTWARE, runId: 'run-001', coordinatorEpoch: 1, job, topology: null, fleet, numericsCheck: 'strict' },
    ...{ savedNumerics: null, say },
  });
  const server = await startServer({
    listen: { host: '127.0.0.1', port: 0 },
    secret: secretOf(token),
    tls: { kind: 'none' },
    onWorker: (socket, from) => cluster.accept(socket, from),
    onRefused: (_, why) => say(`login refused: ${why}`),
  });
  const children = Array.from({ length: workers }, () => fork(fileURLToPath(new URL('worker.mjs', import.meta.url))));
  const gone = (code) => fleet.abandonRound(new Error(`a worker process ended with ${code}`));
  for (const child of children) child.once('exit', gone);
  try {
    children.forEach((child, index) => child.send({ port: server.port, token, name: `w${index}`, elements }));
    return await stepping({ fleet, workers, elements, steps, warmup });
  } finally {
    for (const child of children) child.off('exit', gone);
    await cluster.close('done');
    await server.close();
    for (const child of children) child.kill();
  }
}

async function stepping({ fleet, workers, elements, steps, warmup }) {
  const model = modelOf(elements);
  const update = createUpdate({ layout: model.layout, optimizer: OPTIMIZER });
  const state = new Parameters(model, update.slots);
  const rows = Int32Array.from({ length: GLOBAL_BATCH }, (_, row) => row);
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const times = { step: [], round: [], update: [] };
  for (let step = 0; step < warmup + steps; step++) {
    if (step === warmup) {
      loop.enable();
      loop.reset();
    }
    const begun = performance.now();
    const units = shardBatch({ kind: 'train', rows, shards: workers, step, parameters: state.snapshot() });
    const sum = update.sumOver(units.map(({ shard }) => shard));
    const results = await fleet.computeRound(units, (result) => sum.take(result));
    const back = performance.now();
    const { current, next } = state;
    const { learningRate } = OPTIMIZER;
    const { nonFinite } = await update({
      gradient: await sum.total(),
      results,
      shards: workers,
      globalBatch: GLOBAL_BATCH,
      learningRate,
      step,
      current,
      next,
    });
    sum.release();
    if (nonFinite !== undefined) throw new Error(`NaN or Inf in ${nonFinite}`);
    state.commit();
    const done = performance.now();
    if (step < warmup) continue;
    times.step.push(done - begun);
    times.round.push(back - begun);
    times.update.push(done - back);
  }
  // The delay of the last turn is only seen by a timer after it.
  await new Promise((resolve) => setTimeout(resolve, 5));
  loop.disable();
  const wanted = weightAfter({ steps: warmup + steps, workers });
  const { parameters } = state.current;
  if (!parameters.every((weight) => weight === wanted)) throw new Error(`weights of ${parameters[0]}, wanted ${wanted}`);
  return { ...times, longestTurn: loop.max / 1e6, repeated: fleet.incidents.speculative };
}
