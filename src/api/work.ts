/**
 * Owns: a worker's life: connect, log in, prepare the job, lend its devices, come back when the connection breaks, leave when asked.
 * Does not: speak the protocol (worker/session.ts), compute (worker/replica_thread.ts) or exit (src/cli).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Endpoint } from '../common/endpoint.js';
import type { DeviceChoice } from '../common/device_choice.js';
import { ClusterError, ExpectedError, invariant, isFaultOfTheRun, UsageError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import type { Job } from '../common/protocol/messages.js';
import type { StopRequest } from '../common/stop_request.js';
import { nameEverywhere } from '../data/load.js';
import { loadDatasetAside } from '../data/load_aside.js';
import { placeReplicas, type Placement } from './devices.js';
import { requireAllowedLayers } from '../models/allowed_layers.js';
import { resolveModelSource } from '../models/load.js';
import type { ModelSource } from '../models/model_source.js';
import { packageVersion } from '../system/package_info.js';
import { openReplicas } from './replicas.js';
import { initialSha256, layoutSha256 } from '../transport/identity.js';
import type { LinkTimes } from '../transport/link_life.js';
import { newNonce, secretOf } from '../transport/secrets.js';
import { findToken, type TokenSource } from '../transport/token.js';
import { connectToCoordinator } from '../transport/client.js';
import { readClientTls, type ClientEncryption } from '../transport/client_tls.js';
import { keepInTouch, type WorkEnd } from '../worker/host/keep_in_touch.js';
import { computeGolden, RunFault, type PreparedJob } from '../worker/host/prepared_job.js';
import { WorkerSession } from '../worker/host/session.js';

export interface WorkRequest {
  readonly coordinator: Endpoint;
  readonly token: TokenSource;
  readonly encryption: ClientEncryption;
  /** Shown in the coordinator's lines; null for the machine's name. */
  readonly name: string | null;
  readonly devices: DeviceChoice;
  readonly threadsPerWorker: number | null;
  /** Where this machine has the data; null to download or draw it. */
  readonly dataDir: string | null;
  /** As the coordinator's, where the run is on files. */
  readonly validationFile?: string | null;
  readonly labelFile?: string | null;
  /** MiB of inputs that are kept in memory. */
  readonly dataMemory?: number;
  /** The coordinator's own model file, where it is a module. */
  readonly model: string | null;
  /** The coordinator's data module or file, or `idx` with dataDir, where the run is on such data. */
  readonly data: string | null;
  /** How long it looks for a coordinator that does not answer, before the first session and after one, ms. */
  readonly waitMs: number;
  readonly stop: StopRequest;
  readonly say: (line: string) => void;
  /** Called when the coordinator has taken this worker: from here on it may have shards to finish. */
  readonly onJoined?: () => void;
  /** For tests; the product's own otherwise. */
  readonly times?: LinkTimes;
}

/** Resolves when the run has ended well or was stopped, or the worker was asked to leave. @throws ClusterError and what preparing throws */
export async function work(request: WorkRequest): Promise<WorkEnd> {
  const { say, stop } = request;
  // What no machine may do is said before what this one cannot.
  if (request.devices.kind === 'cpu') requireFewReplicas(request.devices.replicas);
  const placement = placeReplicas(request.devices, request.threadsPerWorker);
  requireFewReplicas(placement.replicas.length);
  if (placement.notice !== '') say(placement.notice);
  const found = await findToken({
    source: request.token,
    create: false,
    environment: globalThis.process.env,
    stdin: globalThis.process.stdin,
  });
  const tls = await readClientTls(request.encryption);
  const jobs = new JobKeeper(request, placement);
  const process = newNonce();
  let epochs: ReadonlyMap<string, number> = new Map();
  const connection = { coordinator: request.coordinator, secret: secretOf(found.token), tls, signal: stop.asked };
  try {
    return await keepInTouch(request, async ({ onLoggedIn, onAdmitted }) => {
      const socket = await connectToCoordinator(connection);
      onLoggedIn();
      const session = new WorkerSession(socket, {
        software: packageVersion(),
        name: request.name ?? hostname(),
        process,
        deviceNames: placement.replicas.map(({ name }) => name),
        epochs,
        prepare: (job, topology) => jobs.prepare(job, topology),
        onAdmitted: (worker) => {
          say(`joined as ${worker}`);
          request.onJoined?.();
          onAdmitted();
        },
        times: request.times,
      });
      const leave = (): void => session.leave();
      const hurry = (): void => session.close('stopped');
      stop.asked.addEventListener('abort', leave);
      stop.hurry.addEventListener('abort', hurry);
      if (stop.asked.aborted) leave();
      try {
        return await session.ended;
      } finally {
        epochs = session.epochs;
        stop.asked.removeEventListener('abort', leave);
        stop.hurry.removeEventListener('abort', hurry);
      }
    });
  } finally {
    await jobs.close();
  }
}

function requireFewReplicas(replicas: number): void {
  if (replicas <= LIMITS.maxReplicasPerWorker) return;
  throw new UsageError({
    code: 'TOO_MANY_REPLICAS',
    message: `${replicas} replicas in one worker, at most ${LIMITS.maxReplicasPerWorker} are possible`,
    next: 'Start several workers on this machine, each with fewer.',
  });
}

/** Memory is taken for a golden shard as it is asked for. @throws ClusterError JOB_REFUSED */
export function requireShardsOf({ shardSizes }: Pick<Job, 'shardSizes'>, examples: number): void {
  const most = Math.max(...shardSizes);
  if (most <= examples) return;
  throw new ClusterError({
    code: 'JOB_REFUSED',
    message: `the coordinator asks for a shard of ${most} examples, and there are ${examples}`,
    next: 'Use the coordinator of the same version, and the same data on both sides.',
  });
}

