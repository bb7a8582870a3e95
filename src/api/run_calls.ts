/**
 * Owns: the library calls that judge a run: `evaluateRun(path, options)` and `verify(options)`, the commands evaluate and verify as functions.
 * Does not: compute (evaluate_model.ts, verify.ts, the next hops).
 */
import { chooseDevices, replicasOf } from '../common/device_choice.js';
import { withData, type GivenData } from './given_data.js';
import { loadTfjs, sourceOf } from './caller_model.js';
import { evaluateModel, type Evaluation } from './evaluate_model.js';
import { errorInOptions } from './option_words.js';
import { layerAround } from './recorded_config.js';
import { configOf, type ResumeOptions, type TrainOptions } from './train_options.js';
import { verify as verifyGradients, type VerifyReport } from './verify.js';

const PLACES = ['devices', 'gpus', 'workers', 'threadsPerWorker', 'precision', 'compile', 'execution', 'onProgress'] as const;
const JUDGED = ['data', 'dataDir', 'batch', 'shards', 'loss', 'metrics', 'lossWeights'] as const;

type Shared = Pick<TrainOptions, (typeof PLACES)[number] | Exclude<(typeof JUDGED)[number], 'data'>>;

/** What is left out is as in the run that the model is from. */
export interface EvaluateRunOptions extends Shared, Pick<TrainOptions, 'monitor' | 'validationLimit'> {
  /** Your arrays or sequences, of which the validation set is evaluated, or a name as in train(). */
  readonly data?: GivenData | string;
  /** Of a state, which has no layers, and of layers that only a module defines: the model by name or path. */
  readonly model?: string;
}

export interface VerifyOptions extends Shared, Pick<TrainOptions, 'model' | 'data' | 'seed' | 'trainLimit'> {}

/**
 * Loss and metrics of a saved model over a validation set, every example once: `path` is a run folder (its latest model, or else its newest state),
 * a model's folder in it such as `runs/a/checkpoints/best`, a state, or a model.json.
 * Errors: any ExpectedError of common/errors.ts, with `code` and `next`.
 */
export async function evaluateRun(path: string, options: EvaluateRunOptions = {}): Promise<Evaluation> {
  return inOptions(async () => {
    const recorded = (await layerAround(path)) ?? {};
    const config = configOf(
      options as ResumeOptions,
      {
        ...{ model: 'gluon_cnn', data: 'mnist', ...recorded },
      },
      { call: 'evaluateRun()', known: [...PLACES, ...JUDGED, 'model', 'monitor', 'validationLimit'] },
    );
    const { data, devices, onProgress = () => undefined } = options;
    return withData(data, { config, use: 'evaluated' }, (given) =>
      evaluateModel({ path, config, say: onProgress, ...given, ...(devices && { devices }) }),
    );
  });
}

/**
 * Computes one step's gradient on one shard and on several, on one replica and on several, and compares: to rounding, and to the bit.
 * Errors: as train(). A difference is no error: `passed` is false.
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  return inOptions(async () => {
    const known = [...PLACES, ...JUDGED, 'model', 'seed', 'trainLimit'];
    const config = configOf(options, null, { call: 'verify()', known });
    const { model, data, devices, onProgress = () => undefined } = options;
    const source = typeof model === 'object' ? sourceOf(await loadTfjs(), model, config) : undefined;
    const shards = config.shards ?? Math.max(2, devices?.length ?? replicasOf(chooseDevices(config)) ?? 2);
    return withData(data, { config, use: 'refused' }, (given) =>
      verifyGradients({
        ...{ config, shards, say: onProgress },
        ...(source && { source }),
        ...given,
        ...(devices && { devices }),
      }),
    );
  });
}

async function inOptions<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw errorInOptions(error, { offered: ['resume', 'init-from'] });
  }
}
