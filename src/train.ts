/**
 * Owns: putting a run on one machine together: TensorFlow, devices, data, replicas, run folder; then the run loop takes over.
 * Does not: loop (coordinator/run.ts, the next hop), parse flags (src/cli), or print (observers do).
 */
import { basename } from 'node:path';
import { performance } from 'node:perf_hooks';
import { chooseDevices } from './common/device_choice.js';
import type { Dataset } from './common/dataset.js';
import { requireBatchCoversShards } from './common/config_checks.js';
import type { ModelDescription } from './common/replica.js';
import type { EndEvent, RunEvent, RunObserver } from './common/run_events.js';
import { shardSizes } from './common/shard.js';
import type { StopRequest } from './common/stop_request.js';
import type { TrainConfig } from './common/train_config.js';
import { readModel, weightsFor } from './coordinator/checkpoint.js';
import { Fleet, type FleetNote } from './coordinator/fleet.js';
import { createRunFolder, resumeRunFolder, type RunFolder } from './coordinator/run_folder.js';
import { runTraining } from './coordinator/run.js';
import { createRunStore } from './coordinator/run_store.js';
import { requireSameRun, requireSameSettings } from './coordinator/state_match.js';
import type { RunState } from './coordinator/state_schema.js';
import { TrainingState } from './coordinator/training_state.js';
import { createUpdate } from './coordinator/update.js';
import { loadDataset } from './data/load.js';
import type { DataProgress } from './data/progress.js';
import { placeOnNamedDevices, placeReplicas, type Placement } from './devices.js';
import type { ModelSource } from './models/model_source.js';
import { resolveModelSource } from './models/load.js';
import { packageVersion } from './package_info.js';
import { openReplicas, type OpenedReplicas } from './replicas.js';

export interface TrainingRequest {
  readonly config: TrainConfig;
  /** Dotted snake_case path → where the value came from. */
  readonly provenance: Readonly<Record<string, string>>;
  /** Runs without a name are called `<configName>-001`, … */
  readonly configName: string;
  /** Folder of the run to continue. */
  readonly resume: string | null;
  /** Run folder's checkpoint or model.json to take the first weights from. */
  readonly initFrom: string | null;
  readonly numericsCheck: 'strict' | 'relaxed';
  readonly observer: RunObserver;
  readonly stop: StopRequest;
  /** Lines about what takes long before the first step: fetching TensorFlow or data. */
  readonly say: (line: string) => void;
  /** The library's callers bring their own; the CLI names them in the configuration. */
  readonly model?: ModelSource;
  readonly dataset?: Dataset;
  /** TensorFlow's device names, one replica each; overrides `config.gpus` and `config.workers`. */
  readonly devices?: readonly string[];
}

export interface TrainingOutcome {
  readonly end: EndEvent;
  readonly model: ModelDescription;
  /** Final weights in layout order. */
  readonly weights: Float32Array;
  readonly runFolder: string;
}

/** Runs one training. Frees threads and devices and lets go of the run folder whatever happens. */
export async function trainLocally(request: TrainingRequest): Promise<TrainingOutcome> {
  const { config } = request;
  // Cheap refusals first: a wrong flag must not cost a download.
  const placement = placementOf(request);
  const shards = config.shards ?? placement.replicas.length;
  requireBatchCoversShards({ batch: config.batch, shards });
  const source = request.model ?? (await resolveModelSource(config.model));
  const dataset =
    request.dataset ?? (await loadDataset(config, { onProgress: (progress) => request.say(describeProgress(progress)) }));
  if (placement.notice !== '') request.observer({ type: 'warn', code: 'CPU_FALLBACK', message: placement.notice });

  const { folder, saved } = await openFolder(request);
  try {
    if (request.resume === null)
      await writeResolvedConfig(request, { folder, shards, threadsPerWorker: placement.intraOpThreads });
    const replicas = await openReplicas({ placement, source, dataset, config, batchNorm: 'batch', say: request.say });
    try {
      return await runOn({ request, shards, dataset, folder, saved, replicas });
    } finally {
      await replicas.close();
    }
  } finally {
    await folder.close();
  }
}

function placementOf({ config, devices }: TrainingRequest): Placement {
  return devices
    ? placeOnNamedDevices(devices, config.threadsPerWorker)
    : placeReplicas(chooseDevices(config), config.threadsPerWorker);
}

/** With what was decided here, so that a resumed run on other replicas computes in the same shards and with as many threads. */
async function writeResolvedConfig(
  { config, provenance }: TrainingRequest,
  { folder, ...decided }: { folder: RunFolder; shards: number; threadsPerWorker: number },
): Promise<void> {
  const sources = { ...provenance };
  if (config.shards === null) sources.shards = 'default: one per replica';
  if (config.threadsPerWorker === null) sources.threads_per_worker = 'default: processor cores divided by the replicas';
  await folder.writeConfig({ ...config, ...decided }, sources);
}

