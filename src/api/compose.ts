/**
 * Owns: putting any run together, on one machine or many: refusals that cost nothing, model, data, run folder, the crew; then the run loop takes over.
 * Does not: know who is in the crew (local_crew.ts, cluster_crew.ts), loop (coordinator/start_run.ts and run.ts, the next hops), or print.
 */
import { settleOn, type CompiledModel, type SettledRun } from '../common/compiled_model.js';
import { changesSince } from '../common/setting_change.js';
import { requireCounted } from '../common/schedule.js';
import { requireAuditable, requireBatchCoversShards } from '../common/config_checks.js';
import type { Dataset, SplitName } from '../common/dataset.js';
import type { ModelDescription, NumericsClass, ResidentReplica } from '../common/replica.js';
import type { EndEvent, RunObserver } from '../common/run_events.js';
import { unlessHurried, type StopRequest } from '../common/stop_request.js';
import { RunWishes } from '../common/run_wishes.js';
import { fastDevRun } from '../common/trial.js';
import type { TrainConfig } from '../common/train_config.js';
import type { Fleet } from '../coordinator/planes/exact/fleet/fleet.js';
import type { RunValues } from '../coordinator/planes/plane.js';
import { configFrom, endOfFinished, observeInto, openRun, type OpenedRun } from '../coordinator/opened_run.js';
import { mostInOneCall } from '../coordinator/planes/exact/stretch_length.js';
import { startRun } from '../coordinator/start_run.js';
import { describeProgress, shareOf, type DataProgress } from '../data/progress.js';
import { limitDataset } from '../data/load.js';
import { judgeClasses } from '../data/judge_classes.js';
import { loadDatasetAside } from '../data/load_aside.js';
import { resolveModelSource } from '../models/load.js';
import type { ModelSource } from '../models/model_source.js';
import { requireKnown } from '../objective/find_names.js';
import { packageVersion } from '../system/package_info.js';
import { availableCores } from '../system/cores.js';
import { writeReport, type RunReport } from '../report/files/write_report.js';
import type { Dashboard } from '../report/dashboard/open_dashboard.js';
import { dashboardOf } from './dashboard.js';
import { openStreams, sizesOf, triedOut, type SequenceStreams } from './sequence_streams.js';
import { orOfProgram } from './run_of_program.js';
import type { RunRequestWithParts } from './run_request.js';
import { readSaved } from './saved_models.js';

const IN_MEMORY = { folder: null, saved: null } as const;

/** Those who compute a run, and what they say of it. */
export interface Crew {
  readonly model: ModelDescription;
  readonly numerics: NumericsClass;
  /** Beside Node's and ours. */
  readonly versions: { readonly tensorflow: string; readonly tfjs: string };
  /** Replicas of this process keep the memory that a step frees. */
  readonly memoryKept?: boolean;
  readonly fleet: Fleet;
  /** All replicas of the fleet, where the weights may stay with them. */
  readonly resident?: readonly ResidentReplica[];
  /** What a replica computes in a training step, as a GraphDef; null where nobody here knows. */
  stepGraph(): Promise<Uint8Array | null>;
  readonly stop: StopRequest;
  /** Gives replicas other rows of the same fields; absent where they read their own. */
  readonly takeData?: (dataset: Dataset, changed: SplitName) => Promise<void>;
  /** Right after the start event. */
  onStart(): void;
  /** Lets everybody go, whatever happened; `end` is null where the run failed. */
  dismiss(end: EndEvent | null): Promise<void>;
}

/** What a crew is gathered for. */
export interface Work {
  readonly config: TrainConfig;
  readonly shards: number;
  readonly source: ModelSource;
  readonly dataset: Dataset;
  readonly run: OpenedRun | typeof IN_MEMORY;
  /** Into the run folder and to the caller. */
  readonly observe: RunObserver;
}

export interface Foreseen {
  readonly compiled: CompiledModel | undefined;
  readonly notes: readonly string[];
}

