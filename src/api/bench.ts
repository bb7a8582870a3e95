/**
 * Owns: measuring this machine's training step through the real run loop: rate, phases, exchange, time to the first step, memory.
 * Does not: print (cli/bench.ts), or compare with others (scripts/bench_peers).
 */
import { performance } from 'node:perf_hooks';
import type { DeviceChoice } from '../common/device_choice.js';
import type { StepEvent } from '../common/run_events.js';
import { isFasterByXla } from '../common/faster_by_xla.js';
import { LIMITS } from '../common/limits.js';
import type { ModelDescription, NumericsClass } from '../common/replica.js';
import { largestShard } from '../common/shard.js';
import { threadsFor } from '../common/thread_count.js';
import { DEFAULT_TRAIN_CONFIG, type TrainConfig } from '../common/train_config.js';
import { Fleet } from '../coordinator/planes/exact/fleet/fleet.js';
import { runTraining } from '../coordinator/run.js';
import { KEEPS_NOTHING } from '../coordinator/storage/run_store.js';
import { ExactPlane } from '../coordinator/planes/exact/exact_plane.js';
import { residentReplicas } from '../coordinator/planes/exact/resident_weights.js';
import { mostInOneCall, stretchedBytes } from '../coordinator/planes/exact/stretch_length.js';
import { RunProgress } from '../coordinator/progress.js';
import { datasetFromArrays } from '../data/arrays.js';
import { optimizerProgram } from '../optimizers/optimizer_program.js';
import { changeFor, type Where } from '../report/why.js';
import { availableCores } from '../system/cores.js';
import { BenchClock, quantile } from './bench_clock.js';
import { coresEach, placeReplicas } from './devices.js';
import { resolveModelSource } from '../models/load.js';
import { packageVersion } from '../system/package_info.js';
import { openReplicas } from './replicas.js';

export interface BenchRequest {
  readonly model: string;
  /** Shape of one example; pixels are drawn, labels count up. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  readonly batch: number;
  readonly steps: number;
  /** Steps before the clock counts: recording, first allocations. */
  readonly warmupSteps: number;
  readonly choice: DeviceChoice;
  readonly threadsPerWorker: number | null;
  readonly shards: number | null;
  readonly precision: 'fp32' | 'bf16';
  readonly compile: boolean;
  readonly execution: TrainConfig['execution'];
  readonly loss?: string | null;
  readonly optimizer?: Partial<TrainConfig['optimizer']>;
  readonly say: (line: string) => void;
}

export interface BenchReport {
  readonly versions: { tfjsParallel: string; tensorflow: string; tfjs: string; node: string };
  readonly model: string;
  readonly trainedParameters: number;
  readonly replicas: number;
  readonly shards: number;
  readonly threadsPerWorker: number;
  readonly precision: 'fp32' | 'bf16';
  readonly execution: NumericsClass['execution'];
  readonly batch: number;
  readonly steps: number;
  /** So many of them a replica takes in one call of TensorFlow. */
  readonly stepsInOneCall: number;
  /** From the median step. */
  readonly imagesPerS: number;
  readonly stepMs: { p50: number; p95: number };
  /** Processor time of a step, all threads together: what other programs take of the machine is not in it. */
  readonly cpuMs: { min: number; p50: number };
  /** Medians. `exchange` = reduce + apply + publish: everything between the last shard's answer and the next step. */
  readonly phasesMs: { data: number; compute: number; wait: number; exchange: number };
  readonly exchangeMs: { p50: number; p95: number };
  /** From the start of the process to the end of its first step. */
  readonly firstStepS: number;
  /** Largest resident size of the process. */
  readonly peakMemoryMb: number;
  readonly memory: BenchMemory;
  /** Where the time goes, and the one setting that would change it. */
  readonly change: string;
}

