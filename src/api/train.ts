/**
 * Owns: putting a run on one machine together: TensorFlow, devices, data, replicas, run folder; then the run loop takes over.
 * Does not: loop (coordinator/start_run.ts and run.ts, the next hops), parse flags (src/cli), or print (observers do).
 */
import { settleOn, type SettledRun } from '../common/compiled_model.js';
import { requireAuditable, requireBatchCoversShards } from '../common/config_checks.js';
import { UsageError } from '../common/errors.js';
import type { Dataset } from '../common/dataset.js';
import { chooseDevices } from '../common/device_choice.js';
import { LIMITS } from '../common/limits.js';
import type { ModelDescription } from '../common/replica.js';
import type { EndEvent } from '../common/run_events.js';
import { unlessHurried } from '../common/stop_request.js';
import { Fleet } from '../coordinator/planes/exact/fleet/fleet.js';
import type { MakeHooks } from '../coordinator/run_hooks.js';
import { residentReplica } from '../coordinator/planes/exact/resident_weights.js';
import type { SavedWeights } from '../coordinator/storage/state/saved_model.js';
import type { RunFolder } from '../coordinator/storage/run_folder/run_folder.js';
import type { RunValues } from '../coordinator/planes/plane.js';
import {
  configFrom,
  endOfFinished,
  eventOf,
  observeInto,
  openRun,
  startRun,
  type Beginning,
  type OpenedRun,
} from '../coordinator/start_run.js';
import { loadDatasetAside } from '../data/load_aside.js';
import type { DataProgress } from '../data/progress.js';
import { placeOnNamedDevices, placeReplicas, type Placement } from './devices.js';
import { resolveModelSource } from '../models/load.js';
import type { ModelSource } from '../models/model_source.js';
import { requireKnown } from '../objective/find_names.js';
import { packageVersion } from '../package_info.js';
import type { RunRequest } from './run_request.js';
import { openReplicas, type OpenedReplicas, type ReplicaRequest } from './replicas.js';
import { readSaved } from './saved_models.js';

export interface TrainingRequest extends RunRequest {
  /** The library's callers bring their own; the CLI names them in the configuration. */
  readonly model?: ModelSource;
  readonly dataset?: Dataset;
  /** TensorFlow's device names, one replica each; overrides `config.gpus` and `config.workers`. */
  readonly devices?: readonly string[];
  readonly hooks?: MakeHooks;
  /** Replicas that the caller keeps and closes; by default they are opened for this run. */
  readonly replicas?: (request: ReplicaRequest) => Promise<OpenedReplicas>;
  /** Nothing is written anywhere: neither resumed nor resumable. */
  readonly inMemory?: boolean;
  /** Where a new run begins, given the model as the replicas have it. */
  readonly begin?: (model: ModelDescription) => Beginning | null;
}

export interface TrainingOutcome {
  readonly end: EndEvent;
  readonly model: ModelDescription;
  /** Final weights in layout order. */
  readonly weights: Float32Array;
  readonly values: RunValues;
  /** Null where nothing was written. */
  readonly runFolder: string | null;
}

/** Runs one training. Frees threads and devices and lets go of the run folder whatever happens. */
export async function trainLocally(request: TrainingRequest): Promise<TrainingOutcome> {
  const { config: asked } = request;
  // Cheap refusals first: a wrong flag must not cost a download.
  const placement = placementOf(request);
  const shards = asked.shards ?? placement.replicas.length;
  requireBatchCoversShards({ batch: asked.batch, shards });
  requireAuditable(asked, request.numericsCheck);
  if (asked.audit > 0 && placement.replicas.length < 2) throw auditAlone();
  requireKnown(asked);
  const source = request.model ?? (await resolveModelSource(asked.model));
  const initFrom = request.initFrom === null ? null : await readSaved(request.initFrom);
  const onProgress = (progress: DataProgress): void => request.say(describeProgress(progress));
  const dataset = request.dataset ?? (await unlessHurried(loadDatasetAside(asked, { onProgress }), request.stop));
  if (placement.notice !== '') request.observer({ type: 'warn', code: 'CPU_FALLBACK', message: placement.notice });

  const run = request.inMemory === true ? IN_MEMORY : await openRun(request);
  try {
    const config = run.folder === null ? asked : configFrom(request, run);
    const decided = { shards, threadsPerWorker: placement.intraOpThreads };
    if (run.saved !== null && endOfFinished(run.saved, config)) request.say(nothingLeft(run.folder.path));
    const wanted = { placement, source, dataset, config, batchNorm: 'batch', say: request.say } as const;
    const opening = request.replicas?.(wanted) ?? openReplicas(wanted);
    const replicas = await unlessHurried(opening, request.stop);
    try {
      const { compiled } = replicas.model;
      const settled =
        request.resume === null && compiled !== undefined
          ? settleOn(compiled, { config, given: request.given ?? {} })
          : { config, sources: {}, notes: [] };
      if (run.folder !== null && request.resume === null)
        await writeResolvedConfig(request, settled, { folder: run.folder, ...decided });
      return await runOn({ request, settled, shards, dataset, run, replicas, initFrom });
    } finally {
      if (request.replicas === undefined) await replicas.close();
    }
  } finally {
    await run.folder?.closeOrDiscard();
  }
}

