/**
 * Owns: `fit(model, x, y, options)`: tfjs's model.fit on all devices: the same names, the same History, callbacks in the same order.
 * Does not: train (api/train.ts, the next hop), read rows (fit_data.ts) or check options (fit_options.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { MemoryDataset } from '../../common/dataset.js';
import { UsageError } from '../../common/errors.js';
import type { ModelDescription } from '../../common/replica.js';
import type { EndEvent } from '../../common/run_events.js';
import type { BatchStream } from '../../coordinator/batch_stream.js';
import type { Beginning } from '../../coordinator/beginning.js';
import type { TrainConfig } from '../../common/train_config.js';
import { weightsFor, type SavedWeights } from '../../coordinator/storage/state/saved_model.js';
import { readWeights } from '../../models/weights.js';
import { readTfjsOptimizer } from '../../optimizers/from_tfjs.js';
import { workOf } from '../../worker/replica/model_work.js';
import { CallbackRunner } from '../callback_runner.js';
import { folderName, judgedSourceOf, loadTfjs, requireModel, setWeights, stopOn } from '../caller_model.js';
import { errorInOptions } from '../option_words.js';
import { resumeIn } from '../resume_options.js';
import { putMemory, readMemory } from '../optimizer_memory.js';
import { readSaved } from '../saved_models.js';
import { trainLocally } from '../train.js';
import { callbackList, type CallbackParams } from './callback_list.js';
import { fitData } from './fit_data.js';
import { planOf, type FitCall, type FitOptions, type FitPlan, type SharedFitOptions } from './fit_options.js';
import { fitProgress, SILENT } from './progress.js';
import type { NamedRows } from './rows.js';
import { VERSIONS_AHEAD } from '../../common/resident.js';
import { warmReplicasOf, type WarmReplicas } from './warm_replicas.js';

/** What tfjs's fit resolves with, and how the run ended. */
export interface FitHistory extends tfjs.History {
  readonly run: FitRun;
}

export interface FitRun {
  readonly end: EndEvent;
  /** Over weights and optimizer slots of the last commit (docs/reproducibility.md). */
  readonly weightsSha256: string;
  /** Null unless `runDir` was given. */
  readonly runFolder: string | null;
}

/**
 * Trains a compiled tf.LayersModel in place, data-parallel over this machine's devices. Replicas stay open for the next call of the same model, and
 * model.optimizer goes on where it was, as in tfjs; `release(model)` lets go of the replicas.
 * Errors: any ExpectedError of common/errors.ts, with `code` and `next`; what a callback threw, as it is.
 */
export async function fit(model: tfjs.LayersModel, x: NamedRows, y: NamedRows, options: FitOptions = {}): Promise<FitHistory> {
  try {
    const tf = await loadTfjs();
    requireModel('fit()', model);
    const plan = planOf('fit()', model, options);
    const { run: resume, initFrom, numerics, fromHere } = resumeIn(options);
    const saved = initFrom === null ? null : await readSaved(initFrom);
    const inMemory = (options.runDir ?? null) === null && resume === null;
    return await whileTraining(model, async (warm) =>
      trainOn({
        ...{ tf, call: 'fit()', model, plan, options, warm, batch: plan.config.batch, inMemory, resume, fromHere },
        ...{ initFrom: saved, numerics },
        // Who resumes a run compares its rows by their hash; nobody else asks for it.
        dataset: await fitData(model, x, y, { ...options, hashed: !inMemory }),
      }),
    );
  } catch (error) {
    throw errorInOptions(error, { offered: ['resume', 'init-from', 'numerics'], compiled: true });
  }
}

export interface FitRequest {
  readonly tf: typeof tfjs;
  readonly call: FitCall;
  readonly model: tfjs.LayersModel;
  readonly plan: FitPlan;
  readonly options: SharedFitOptions;
  readonly warm: WarmReplicas;
  readonly dataset: MemoryDataset;
  readonly inMemory: boolean;
  /** Folder of the run to go on with. */
  readonly resume: string | null;
  readonly fromHere?: boolean;
  /** Weights to begin from in place of the model's. */
  readonly initFrom?: SavedWeights | null;
  readonly numerics?: 'strict' | 'relaxed';
  /** As callbacks are told: null where the dataset decides. */
  readonly batch: number | null;
  /** Where batches come from a dataset. */
  readonly stream?: BatchStream;
  /** Where what is validated on does. */
  readonly validationStream?: BatchStream;
}

