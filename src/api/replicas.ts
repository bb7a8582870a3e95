/**
 * Owns: opening the replicas of a run on this machine, all or none.
 * Does not: choose devices (devices.ts) or compute (src/worker).
 */
import type { Dataset } from '../common/dataset.js';
import type { ModelDescription, NumericsClass } from '../common/replica.js';
import type { ModelWork } from '../common/thread_count.js';
import type { TrainConfig } from '../common/train_config.js';
import type { Placement } from './devices.js';
import { ensureTensorFlow } from '../engine/tensorflow/tensorflow_library.js';
import { requireTfjs } from '../engine/backend/peer.js';
import { temporaryFolderProblem } from '../engine/tensorflow/quiet_load.js';
import type { ModelSource } from '../models/model_source.js';
import { LocalReplica } from '../worker/replica/local_replica.js';
import type { ReplicaSpec } from '../worker/replica/replica_spec.js';

export interface OpenedReplicas {
  readonly replicas: readonly LocalReplica[];
  readonly model: ModelDescription;
  readonly numerics: NumericsClass;
  readonly work: ModelWork;
  readonly versions: { readonly tensorflow: string; readonly tfjs: string };
  /** Of all of them (worker/replica/host_bits.ts). */
  readonly givesHostBits: boolean;
  /** What this process chose for speed, the user not having said. */
  readonly memoryKept: boolean;
  close(): Promise<void>;
}

export interface ReplicaRequest {
  readonly placement: Placement;
  /** Of the largest shard, by which threads are chosen where none were asked for. */
  readonly rows: number;
  readonly source: ModelSource;
  /** Null for replicas that predict and do nothing else. */
  readonly dataset: Dataset | null;
  readonly config: Pick<
    TrainConfig,
    'precision' | 'compile' | 'execution' | 'seed' | 'loss' | 'metrics' | 'lossWeights' | 'batchNorm' | 'augment'
  >;
  readonly say: (line: string, share?: number) => void;
  /** Nobody waits for them any more: their threads end, whatever they do. */
  readonly signal?: AbortSignal;
}

/** Fetches TensorFlow if it must, starts one thread per placed replica and builds the model in each. */
export async function openReplicas({
  placement,
  rows,
  source,
  dataset,
  config,
  say,
  signal,
}: ReplicaRequest): Promise<OpenedReplicas> {
  requireTfjs();
  const problem = temporaryFolderProblem();
  if (problem !== '') say(`warning: ${problem}: set TMPDIR to a folder that can be written; going on without one`);
  const { folder } = await ensureTensorFlow({ onProgress: say });
  signal?.throwIfAborted();
  const replicas = placement.replicas.map(
    ({ name, device }) =>
      new LocalReplica({
        name,
        device,
        isApart: device.startsWith('GPU'),
        tensorflowFolder: folder,
        logicalCpuDevices: placement.logicalCpuDevices,
        ...threadsOf(placement, { rows, dataset, device }),
        precision: config.precision,
        compile: config.compile,
        execution: config.execution,
        seed: config.seed,
        objective: { loss: config.loss, metrics: config.metrics, lossWeights: config.lossWeights },
        batchNorm: config.batchNorm === 'fixed' ? 'fixed' : 'shard',
        augment: config.augment,
        model: source,
        dataset,
      }),
  );
  const close = async (): Promise<void> => {
    await Promise.allSettled(replicas.map((replica) => replica.close()));
  };
  const abandon = (): void => {
    for (const replica of replicas) void replica.abandon();
  };
  signal?.addEventListener('abort', abandon, { once: true });
  try {
    const opened = await Promise.all(replicas.map((replica) => replica.open()));
    const [first] = opened;
    if (first.precisionNote !== '') say(`warning: ${first.precisionNote}`);
    const { description: model, numerics, work, versions, memoryKept } = first;
    const givesHostBits = opened.every((each) => each.givesHostBits);
    return { replicas, model, numerics, work, versions, givesHostBits, memoryKept, close };
  } catch (error) {
    await close();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abandon);
  }
}

/** Numbers of a shard's inputs up to which a model of columns is taken for a small one until it has been built. */
const SMALL_INPUTS = 2 ** 16;

/** A thread that began with as many as the model wants need not begin again; for a large model that takes longer, as it is built twice. */
function threadsOf(
  { intraOpThreads: most, threadsBy }: Placement,
  { rows, dataset, device }: Pick<ReplicaRequest, 'rows' | 'dataset'> & { readonly device: string },
): Pick<ReplicaSpec, 'intraOpThreads' | 'threadsWanted'> {
  if (threadsBy !== 'cores' || most === 1 || !device.startsWith('CPU')) return { intraOpThreads: most, threadsWanted: null };
  const inputs = dataset?.fields.inputs ?? [];
  const columns = inputs.reduce((sum, { shape }) => sum + (shape[0] ?? 1), 0);
  // Sequences, images and tokens are not columns.
  const isTable = inputs.length > 0 && inputs.every(({ shape, type }) => shape.length <= 1 && type !== 'int32');
  return { intraOpThreads: isTable && rows * columns <= SMALL_INPUTS ? 1 : most, threadsWanted: { rows, most } };
}