const IN_MEMORY = { folder: null, saved: null } as const;

function placementOf({ config, devices }: TrainingRequest): Placement {
  return devices
    ? placeOnNamedDevices(devices, config.threadsPerWorker)
    : placeReplicas(chooseDevices(config), config.threadsPerWorker);
}

/** With what was decided here, so that a resumed run on other replicas computes in the same shards and with as many threads. */
async function writeResolvedConfig(
  { provenance }: TrainingRequest,
  { config, sources: settled }: SettledRun,
  { folder, ...decided }: { folder: RunFolder; shards: number; threadsPerWorker: number },
): Promise<void> {
  const sources = { ...provenance, ...settled };
  if (config.shards === null) sources.shards = 'default: one per replica';
  if (config.threadsPerWorker === null) sources.threads_per_worker = 'default: processor cores divided by the replicas';
  await folder.writeConfig({ ...config, ...decided }, sources);
}

interface Opened {
  readonly request: TrainingRequest;
  readonly settled: SettledRun;
  readonly shards: number;
  readonly dataset: Dataset;
  readonly run: OpenedRun | typeof IN_MEMORY;
  readonly replicas: OpenedReplicas;
  readonly initFrom: SavedWeights | null;
}

async function runOn({ request, settled, shards, dataset, run, replicas, initFrom }: Opened): Promise<TrainingOutcome> {
  const { model, numerics } = replicas;
  const observe = run.folder === null ? request.observer : observeInto(run.folder, request.observer);
  // The start event names the replicas that are here from the beginning; what joins or leaves after it is news.
  let started = false;
  const fleet = new Fleet({
    ...(run.folder !== null && { coordinatorEpoch: run.folder.coordinatorEpoch }),
    // Threads of one machine share its cores: a second copy of a slow shard makes the first slower. Only a stuck device is worth one.
    stragglerFloorMs: LIMITS.localStragglerFloorMs,
    audit: settled.config.audit,
    onNote: (note) => started && observe(eventOf(note)),
  });
  for (const replica of replicas.replicas) fleet.add(replica);
  const { end, weights, values } = await startRun({
    config: settled.config,
    notes: settled.notes,
    shards,
    model,
    numerics,
    data: { name: dataset.name, sha256: dataset.sha256, train: dataset.train.count, validation: dataset.validation?.count ?? 0 },
    versions: { tfjsParallel: packageVersion(), node: process.versions.node, ...replicas.versions },
    run,
    begin: request.begin?.(model) ?? null,
    changes: request.changes,
    initFrom,
    numericsCheck: request.numericsCheck,
    fleet,
    resident: residentReplica({ replicas: replicas.replicas, model, numerics }),
    observe,
    stop: request.stop,
    ...(request.hooks && { hooks: request.hooks }),
    onStart: () => {
      started = true;
      request.onFirstStep?.();
    },
  });
  return { end, model, weights, values, runFolder: run.folder?.path ?? null };
}

function auditAlone(): UsageError {
  return new UsageError({
    code: 'AUDIT_CONFLICT',
    message: 'audit compares what two replicas compute, and there is one here',
    next: 'Give --workers 2 or two GPUs, or leave out --audit.',
  });
}

const nothingLeft = (run: string): string =>
  `nothing is left to compute in ${run}; to go on, give more --epochs (and more --max-steps, where that is given)`;

/** One line; downloads are told at each tenth, by data/download.ts. */
function describeProgress(progress: DataProgress): string {
  if (progress.kind === 'note') return progress.message;
  const { file, mirror, receivedBytes, totalBytes } = progress;
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  return `fetching ${file} from ${mirror}: ${mb(receivedBytes)}${totalBytes === null ? '' : ` of ${mb(totalBytes)}`} MB`;
}