export async function trainOn(request: FitRequest): Promise<FitHistory> {
  const { tf, call, model, plan, options, warm, dataset } = request;
  const { config, initialEpoch } = plan;
  const { optimizer } = model;
  const stop = stopOn(options.signal);
  const list = callbackList({
    ...{ tf, call, model, given: options.callbacks, yieldEvery: options.yieldEvery },
    params: paramsOf(request),
  });
  const calls = new CallbackRunner({
    ...{ tf, model, callbacks: list.callbacks, abort: stop.abort },
    weightsInBatchCallbacks: options.weightsInBatchCallbacks ?? false,
    showsWeights: !list.isEmpty,
    learningRate: options.learningRate ?? null,
    fromHere: request.fromHere,
    ...(!list.isEmpty && { optimizerRate: () => readTfjsOptimizer(model.optimizer).settings.learningRate }),
  });
  const progress = (options.verbose ?? 1) === 0 ? SILENT : fitProgress({ epochs: config.epochs });
  withInner(model, { history: list.history });
  const { stream, validationStream } = request;
  // Compiled with a new optimizer it begins anew in this, too.
  if (optimizer.iterations === 0) warm.epochsDrawn = 0;
  const orderOffset = Math.max(0, warm.epochsDrawn - initialEpoch);
  // A resumed run counts its weights from its own state.
  if (request.resume !== null) await warm.close();
  try {
    const outcome = await trainLocally({
      ...{ config, dataset, hooks: calls.hooks, stop: stop.request, model: judgedSourceOf(tf, model, config) },
      ...{
        provenance: {},
        configName: folderName(model.name),
        resume: request.resume,
        changes: [],
        changesFromState: true,
        maxStepsRecorded: false,
      },
      ...{ initFrom: null, numericsCheck: request.numerics ?? 'strict', inMemory: request.inMemory },
      observer: (event) => {
        options.observer?.(event);
        progress.observe(event);
      },
      say: options.onProgress ?? progress.say,
      ...(options.devices && { devices: options.devices }),
      work: workOf(model),
      replicas: (request) => warm.open(request),
      begin: (description) =>
        request.resume === null
          ? beginningOf({
              model,
              warm,
              config: config.optimizer,
              description,
              initialEpoch,
              orderOffset,
              saved: request.initFrom,
            })
          : null,
      ...(stream && { stream }),
      ...(validationStream && { validationStream }),
    });
    // A replica may hold versions that more steps would have led to, which it began before the call was stopped.
    warm.version = outcome.values.version + VERSIONS_AHEAD;
    warm.epochsDrawn = Math.max(warm.epochsDrawn, lastEpochBegun(outcome.end) + outcome.orderOffset);
    setWeights(tf, model, outcome);
    // A callback that compiled the model anew began another.
    if (model.optimizer === optimizer) putMemory(tf, model, outcome);
    await calls.end();
    const { end, runFolder } = outcome;
    return Object.assign(list.history, { run: { end, weightsSha256: end.weightsSha256, runFolder } });
  } catch (error) {
    // Weights that replicas may have seen under the number of others.
    await warm.close().catch(() => undefined);
    await calls.salvage();
    throw error;
  } finally {
    stop.close();
    progress.close();
  }
}

function paramsOf({ model, plan: { config, initialEpoch }, dataset: { train, validation }, batch }: FitRequest): CallbackParams {
  const { metricsNames } = model as unknown as { metricsNames: readonly string[] };
  const doValidation = validation !== null;
  return {
    ...{
      epochs: config.epochs,
      initialEpoch,
      samples: batch === null ? null : train.count,
      steps: null,
      batchSize: batch,
      verbose: 0,
    },
    doValidation,
    metrics: doValidation ? [...metricsNames, ...metricsNames.map((name) => `val_${name}`)] : metricsNames,
  };
}

interface BeginningRequest {
  readonly model: tfjs.LayersModel;
  readonly warm: WarmReplicas;
  readonly config: TrainConfig['optimizer'];
  readonly description: ModelDescription;
  readonly initialEpoch: number;
  readonly orderOffset: number;
  readonly saved: SavedWeights | null | undefined;
}

/** From the weights that the model has now, with what its optimizer remembers: of calls before, of tfjs's own fit, of the file it was loaded from. */
function beginningOf({ model, warm, config, description, initialEpoch, orderOffset, saved }: BeginningRequest): Beginning {
  const { layout } = description;
  const parameters = saved ? weightsFor(description, saved) : readWeights(model, layout.slots);
  const memory = readMemory({ model, layout, config }, parameters);
  return {
    ...{ epoch: initialEpoch + 1, orderOffset, version: warm.version + 1, parameters },
    ...{ step: memory?.steps ?? 0, optimizerSlots: memory?.slots ?? null },
  };
}

/** One that was stopped inside counts: its order was used. */
function lastEpochBegun({ epochs, reason }: EndEvent): number {
  return reason === 'done' ? epochs : epochs + 1;
}

/** tfjs's own fit refuses meanwhile, and so does ours. @throws UsageError FIT_BUSY */
export async function whileTraining<T>(model: tfjs.LayersModel, work: (warm: WarmReplicas) => Promise<T>): Promise<T> {
  const warm = warmReplicasOf(model);
  if (warm.busy || withInside(model).some(({ isTraining }) => isTraining === true)) {
    throw new UsageError({
      code: 'FIT_BUSY',
      message: `the model ${model.name} is being trained by another call`,
      next: 'Await that call first.',
    });
  }
  warm.busy = true;
  withInner(model, { isTraining: true });
  try {
    return await warm.inTurn(() => work(warm));
  } finally {
    warm.busy = false;
    withInner(model, { isTraining: false });
  }
}

function withInner(model: tfjs.LayersModel, values: Omit<Inside, 'model'>): void {
  for (const one of withInside(model)) Object.assign(one, values);
}

interface Inside {
  isTraining?: boolean;
  history?: tfjs.History;
  readonly model?: Inside | null;
}

/** A sequential model has another one inside, whose fit() tfjs calls. */
function withInside(model: tfjs.LayersModel): Inside[] {
  const outer = model as unknown as Inside;
  return [outer, ...(outer.model ? [outer.model] : [])];
}