export interface Recruiter {
  readonly shards: number;
  /** What was decided beside the configuration, to be kept with it, and from where each came; where the crew decides, once it is there. */
  readonly decided: { readonly config: Partial<TrainConfig>; readonly sources: Readonly<Record<string, string>> };
  /** Whether a run that has nothing left to compute still needs its crew, for the model. */
  readonly neededAtEnd: boolean;
  /** Whether the crew can be handed one batch after the other: its replicas are in this process. */
  readonly takesSequences: boolean;
  /** What gathering the crew waits for, in a few words. */
  readonly waitsFor: string;
  /** Right after the cheap refusals: what may be refused before anything is loaded. */
  ready(): Promise<void>;
  /** What the model is compiled with, where that is known before anybody has built it; null where the crew says. */
  foresee(source: ModelSource): Foreseen | null;
  gather(work: Work): Promise<Crew>;
}

export interface Trained {
  readonly model: ModelDescription;
  readonly optimizer: TrainConfig['optimizer'];
  /** Final weights in layout order, as the model is saved. */
  readonly weights: Float32Array;
  /** Of the last commit. */
  readonly values: RunValues;
  /** Orders of epochs were drawn with the epoch's number and this. */
  readonly orderOffset: number;
}

export interface Outcome {
  readonly end: EndEvent;
  /** Null where nothing was written. */
  readonly runFolder: string | null;
  /** Null where a finished run needed nobody to say so. */
  readonly trained: Trained | null;
}

/** Runs one training to its end. Lets go of the crew and of the run folder whatever happens. */
export async function compose(request: RunRequestWithParts, recruiter: Recruiter): Promise<Outcome> {
  // Cheap refusals first: a wrong flag must not cost a download.
  requireBatchCoversShards({ batch: request.config.batch, shards: recruiter.shards });
  requireAuditable(request.config, request.numericsCheck);
  requireKnown(request.config);
  await recruiter.ready();
  const wishes = new RunWishes();
  const dashboard = await dashboardOf(request, wishes);
  try {
    return await composeSeen(dashboard === null ? request : seenIn(dashboard, request), recruiter, { wishes, dashboard });
  } finally {
    await dashboard?.close();
  }
}

/** The request of a run whose dashboard hears what the caller hears. */
function seenIn(dashboard: Dashboard, request: RunRequestWithParts): RunRequestWithParts {
  return {
    ...request,
    onWait: (what) => {
      dashboard.wait(what);
      request.onWait?.(what);
    },
    observer: (event) => {
      dashboard.observer(event);
      request.observer(event);
    },
  };
}

