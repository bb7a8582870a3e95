/**
 * Owns: which devices the replicas of a run go on: the user's choice met with what the machine has.
 * Does not: open a device. A GPU that was asked for and is missing is an error, never a silent fallback.
 */
import { chooseDevices, type DeviceChoice } from '../common/device_choice.js';
import { EnvironmentError, UsageError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import { threadsFor, type ModelWork } from '../common/thread_count.js';
import type { TrainConfig } from '../common/train_config.js';
import { availableCores } from '../system/cores.js';
import { findGpus, type GpuSearch } from '../engine/tensorflow/gpus.js';

interface PlacedReplica {
  /** Shown to people, the report's form: `cpu(0)`, `gpu(1)`. */
  readonly name: string;
  /** TensorFlow's name. */
  readonly device: string;
}

export interface Placement {
  readonly replicas: readonly PlacedReplica[];
  /** Of a replica. */
  readonly intraOpThreads: number;
  /** Whether somebody asked for as many; or they are those that the model keeps busy (common/thread_count.ts); or the cores, of which a replica takes fewer for a smaller model. */
  readonly threadsBy: 'request' | 'model' | 'cores';
  /** As many as there may be. */
  readonly mostThreads: number;
  /** CPU devices that TensorFlow must show; more than 1 only where the caller named logical ones. */
  readonly logicalCpuDevices: number;
  /** One line for the user where the machine decided; empty otherwise. */
  readonly notice: string;
}

/** On each of the devices that are named, or where settings say. Errors: those of `placeOnNamedDevices`, `chooseDevices` and `placeReplicas`. */
export function placeRun(
  devices: readonly string[] | undefined,
  config: Pick<TrainConfig, 'gpus' | 'workers' | 'threadsPerWorker'>,
): Placement {
  if (devices !== undefined) return placeOnNamedDevices(devices, config.threadsPerWorker);
  return placeReplicas(chooseDevices(config), config.threadsPerWorker);
}

/** @throws EnvironmentError GPU_NOT_FOUND, GPU_INDEX, TOO_MANY_CPU_REPLICAS */
export function placeReplicas(
  choice: DeviceChoice,
  threadsPerWorker: number | null,
  search: () => GpuSearch = findGpus,
): Placement {
  const { replicas, notice } = place(choice, search);
  const cores = availableCores();
  requireRoom(replicas, cores);
  return { replicas, ...threadsOn(cores, replicas, threadsPerWorker), logicalCpuDevices: 1, notice };
}

/**
 * Places one replica on each device named as TensorFlow names them: `GPU:0`, `CPU:1`. Several CPU devices are TensorFlow's logical ones.
 * @throws UsageError DEVICE_INVALID; EnvironmentError TOO_MANY_CPU_REPLICAS
 */
export function placeOnNamedDevices(devices: readonly string[], threadsPerWorker: number | null): Placement {
  if (devices.length === 0) {
    throw new UsageError({
      code: 'DEVICE_INVALID',
      message: 'the list of devices is empty, and a run needs at least one',
      next: "name devices (devices: ['GPU:0']), or leave devices out",
    });
  }
  const parsed = devices.map((device) => {
    const match = /^\/?(CPU|GPU):(\d+)$/i.exec(device);
    if (!match) {
      throw new UsageError({
        code: 'DEVICE_INVALID',
        message: `no device can be named "${device}"`,
        next: "use TensorFlow's names: devices: ['GPU:0', 'GPU:1'] or ['CPU:0']",
      });
    }
    return { kind: match[1].toUpperCase(), index: Number(match[2]) };
  });
  const seen = new Map<string, number>();
  const replicas = parsed.map(({ kind, index }) => {
    const base = `${kind.toLowerCase()}(${index})`;
    const times = seen.get(base) ?? 0;
    seen.set(base, times + 1);
    return { name: times === 0 ? base : `${base}#${times + 1}`, device: `${kind}:${index}` };
  });
  const cores = availableCores();
  requireRoom(replicas, cores);
  const cpus = parsed.filter(({ kind }) => kind === 'CPU').map(({ index }) => index + 1);
  return {
    replicas,
    ...threadsOn(cores, replicas, threadsPerWorker),
    logicalCpuDevices: Math.max(1, ...cpus),
    notice: '',
  };
}

/** Of each of so many replicas, at least one. */
export function coresEach(cores: number, replicas: number): number {
  return Math.max(1, Math.floor(cores / replicas));
}

function threadsOn(
  cores: number,
  replicas: readonly PlacedReplica[],
  asked: number | null,
): Pick<Placement, 'intraOpThreads' | 'mostThreads' | 'threadsBy'> {
  const threads = asked ?? coresEach(cores, replicas.length);
  return { intraOpThreads: threads, mostThreads: threads, threadsBy: asked === null ? 'cores' : 'request' };
}

function place(choice: DeviceChoice, search: () => GpuSearch): { replicas: PlacedReplica[]; notice: string } {
  if (choice.kind === 'cpu') return { replicas: onCpu(choice.replicas), notice: '' };
  const { gpus, reason } = search();
  if (choice.kind === 'auto') {
    if (gpus.length === 0) return { replicas: onCpu(1), notice: `no GPU (${reason}): training on the CPU` };
    return { replicas: onGpus(gpus.map(({ index }) => index)), notice: '' };
  }
  if (gpus.length === 0) {
    throw new EnvironmentError({
      code: 'GPU_NOT_FOUND',
      message: `a GPU was asked for and none was found: ${reason}`,
      next: 'check the driver with nvidia-smi, or train on the CPU with --gpus none --workers 2',
    });
  }
  if (choice.kind === 'all_gpus') return { replicas: onGpus(gpus.map(({ index }) => index)), notice: '' };
  const missing = choice.indices.filter((index) => index >= gpus.length);
  if (missing.length > 0) {
    throw new EnvironmentError({
      code: 'GPU_INDEX',
      message: `there is no GPU ${missing.join(' or ')}; this machine has ${gpus.map(({ index, model }) => `${index} (${model})`).join(', ')}`,
      next: 'name GPUs that exist with --gpus (indices count within CUDA_VISIBLE_DEVICES), or use --gpus all',
    });
  }
  return { replicas: onGpus(choice.indices), notice: '' };
}

/** Of a model that the caller holds: with as many threads as it keeps busy, so that nobody has to find out. */
export function placedFor(placement: Placement, work: ModelWork, rows: number): Placement {
  const { mostThreads: most, threadsBy, replicas } = placement;
  if (threadsBy === 'request' || !replicas.every(({ device }) => device.startsWith('CPU'))) return placement;
  return { ...placement, intraOpThreads: threadsFor(work, { rows, most }), threadsBy: 'model' };
}

/** As many replicas as a processor of so many cores is not choked by. */
export function mostCpuReplicas(cores = availableCores()): number {
  return Math.max(LIMITS.cpuReplicasAnywhere, LIMITS.cpuReplicasPerCore * cores);
}

/** @throws EnvironmentError TOO_MANY_CPU_REPLICAS: each has a thread, a session of TensorFlow and a copy of the model; the machine would stand still. */
function requireRoom(replicas: readonly PlacedReplica[], cores: number): void {
  const count = replicas.filter(({ device }) => device.startsWith('CPU')).length;
  if (count <= mostCpuReplicas(cores)) return;
  const shown = cores === 1 ? '1 core' : `${cores} cores`;
  throw new EnvironmentError({
    code: 'TOO_MANY_CPU_REPLICAS',
    message: `${count} replicas on the CPU were asked for, and this process may use ${shown}: at most ${mostCpuReplicas(cores)} are opened`,
    next: `Give --workers ${cores}; where the result is to be that of ${count} shards, --shards ${count} beside it gives the same bits with any number of workers.`,
  });
}

/** Replicas on the CPU share the one CPU device; each has its own thread and context. */
function onCpu(count: number): PlacedReplica[] {
  return Array.from({ length: count }, (_, index) => ({ name: `cpu(${index})`, device: 'CPU:0' }));
}

function onGpus(indices: readonly number[]): PlacedReplica[] {
  return indices.map((index) => ({ name: `gpu(${index})`, device: `GPU:${index}` }));
}
