/**
 * Owns: a coordinator and workers in this process, joined by real sockets on loopback, with replicas that need no TensorFlow:
 * a shard's gradient is arithmetic on small integers.
 */
import { hostGradient } from '../../src/common/host_gradient.js';
import { ACCURACY_OBJECTIVE } from './accuracy_objective.js';
import { allPlus } from './counting_cluster_run.js';
import { onTestFinished } from 'vitest';
import { createBucketLayout } from '../../src/common/bucket_layout.js';
import type { Job } from '../../src/common/protocol/messages.js';
import type { ModelDescription, NumericsClass, Replica, ShardAssignment, ShardResult } from '../../src/common/replica.js';
import { Cluster, type ClusterOptions } from '../../src/coordinator/cluster/cluster.js';
import { Fleet } from '../../src/coordinator/planes/exact/fleet/fleet.js';
import type { FleetOptions } from '../../src/coordinator/planes/exact/fleet/fleet_options.js';
import { startServer, type ServerRequest, type ServerTls } from '../../src/transport/server.js';
import { initialSha256, layoutSha256 } from '../../src/transport/identity.js';
import { newNonce, secretOf } from '../../src/transport/secrets.js';
import { connectToCoordinator, type ClientTls } from '../../src/transport/client.js';
import { computeGolden, type PreparedJob } from '../../src/worker/host/prepared_job.js';
import { WorkerSession, type WorkerSessionHost } from '../../src/worker/host/session.js';

export const TOKEN = 'A'.repeat(43);
export const SECRET = secretOf(TOKEN);
const HASH = '0'.repeat(64);

export const NUMERICS: NumericsClass = {
  tensorflow: '2.21.0',
  device: 'CPU',
  deviceModel: 'test',
  precision: 'fp32',
  intraOpThreads: 1,
  instructionSet: '',
  oneDnn: 'off',
  oneDnnIsa: '',
  execution: 'compiled',
  arithmetic: 1,
  probe: '0123456789abcdef'.repeat(4),
};

export const JOB: Job = {
  model: { kind: 'builtin', name: 'gluon_cnn' },
  data: 'synthetic',
  dataName: 'synthetic digits',
  trainLimit: null,
  overfit: null,
  threadsPerWorker: null,
  transpose: false,
  batchNorm: 'shard',
  augment: [],
  validationLimit: null,
  ...{
    inputs: null,
    labels: null,
    scale: null,
    imageSize: null,
    imageFit: 'crop',
    imageChannels: 'rgb',
    imageDepth: 8,
    onBadFile: 'stop',
  },
  datasetSha256: HASH,
  loss: 'softmax_cross_entropy',
  metrics: null,
  lossWeights: [],
  seed: 1,
  precision: 'fp32',
  compile: true,
  execution: 'graph',
  shardSizes: [2],
};

export function modelOf(weights: number): ModelDescription {
  const layout = createBucketLayout({
    weights: [
      { name: 'w', shape: [weights] },
      { name: 'moving_variance', shape: [1], statisticMomentum: 0.9 },
    ],
    trained: 1,
  });
  return {
    name: 'test',
    topology: '{}',
    layout,
    objective: ACCURACY_OBJECTIVE,
    initial: Float32Array.from({ length: weights + 1 }, (_, i) => i),
  };
}

/** Computes gradient[i] = parameters[i] + sum of rows; `behave` may delay it, break it or never answer. */
export class IntegerReplica implements Replica {
  constructor(
    readonly name: string,
    private readonly model: ModelDescription,
    private readonly behave: (assignment: ShardAssignment) => Promise<void> = () => Promise.resolve(),
    /** In place of what it computed. */
    private readonly sums: Partial<ShardResult> = {},
  ) {}
  describe = (): Promise<ModelDescription> => Promise.resolve(this.model);
  numerics = (): Promise<NumericsClass> => Promise.resolve(NUMERICS);
  close = (): Promise<void> => Promise.resolve();

  async compute(assignment: ShardAssignment): Promise<ShardResult> {
    await this.behave(assignment);
    const { id, rows, parameters } = assignment;
    const { kind } = id;
    const sum = rows.reduce((a, b) => a + b, 0);
    const common = {
      id,
      version: parameters.version,
      examples: rows.length,
      lossSum: sum / 10,
      sums: [1],
      computeMs: 1,
      ...this.sums,
    };
    if (kind === 'evaluate') return common;
    const values = allPlus(parameters.values.subarray(0, this.model.layout.trainedSize), sum);
    return { ...common, gradient: hostGradient({ kind: 'host', values, release: () => {} }), statistics: Float32Array.of(sum) };
  }
}