async function composeSeen(
  request: RunRequestWithParts,
  recruiter: Recruiter,
  { wishes, dashboard }: { wishes: RunWishes; dashboard: Dashboard | null },
): Promise<Outcome> {
  const { config: asked, stop, say } = request;
  const { shards } = recruiter;
  const { resume } = request;
  const source = request.model ?? (await orOfProgram(resume, 'model', asked.model, () => resolveModelSource(asked.model)));
  const initFrom = request.initFrom === null ? null : await readSaved(request.initFrom);
  const onProgress = (progress: DataProgress): void => say(describeProgress(progress), shareOf(progress));
  request.onWait?.(`loading data ${asked.data}`);
  const sequences = recruiter.takesSequences ? 'streamed' : 'refused';
  const loaded = request.dataset ?? (await unlessHurried(loadDatasetAside({ ...asked, sequences }, { onProgress }), stop));
  const trial = asked.fastDevRun ? fastDevRun(asked, sizesOf(loaded)) : null;
  const dataset = trial === null ? loaded : triedOut(limitDataset(loaded, trial));
  const { sequence } = dataset;
  if (sequence !== undefined) requireCounted(asked.optimizer.schedule, { name: dataset.name, count: sequence.train.count });

  const run = request.inMemory === true || trial !== null ? IN_MEMORY : await openRun(request);
  let report: RunReport | null = null;
  if (run.folder !== null && dashboard !== null) {
    await run.folder.flushLog();
    dashboard.inFolder(run.folder.path);
  }
  try {
    const config = run.folder === null ? (trial ?? asked) : configFrom(request, run);
    const settle = (compiled: CompiledModel | undefined): SettledRun =>
      request.resume === null && compiled !== undefined
        ? settleOn(compiled, { config, given: request.given ?? {} })
        : { config, sources: {}, notes: [] };
    const keep = async (settled: SettledRun): Promise<void> => {
      if (run.folder === null || request.resume !== null) return;
      const { decided } = recruiter;
      const sources = { ...request.provenance, ...settled.sources, ...decided.sources };
      await run.folder.writeConfig({ ...settled.config, ...decided.config }, sources);
    };
    // What a module compiles is known once it has been run; before, a folder without a configuration is nobody's.
    const foreseen = recruiter.foresee(source);
    const known = foreseen === null ? null : settle(foreseen.compiled);
    if (known !== null) await keep(known);
    const observers = observersOf(request, run, config);
    const { observe } = observers;
    report = observers.report;
    const finished = run.saved === null ? null : endOfFinished(run.saved, config);
    if (run.folder !== null && finished !== null) {
      say(nothingLeft(run.folder.path, finished));
      if (!recruiter.neededAtEnd) {
        observe(finished);
        return { end: finished, runFolder: run.folder.path, trained: null };
      }
    }
    request.onWait?.(recruiter.waitsFor);
    const crew = await recruiter.gather({ config, shards, source, dataset, run, observe });
    const afterStep = graphTold(crew, report);
    let end: EndEvent | null = null;
    let streams: SequenceStreams | null = null;
    try {
      const settled = known ?? settle(crew.model.compiled);
      if (known === null) await keep(settled);
      streams = sequence === undefined ? null : openStreams({ dataset, sequence, config, readers: request.sequences, crew });
      const ended = await startRun({
        config: settled.config,
        notes: [...settled.notes, ...(foreseen?.notes ?? [])],
        shards,
        model: crew.model,
        numerics: crew.numerics,
        data: {
          name: dataset.name,
          sha256: dataset.sha256,
          ...sizesOf(dataset),
        },
        versions: { tfjsParallel: packageVersion(), node: process.versions.node, ...crew.versions },
        memoryKept: crew.memoryKept ?? false,
        run,
        begin: request.begin?.(crew.model) ?? null,
        changes:
          request.changesFromState === true && run.saved !== null
            ? changesSince(run.saved.config, settled.config)
            : request.changes,
        initFrom,
        numericsCheck: request.numericsCheck,
        fleet: crew.fleet,
        resident: crew.resident ?? [],
        inOneCall: mostInOneCall(crew.numerics, dataset, settled.config.batch),
        cores: availableCores(),
        observe: (event) => {
          observe(event);
          if (event.type === 'step') afterStep();
        },
        stop: crew.stop,
        wishes,
        onWeights: (weights) => report?.weights(weights),
        ...(report?.wantsClasses && {
          onClasses: async (told) => {
            const { fields, validation, classNames } = dataset;
            if (validation !== null) report?.classes(await judgeClasses(told, { fields, validation, classNames }));
          },
        }),
        ...(request.hooks && { hooks: request.hooks }),
        ...(request.stream && { stream: request.stream }),
        ...(request.validationStream && { validationStream: request.validationStream }),
        ...streams?.of,
        onStart: () => crew.onStart(),
      });
      end = ended.end;
      const { weights, values, orderOffset } = ended;
      const trained = { model: crew.model, optimizer: settled.config.optimizer, weights, values, orderOffset };
      return { end, runFolder: run.folder?.path ?? null, trained };
    } finally {
      await streams?.close();
      await crew.dismiss(end);
    }
  } finally {
    await report?.close(stop.hurry);
    await run.folder?.closeOrDiscard();
  }
}

/** Asks once, after the first step: then a replica has compiled it. */
function graphTold(crew: Crew, report: RunReport | null): () => void {
  let isAsked = report?.wantsGraph !== true;
  return () => {
    if (isAsked) return;
    isAsked = true;
    crew.stepGraph().then(
      (graphDef) => graphDef !== null && report?.graph(graphDef),
      // A replica that is gone has none; its loss is told where it matters.
      () => undefined,
    );
  };
}

/** The run folder with the report in it, and the caller. */
function observersOf(
  { observer }: RunRequestWithParts,
  { folder }: OpenedRun | typeof IN_MEMORY,
  config: TrainConfig,
): { observe: RunObserver; report: RunReport | null } {
  if (folder === null) return { observe: observer, report: null };
  const report = writeReport({ folder: folder.path, names: config.report, warn: observer });
  const both: RunObserver = (event) => {
    report.observer(event);
    observer(event);
  };
  return { observe: observeInto(folder, both), report };
}

const nothingLeft = (run: string, { steps }: EndEvent): string =>
  `nothing is left to compute in ${run} (${steps} steps); to go on, give more --epochs (and more --max-steps, where that is given)`;
