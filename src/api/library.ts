/**
 * Owns: the library call `train({ model, data, ... })`: a user's own model and arrays in, the trained tf.LayersModel out.
 * Does not: train (train.ts, the next hop), check options (train_options.ts), or read configuration files, flags or the environment.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { CallbackRunner, type EpochLogs } from './callback_runner.js';
import type { EndEvent } from '../common/run_events.js';
import { toSnakeCase } from '../common/snake_case.js';
import { buildModel } from '../models/build.js';
import { resolveModelSource } from '../models/load.js';
import { putWeights } from '../models/weights.js';
import { withData } from './given_data.js';
import { folderName, loadTfjs, setWeights, sourceOf, stopOn } from './caller_model.js';
import { errorInOptions } from './option_words.js';
import { workOf } from '../worker/replica/model_work.js';
import { trainLocally } from './train.js';
import { recordedLayer } from './recorded_config.js';
import { resumeIn } from './resume_options.js';
import { orOfProgram } from './run_of_program.js';
import { isOptimizerOf, putMemory } from './optimizer_memory.js';
import { configOf, type ResumeOptions, type TrainOptions } from './train_options.js';

export interface TrainedRun {
  /** With the final weights. The model that was passed, or a new one on tfjs's current backend. */
  readonly model: tfjs.LayersModel;
  readonly history: readonly EpochLogs[];
  /** Best validation; null where no epoch ended. */
  readonly best: EndEvent['best'];
  /** Over final weights, moving statistics and optimizer slots (docs/reproducibility.md). */
  readonly weightsSha256: string;
  readonly end: EndEvent;
  /** Empty where nothing was kept (`fastDevRun`). */
  readonly runFolder: string;
}

/**
 * Trains data-parallel on this machine and resolves when the run has ended.
 * Errors: any ExpectedError of common/errors.ts, with `code` and `next`.
 */
export async function train(options: TrainOptions | ResumeOptions): Promise<TrainedRun> {
  try {
    return await trainAsTold(options);
  } catch (error) {
    throw errorInOptions(error, { offered: ['resume', 'init-from', 'numerics'] });
  }
}

async function trainAsTold(options: TrainOptions | ResumeOptions): Promise<TrainedRun> {
  const tf = await loadTfjs();
  const resume = resumeIn(options);
  const config = configOf(options, resume.run === null ? null : await recordedLayer(resume.run));
  const model = typeof options.model === 'object' ? options.model : null;
  const source =
    model === null
      ? await orOfProgram(resume.run, 'model', config.model, () => resolveModelSource(config.model))
      : sourceOf(tf, model, config);
  const stop = stopOn(options.signal);
  const calls = new CallbackRunner({
    ...{ tf, model, callbacks: options.callbacks ?? {}, abort: stop.abort },
    weightsInBatchCallbacks: options.weightsInBatchCallbacks ?? false,
    learningRate: typeof options.learningRate === 'function' ? options.learningRate : null,
    fromHere: resume.fromHere,
  });
  try {
    const request = {
      config,
      provenance: {},
      given: givenBy(options),
      configName: model === null ? 'run' : folderName(model.name),
      resume: resume.run,
      changes: [],
      changesFromState: true,
      maxStepsRecorded: options.maxSteps === undefined,
      initFrom: resume.initFrom,
      numericsCheck: resume.numerics,
      observer: options.observer ?? (() => undefined),
      stop: stop.request,
      say: options.onProgress ?? (() => undefined),
      model: source,
      ...(model !== null && { work: workOf(model) }),
      ...(options.devices && { devices: options.devices }),
      hooks: calls.hooks,
    };
    const outcome = await withData(options.data, { config, use: 'streamed' }, (given) => trainLocally({ ...request, ...given }));
    const trained = model ?? (await buildModel(tf, source, config.seed));
    // tfjs numbers the names of layers anew in each process; one that is built of the same source has them in the same order.
    if (model === null) putWeights(tf, trained, { values: outcome.weights });
    else {
      setWeights(tf, trained, outcome);
      if (isOptimizerOf(trained, outcome)) putMemory(tf, trained, outcome);
    }
    await calls.end();
    const { end, runFolder } = outcome;
    const result = { model: trained, history: calls.history, best: end.best, weightsSha256: end.weightsSha256, end };
    return { ...result, runFolder: runFolder ?? '' };
  } finally {
    stop.close();
  }
}

/** Settings of the optimizer that the options name, which count before a compiled model's. */
function givenBy({ optimizer, learningRate }: Partial<TrainOptions>): Record<string, string> {
  const parts = Object.entries(optimizer ?? {}).flatMap(([key, value]) =>
    value === undefined ? [] : [[`optimizer.${toSnakeCase(key)}`, `option optimizer.${key}`]],
  );
  const rate = typeof learningRate !== 'number' ? [] : [['optimizer.learning_rate', 'option learningRate']];
  return Object.fromEntries([...parts, ...rate]) as Record<string, string>;
}