export interface TestCluster {
  readonly port: number;
  readonly fleet: Fleet;
  readonly cluster: Cluster;
  readonly lines: string[];
  /** A worker logs in and joins; resolves when its session was admitted. */
  join(options?: Partial<JoinOptions>): Promise<{ session: WorkerSession; admitted: Promise<string> }>;
}

interface JoinOptions {
  /** In place of the coordinator's own: of what stands between. */
  port: number;
  name: string;
  replicas: number;
  token: string;
  tls: ClientTls;
  host: Partial<WorkerSessionHost>;
  prepared: Partial<PreparedJob>;
  behave: (assignment: ShardAssignment) => Promise<void>;
  sums: Partial<ShardResult>;
}

export async function loopbackCluster({
  weights = 5,
  tls = { kind: 'none' },
  fleet: fleetOptions = {},
  cluster: clusterOptions = {},
  workers,
}: {
  weights?: number;
  tls?: ServerTls;
  fleet?: FleetOptions;
  cluster?: Partial<ClusterOptions>;
  workers?: ServerRequest['workers'];
} = {}): Promise<TestCluster> {
  const lines: string[] = [];
  const fleet = new Fleet({
    canJoin: true,
    onNote: ({ message }) => lines.push(message),
    onCondemned: (process, reason) => cluster.condemn(process, reason),
    ...fleetOptions,
  });
  const cluster = new Cluster({
    software: '0.1.0',
    runId: 'run-001',
    coordinatorEpoch: 1,
    job: JOB,
    topology: null,
    fleet,
    numericsCheck: 'strict',
    savedNumerics: null,
    say: (line) => lines.push(line),
    ...clusterOptions,
  });
  const server = await startServer({
    listen: { host: '127.0.0.1', port: 0 },
    secret: SECRET,
    tls,
    workers,
    onWorker: (socket, from, own) => cluster.accept(socket, from, own),
    onRefused: (_, why) => lines.push(`login refused: ${why}`),
  });
  onTestFinished(async () => {
    await cluster.close('done');
    await fleet.close();
    await server.close();
  });
  const model = modelOf(weights);
  const sessions = new Set<WorkerSession>();
  onTestFinished(() => sessions.forEach((session) => session.close('test over')));
  return {
    port: server.port,
    fleet,
    cluster,
    lines,
    async join({
      port = server.port,
      name = 'w',
      replicas: count = 1,
      token = TOKEN,
      tls: clientTls = { kind: 'none' },
      host = {},
      prepared = {},
      behave,
      sums,
    }: Partial<JoinOptions> = {}) {
      const coordinator = { host: '127.0.0.1', port };
      const socket = await connectToCoordinator({ coordinator, secret: secretOf(token), tls: clientTls });
      const deviceNames = Array.from({ length: count }, (_, i) => `cpu(${i})`);
      const replicas = deviceNames.map((device) => new IntegerReplica(device, model, behave, sums));
      const job: PreparedJob = {
        job: JOB,
        replicas,
        model,
        numerics: NUMERICS,
        versions: { tensorflow: '2.21.0', tfjs: '4.22.0' },
        datasetSha256: HASH,
        examples: { train: 1000, validation: 1000 },
        layoutSha256: layoutSha256(model),
        initialSha256: initialSha256(model),
        golden: prepared.golden ?? (await computeGolden([new IntegerReplica('golden', model)], model, JOB.shardSizes)),
        close: () => Promise.resolve(),
        ...prepared,
      };
      let onAdmitted: (worker: string) => void = () => {};
      const admitted = new Promise<string>((resolve) => (onAdmitted = resolve));
      const session = new WorkerSession(socket, {
        software: '0.1.0',
        name,
        process: newNonce(),
        deviceNames,
        prepare: () => Promise.resolve(job),
        onAdmitted,
        ...host,
      });
      sessions.add(session);
      const forget = (): boolean => sessions.delete(session);
      session.ended.then(forget, forget);
      return { session, admitted };
    },
  };
}