interface Opened {
  readonly request: TrainingRequest;
  readonly shards: number;
  readonly dataset: Dataset;
  readonly folder: RunFolder;
  /** The state to go on from; null for a new run. */
  readonly saved: RunState | null;
  readonly replicas: OpenedReplicas;
}

async function runOn({ request, shards, dataset, folder, saved, replicas }: Opened): Promise<TrainingOutcome> {
  const { config } = request;
  const { model, numerics } = replicas;
  const data = { name: dataset.name, sha256: dataset.sha256, train: dataset.train.count, validation: dataset.validation.count };
  const update = createUpdate({ layout: model.layout, optimizer: config.optimizer });
  const initial = request.initFrom === null ? model.initial : weightsFor(model.layout, await readModel(request.initFrom));
  const state = new TrainingState({ layout: model.layout, initial }, update.slotNames);
  if (saved !== null) {
    requireSameSettings(saved, { config, shards, run: folder.path });
    requireSameRun(saved, { model, data, numerics, numericsCheck: request.numericsCheck, run: folder.path });
    state.restore(saved);
  }
  const observe = (event: RunEvent): void => {
    folder.record(event);
    request.observer(event);
  };
  // The start event names the replicas that are here from the beginning; what joins or leaves after it is news.
  let started = false;
  const fleet = new Fleet({
    coordinatorEpoch: folder.coordinatorEpoch,
    onNote: (note) => started && observe(eventOf(note)),
  });
  for (const replica of replicas.replicas) fleet.add(replica);
  const versions = { tfjsParallel: packageVersion(), node: process.versions.node, ...replicas.versions };
  const stepsPerEpoch = Math.ceil(dataset.train.count / config.batch);
  await folder.writeEnvironment({
    versions,
    numerics,
    replicas: fleet.replicas,
    platform: `${process.platform} ${process.arch}`,
  });
  observe({
    type: 'start',
    config: { ...config, shards },
    replicas: fleet.replicas,
    numerics,
    runFolder: folder.path,
    dataset: { name: data.name, train: data.train, validation: data.validation, sha256: data.sha256 },
    model: { name: model.name, trainedParameters: model.layout.trainedSize, totalParameters: model.layout.totalSize },
    plan: {
      shards,
      shardSizes: shardSizes({ globalBatch: Math.min(config.batch, dataset.train.count), shards }),
      stepsPerEpoch,
      epochs: config.epochs,
      firstEpoch: state.progress.epoch,
      bytesPerReplicaStep: model.layout.trainedSize * 4,
    },
    versions,
  });
  started = true;
  const nowMs = (): number => performance.now();
  const store = createRunStore({
    config: { ...config, shards },
    shards,
    model,
    numerics,
    data,
    folder,
    observe,
    nowMs,
    generatedBy: `tfjs-parallel ${versions.tfjsParallel}`,
    firstStep: state.progress.step,
  });
  const examples = { train: dataset.train.count, validation: dataset.validation.count };
  const end = await runTraining({
    config,
    shards,
    model,
    examples,
    fleet,
    update,
    state,
    store,
    observe,
    stop: request.stop,
    nowMs,
  });
  return { end, model, weights: state.current.parameters.slice(), runFolder: folder.path };
}

async function openFolder({
  config,
  configName,
  resume,
  observer,
}: TrainingRequest): Promise<{ folder: RunFolder; saved: RunState | null }> {
  if (resume === null)
    return { folder: await createRunFolder({ parent: config.runDir, configName, name: config.name }), saved: null };
  const { run, state, rejected } = await resumeRunFolder({ path: resume });
  for (const { path, reason } of rejected) {
    observer({ type: 'warn', code: 'STATE_REJECTED', message: `${basename(path)} was not used: ${reason}` });
  }
  return { folder: run, saved: state };
}

/** A fleet's plain sentence as a run event. */
function eventOf({ level, code, worker, message }: FleetNote): RunEvent {
  if (code === 'join' || code === 'leave' || code === 'lost') return { type: `worker_${code}`, worker, detail: message };
  return { type: level === 'error' ? 'error' : 'warn', code, message };
}

/** One line; downloads are told at each tenth, by data/download.ts. */
function describeProgress(progress: DataProgress): string {
  if (progress.kind === 'note') return progress.message;
  const { file, mirror, receivedBytes, totalBytes } = progress;
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  return `fetching ${file} from ${mirror}: ${mb(receivedBytes)}${totalBytes === null ? '' : ` of ${mb(totalBytes)}`} MB`;
}