/** Keeps the replicas of the last job, so that a worker that comes back to the same run loses no time. */
class JobKeeper {
  #key = '';
  #prepared: PreparedJob | null = null;
  #work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly request: WorkRequest,
    private readonly placement: Placement,
  ) {}

  /** One job is prepared at a time, also when a connection breaks meanwhile. */
  prepare(job: Job, topology: string | null): Promise<PreparedJob> {
    const next = this.#work.then(() => this.#prepare(job, topology));
    this.#work = next.catch(() => undefined);
    return next;
  }

  /** What is being prepared when this worker is asked to stop is for nobody any more. */
  async close(): Promise<void> {
    await Promise.race([this.#work, asked(this.request.stop)]);
    await this.#prepared?.close();
    this.#prepared = null;
  }

  async #prepare(job: Job, topology: string | null): Promise<PreparedJob> {
    const key = JSON.stringify([job, topology]);
    if (this.#prepared !== null && this.#key === key) return this.#prepared;
    await this.#prepared?.close();
    this.#prepared = null;
    const { say, stop } = this.request;
    const signal = stop.asked;
    const source = await this.#modelSource(job.model, topology);
    const dataset = await this.#dataset(job);
    requireShardsOf(job, dataset.train.count);
    const failed = (error: unknown): never => {
      // On the run's own data: any other worker would find the same.
      throw isFaultOfTheRun(error) && dataset.sha256 === job.datasetSha256 ? new RunFault(error) : error;
    };
    // Threads are part of the run's numerics class: a machine that was told none takes the run's.
    const { placement } = this;
    const told = placement.threadsBy === 'request' ? null : job.threadsPerWorker;
    const placed = told === null ? placement : { ...placement, intraOpThreads: told, threadsBy: 'request' as const };
    const rows = Math.max(...job.shardSizes);
    const opening = openReplicas({ placement: placed, rows, source, dataset, config: job, say, signal });
    const replicas = await opening.catch(failed);
    try {
      const { model, numerics, versions } = replicas;
      const golden = await computeGolden(replicas.replicas, model, job.shardSizes);
      this.#prepared = {
        job,
        replicas: replicas.replicas,
        model,
        numerics,
        versions,
        datasetSha256: dataset.sha256,
        examples: { train: dataset.train.count, validation: dataset.validation?.count ?? 0 },
        layoutSha256: layoutSha256(model),
        initialSha256: initialSha256(model),
        golden,
        close: () => replicas.close(),
      };
      this.#key = key;
      return this.#prepared;
    } catch (error) {
      await replicas.close();
      return failed(error);
    }
  }

  /** Names and JSON only: a file is opened where this machine's user named it, and nowhere else. */
  async #modelSource(model: Job['model'], topology: string | null): Promise<ModelSource> {
    if (model.kind === 'builtin') return model;
    if (model.kind === 'topology') {
      invariant(topology !== null, 'a topology comes with its message');
      requireAllowedLayers(topology);
      return { kind: 'topology', name: model.name, topology };
    }
    const { model: own } = this.request;
    if (own === null) throw needs('model', `the model ${model.name}, which is a module`, '--model FILE');
    const source = await resolveModelSource(own);
    const sha256 =
      source.kind === 'module'
        ? createHash('sha256')
            .update(await readFile(source.path))
            .digest('hex')
        : '';
    if (sha256 === model.sha256) return source;
    throw new ClusterError({
      code: 'MODEL_DIFFERS',
      message: `${own} is not the coordinator's ${model.name}: sha256 ${sha256.slice(0, 12)}…, wanted ${model.sha256.slice(0, 12)}…`,
      next: "Copy the coordinator's file to this machine.",
    });
  }

  async #dataset(job: Job): ReturnType<typeof loadDatasetAside> {
    const { data: own, dataDir, say, stop } = this.request;
    const named = job.data === null ? null : nameEverywhere(job.data);
    const data = named ?? own;
    if (data === null || (job.data !== null && named === null))
      throw needs(
        'data',
        `the data ${job.dataName}, which this worker cannot fetch`,
        '--data FILE (or --data idx --data-dir FOLDER)',
      );
    const onProgress = (progress: { kind: string; message?: string }): void => {
      if (progress.message !== undefined) say(progress.message);
    };
    const { validationFile = null, labelFile = null, dataMemory } = this.request;
    // Of the job names alone; where files are is said here.
    const config = { ...job, data, dataDir, validationFile, labelFile, ...(dataMemory !== undefined && { dataMemory }) };
    return loadDatasetAside(config, { onProgress, signal: stop.asked }).catch((error: unknown) => {
      throw forWorker(error, job.dataName);
    });
  }
}

/** A worker has no flags for columns: the coordinator chooses them, for its own data. */
export function forWorker(error: unknown, dataName: string): unknown {
  if (!(error instanceof ExpectedError) || !/--(inputs|labels)\b/.test(error.next)) return error;
  const { next } = error;
  return error.reworded((text) =>
    text === next ? `Give this worker the data that the coordinator has (${dataName} there).` : text,
  );
}

function asked({ asked: signal }: StopRequest): Promise<void> {
  return new Promise((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  );
}

function needs(what: string, thing: string, flag: string): ClusterError {
  return new ClusterError({
    code: `${what.toUpperCase()}_NEEDED`,
    message: `the run uses ${thing}; a worker takes no code or path from a coordinator`,
    next: `Start this worker with ${flag}, the same as the coordinator's.`,
  });
}
