/**
 * A thread that is a worker without TensorFlow, one after the other, for tests that need many: the product's own client and session (from build/), and
 * the arithmetic of IntegerReplica (loopback_cluster.ts). Told where the coordinator is it joins and says `joined`; told `leave` it leaves after its
 * shard, as `tfjs-parallel worker` does at SIGINT, says how that ended, and can be told of another coordinator. What fails ends the thread with its error.
 */
import { randomUUID } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { initialSha256, layoutSha256 } from '../../build/transport/identity.js';
import { createBucketLayout } from '../../build/common/bucket_layout.js';
import { secretOf } from '../../build/transport/secrets.js';
import { connectToCoordinator } from '../../build/transport/client.js';
import { WorkerSession } from '../../build/worker/host/session.js';

let leave = () => {};
parentPort.on('message', (told) => {
  if (told === 'leave') leave();
  else void beWorker(told);
});

async function beWorker({ port, token, name, weights, prepared, software, shardMs }) {
  const shapes = [
    { name: 'w', shape: [weights] },
    { name: 'moving', shape: [1], statisticMomentum: 0.9 },
  ];
  const layout = createBucketLayout({ weights: shapes, trained: 1 });
  const initial = Float32Array.from({ length: weights + 1 }, (_, i) => i);
  // ACCURACY_OBJECTIVE.
  const objective = {
    loss: { name: 'softmax_cross_entropy', sum: { kind: 'real', least: 0, most: null } },
    metrics: [{ name: 'acc', sums: [{ kind: 'count', least: 0, most: 1 }], value: 'mean', per: 1, direction: 'max' }],
    wholeBatch: [],
    notes: [],
  };
  const compute = async ({ kind, step, shard, attempt, rows, parameters }) => {
    await new Promise((resolve) => setTimeout(resolve, shardMs * Math.random()));
    const sum = rows.reduce((a, b) => a + b, 0);
    const values = parameters.values.slice(0, weights).map((value) => value + sum);
    const asked = { kind, step, shard, attempt, version: parameters.version, examples: rows.length };
    const gradient = { kind: 'host', values, release: () => {} };
    return { ...asked, lossSum: sum / 10, sums: [1], computeMs: 1, gradient, statistics: Float32Array.of(sum) };
  };
  const job = {
    ...prepared,
    replicas: [{ name, compute }],
    layoutSha256: layoutSha256({ layout, objective }),
    initialSha256: initialSha256({ initial }),
    close: () => Promise.resolve(),
  };
  const model = { name: 'test', topology: '{}', layout, objective, initial };
  const coordinator = { host: '127.0.0.1', port };
  // A machine that is busy with other tests is slow to answer, and not gone.
  const login = { coordinator, secret: secretOf(token), tls: { kind: 'none' }, timeoutMs: 600_000 };
  const socket = await connectToCoordinator(login);
  const session = new WorkerSession(socket, {
    software,
    name,
    process: randomUUID(),
    deviceNames: ['cpu(0)'],
    times: { heartbeatMs: 2_000, heartbeatTimeoutMs: 600_000, sendTimeoutMs: 600_000, questionMs: 600_000 },
    prepare: () => Promise.resolve({ ...job, model }),
    onAdmitted: () => parentPort.postMessage('joined'),
  });
  leave = () => session.leave();
  parentPort.postMessage({ ended: await session.ended });
}