/** Of one replica, beside activations. */
export interface BenchMemory {
  /** Weights and optimizer slots, and how many versions of them there are at most. */
  readonly valuesMb: number;
  readonly versions: number;
  /** Of one gradient, and how many there are at most: one that comes, and one for each level of the tree of shards; of several steps in one call all shards' and a sum. */
  readonly gradientMb: number;
  readonly gradients: number;
  /** Of all tensors on the device between two steps, the most of any replica. */
  readonly heldMb: number;
}

export async function bench(request: BenchRequest): Promise<BenchReport> {
  const placement = placeReplicas(request.choice, request.threadsPerWorker);
  const source = await resolveModelSource(request.model);
  const shards = request.shards ?? placement.replicas.length;
  const dataset = { ...(await datasetFromArrays(drawnData(request))), drawn: true as const };
  const config: TrainConfig = {
    ...DEFAULT_TRAIN_CONFIG,
    optimizer: { ...DEFAULT_TRAIN_CONFIG.optimizer, ...request.optimizer },
    loss: request.loss ?? null,
    batch: request.batch,
    epochs: Number.MAX_SAFE_INTEGER,
    precision: request.precision,
    compile: request.compile,
    execution: request.execution,
  };
  const rows = largestShard({ batch: request.batch, shards, examples: dataset.train.count });
  const replicas = await openReplicas({ placement, rows, source, dataset, config, say: request.say });
  try {
    const { model } = replicas;
    const fleet = new Fleet();
    const nowMs = (): number => performance.now();
    for (const replica of replicas.replicas) fleet.add(replica);
    const resident = residentReplicas(replicas);
    const cores = availableCores();
    const inOneCall = mostInOneCall(replicas.numerics, dataset, request.batch);
    const plane = new ExactPlane({ model, shards, optimizer: config.optimizer, fleet, resident, inOneCall, cores, nowMs });
    const perEpoch = dataset.train.count / request.batch;
    const clock = new BenchClock({ ...request, perEpoch }, plane);
    await runTraining({
      config,
      model,
      examples: { train: dataset.train.count, validation: 0 },
      plane,
      progress: new RunProgress(model.objective),
      monitor: { name: 'loss', direction: 'min' },
      watched: { stopping: null, plateau: null },
      store: KEEPS_NOTHING,
      digest: () => Promise.resolve(''),
      observe: (event) => clock.take(event),
      stop: clock.stop,
      nowMs,
    }).finally(() => plane.close());
    const { counted, inOneCall: together, stepMs, cpuMs, firstStepMs } = clock.times();
    const phase = (of: (event: StepEvent) => number): number[] => counted.map(of);
    const exchange = phase(({ phasesMs }) => phasesMs.reduce + phasesMs.apply + phasesMs.publish);
    const held = await Promise.all(replicas.replicas.map((replica) => replica.memory()));
    const slots = optimizerProgram(config.optimizer).slots.length;
    const values = model.layout.totalSize + slots * model.layout.trainedSize;
    const joinedBytes = stretchedBytes({ shards, values });
    return {
      versions: { tfjsParallel: packageVersion(), node: process.versions.node, ...replicas.versions },
      model: model.name,
      trainedParameters: model.layout.trainedSize,
      replicas: placement.replicas.length,
      shards,
      threadsPerWorker: replicas.numerics.intraOpThreads,
      precision: request.precision,
      execution: replicas.numerics.execution,
      batch: request.batch,
      steps: counted.length,
      stepsInOneCall: together,
      imagesPerS: (request.batch / quantile(stepMs, 0.5)) * 1000,
      stepMs: { p50: quantile(stepMs, 0.5), p95: quantile(stepMs, 0.95) },
      cpuMs: { min: Math.min(...cpuMs), p50: quantile(cpuMs, 0.5) },
      phasesMs: {
        data: quantile(
          phase(({ phasesMs }) => phasesMs.data),
          0.5,
        ),
        compute: quantile(
          phase(({ phasesMs }) => phasesMs.compute),
          0.5,
        ),
        wait: quantile(
          phase(({ phasesMs }) => phasesMs.wait),
          0.5,
        ),
        exchange: quantile(exchange, 0.5),
      },
      exchangeMs: { p50: quantile(exchange, 0.5), p95: quantile(exchange, 0.95) },
      firstStepS: firstStepMs / 1000,
      peakMemoryMb: process.resourceUsage().maxRSS / 1024,
      memory: {
        valuesMb: (4 * values) / 1e6,
        versions: together === 1 ? 2 : joinedBytes <= LIMITS.stretchEarlyBytes ? 4 : 3,
        gradientMb: (4 * model.layout.trainedSize) / 1e6,
        gradients: together === 1 || shards === 1 ? 1 + Math.ceil(Math.log2(shards)) : shards + 1,
        heldMb: Math.max(...held.map(({ bytes }) => bytes)) / 1e6,
      },
      change: changeFor(
        {
          ...{ replicas: placement.replicas.length, isCluster: false, shards, bytes: 4 * model.layout.trainedSize },
          ...{ precision: request.precision, execution: replicas.numerics.execution },
          ...{ instructionSet: replicas.numerics.instructionSet, device: replicas.numerics.device },
          ...(replicas.numerics.device === 'CPU' && {
            threads: replicas.numerics.intraOpThreads,
            busyThreads: threadsFor(replicas.work, { rows, most: coresEach(cores, placement.replicas.length) }),
          }),
          joinsSteps: inOneCall > 1 && joinedBytes <= LIMITS.stretchBytes,
          fasterByXla: isFasterByXla({
            ...{ classNames: layersOf(model), weights: model.layout.totalSize },
            ...{ threads: replicas.numerics.intraOpThreads, instructions: replicas.numerics.instructionSet },
          }),
        },
        whereOf(counted),
      ),
    };
  } finally {
    await replicas.close();
  }
}

/** Class names of its layers; a model in it is one. */
function layersOf({ topology }: ModelDescription): string[] {
  const { config } = JSON.parse(topology) as { config: { layers: { class_name: string }[] } };
  return config.layers.map(({ class_name: name }) => name);
}

/** Means over the counted steps. */
function whereOf(steps: readonly StepEvent[]): Where {
  const mean = (of: (event: StepEvent) => number): number => steps.reduce((sum, event) => sum + of(event), 0) / steps.length;
  const [{ phasesMs: first, replicaTimes }] = steps;
  const names = Object.keys(first) as (keyof StepEvent['phasesMs'])[];
  const phasesMs = Object.fromEntries(names.map((name) => [name, mean((event) => event.phasesMs[name])]));
  const replicas = replicaTimes.map(({ replica }) => ({
    replica,
    computeMs: mean((event) => event.replicaTimes.find((time) => time.replica === replica)?.computeMs ?? 0),
  }));
  return {
    phasesMs,
    replicas,
    stepMs: mean(({ phasesMs: each }) => names.reduce((sum, name) => sum + each[name], 0)),
    outside: 0,
  };
}

/** Batches of an epoch of drawn examples, as many as these bytes hold: their end is an end of what a replica does at a stretch. */
const DRAWN_BYTES = 4 * 2 ** 20;
const FEWEST_BATCHES = 4;
const MOST_BATCHES = 128;

function drawnData({ inputShape, classes, batch }: BenchRequest): Parameters<typeof datasetFromArrays>[0] {
  const batchBytes = batch * inputShape.reduce((a, b) => a * b, 1);
  const batches = Math.max(FEWEST_BATCHES, Math.min(MOST_BATCHES, Math.floor(DRAWN_BYTES / batchBytes)));
  const count = batch * batches;
  const x = new Uint8Array(batchBytes * batches);
  // A multiplicative congruential sequence: any bytes will do, the same ones each time.
  let word = 1;
  for (let i = 0; i < x.length; i++) {
    word = Math.imul(word, 48271) >>> 0;
    x[i] = word >>> 24;
  }
  const y = Uint8Array.from({ length: count }, (_, index) => index % classes);
  return {
    name: 'drawn bytes',
    train: { x, y },
    validation: { x: x.subarray(0, x.length / count), y: y.subarray(0, 1) },
    inputShape,
    classes,
    scale: 1 / 255,
  };
}
