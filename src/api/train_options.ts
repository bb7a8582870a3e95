/**
 * Owns: the options of the library call, checked: a wrong or misspelled one is an error, as in a configuration file.
 * Does not: act on them (library.ts does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { RateFunction, TrainCallbacks } from './callback_runner.js';
import { checkConfig } from '../common/config_checks.js';
import type { RunObserver } from '../common/run_events.js';
import { optionTexts } from './option_texts.js';
import { configLayerSchema } from '../common/settings/schema.js';
import { completeConfig, SETTINGS, type ConfigLayer, type LibrarySetting } from '../common/settings/table.js';
import { renameKeys, toSnakeCase } from '../common/snake_case.js';
import type { OptimizerConfig, ScheduleConfig, TrainConfig } from '../common/train_config.js';
import { invalid, OFFERED, refuseUnknown, wrong } from './option_checks.js';
import { nameOfData, type GivenData } from './given_data.js';

/** `'flip'`, `{ shift: 2, fill: 'edge' }` (docs/augmentation.md). */
export type AugmentationOption = string | Readonly<Record<string, string | number | boolean>>;

type SettingOptions = Partial<Omit<Pick<TrainConfig, LibrarySetting>, keyof ByName | 'augment'>> & Partial<ByName>;

/** By the names of the model's inputs and outputs, where it has several. */
export interface ByName {
  readonly loss: string | Readonly<Record<string, string>>;
  readonly metrics: readonly string[] | Readonly<Record<string, string | readonly string[]>>;
  /** Also in the order of the outputs. */
  readonly lossWeights: readonly number[] | readonly string[] | Readonly<Record<string, number>>;
  /** Columns of a table or arrays of a file: `['age', 'income']`, `{ user: ['age', 'income'], item: 'price' }`. */
  readonly inputs: readonly string[] | Readonly<Record<string, string | readonly string[]>> | null;
  readonly labels: readonly string[] | Readonly<Record<string, string | readonly string[]>> | null;
}

/**
 * Everything but `model` and `data` has a default (docs/data.md, config/mnist.yaml). A run leaves a folder with its metrics, states and last model under
 * `runDir`, which is `runs` in the current folder unless given.
 */
export interface TrainOptions extends SettingOptions {
  /** A tf.LayersModel (its weights are the initial ones, and it is trained in place), `gluon_cnn`, or a path to model.json or model.mjs. */
  readonly model: tfjs.LayersModel | string;
  /**
   * Your arrays, examples that come one after the other (a tf.data.Dataset, a function that makes an iterator), `mnist`, `synthetic`, `idx` (with `dataDir`),
   * or a path to data.mjs or a file.
   */
  readonly data: GivenData | string;
  /** A run folder, one of its states or a saved model, whose weights are the first ones. */
  readonly initFrom?: string;
  /** Changes training examples at random, in this order. */
  readonly augment?: readonly AugmentationOption[];
  /** Of the optimizer, or a function that gives it for each epoch. */
  readonly learningRate?: number | RateFunction;
  readonly optimizer?: Partial<Omit<OptimizerConfig, 'schedule'>> & { readonly schedule?: Partial<ScheduleConfig> };
  /** Ends the run when a value gets no better; `restoreBest` gives the best epoch's model back. */
  readonly earlyStopping?: Partial<TrainConfig['earlyStopping']>;
  /** Lowers the learning rate when a value gets no better. */
  readonly reduceOnPlateau?: Partial<TrainConfig['reduceOnPlateau']>;
  /** TensorFlow's names, one replica on each: `['GPU:0', 'GPU:1']`. Overrides `gpus` and `workers`. */
  readonly devices?: readonly string[];
  readonly callbacks?: TrainCallbacks;
  /** Copies the weights into the model before each batch callback too. */
  readonly weightsInBatchCallbacks?: boolean;
  /** Aborted: the step in flight is finished, a state is written, and `train` resolves with `end.reason` `interrupted`. */
  readonly signal?: AbortSignal;
  /** Everything that the run tells, as data. */
  readonly observer?: RunObserver;
  /** Hears lines about what takes long before the first step (fetching TensorFlow). Default: none. */
  readonly onProgress?: (line: string) => void;
}

/** Of a run that goes on. Settings are those of its config.yaml but for what is given; a model and data that it names need not be given. */
export interface ResumeOptions extends Partial<Omit<TrainOptions, 'initFrom'>> {
  /** Folder of a run of this library or the command line: it goes on where its newest state is. */
  readonly resume: string;
  /** Callbacks, and a function `learningRate`, know nothing of the epochs before, and are called from here on. */
  readonly callbacksFromHere?: boolean;
  /** `relaxed`: also where the arithmetic is another. Default `strict`. */
  readonly numerics?: 'strict' | 'relaxed';
}

/** Sections of the settings, given as objects. */
export const WATCHES = ['earlyStopping', 'reduceOnPlateau'] as const;
const OTHERS = [
  ...['model', 'data', 'learningRate', 'optimizer', 'devices', 'initFrom', ...WATCHES],
  ...['callbacks', 'weightsInBatchCallbacks', 'signal', 'observer', 'onProgress'],
];
const OF_RESUME = ['resume', 'callbacksFromHere', 'numerics'];
const ALL = [...OFFERED, ...OTHERS, ...OF_RESUME];
const CALL = 'train()';
export const CALLBACKS = ['onTrainBegin', 'onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd', 'onTrainEnd'];

/** `recorded`: what the run that goes on has in its config.yaml. @throws UsageError OPTION_UNKNOWN, OPTION_INVALID, and those of checkConfig */
export function configOf(
  options: TrainOptions | ResumeOptions,
  recorded: ConfigLayer | null = null,
  { call, known: offered }: { call: string; known: readonly string[] } = { call: CALL, known: ALL },
): TrainConfig {
  refuseUnknown(options, { call, known: offered, prefix: '', all: offered });
  refuseUnknown(options.callbacks ?? {}, { call: CALL, known: CALLBACKS, prefix: 'callbacks.', all: ALL });
  requireParts(options, recorded);
  const { optimizer, model, data } = options;
  const learningRate = typeof options.learningRate === 'function' ? undefined : options.learningRate;
  if (typeof optimizer === 'object') {
    const known = Object.keys(SETTINGS.optimizer.items);
    refuseUnknown(optimizer, { call: CALL, known, prefix: 'optimizer.', all: ALL });
  }
  const given = {
    ...Object.fromEntries(
      Object.entries(options).filter(([key, value]) => [...OFFERED, ...WATCHES].includes(key) && value !== undefined),
    ),
    optimizer: typeof optimizer === 'object' ? { ...optimizer, ...(learningRate !== undefined && { learningRate }) } : optimizer,
    ...(optimizer === undefined && learningRate !== undefined && { optimizer: { learningRate } }),
  };
  const checked = configLayerSchema.safeParse(renameKeys(optionTexts(given), toSnakeCase));
  if (!checked.success) throw invalid(checked.error.issues[0], given, call);
  const config: TrainConfig = {
    ...completeConfig(over(recorded ?? {}, checked.data)),
    ...(model !== undefined && { model: typeof model === 'string' ? model : model.name }),
    ...(data !== undefined && { data: typeof data === 'string' ? data : nameOfData(data) }),
  };
  checkConfig(config, {});
  return config;
}

/** Sections key by key. Of gpus and workers, which are one choice, the one that was recorded gives way to the other. */
function over(recorded: ConfigLayer, given: ConfigLayer): ConfigLayer {
  const { gpus, workers, ...rest } = recorded;
  const isNone = given.gpus === undefined || given.gpus === 'none';
  const kept = { ...rest, ...(given.workers === undefined && { gpus }), ...(isNone && { workers }) };
  const isSection = (value: unknown): value is ConfigLayer =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const merge = (below: ConfigLayer, above: ConfigLayer): ConfigLayer => ({
    ...below,
    ...Object.fromEntries(
      Object.entries(above).map(([key, value]) => [
        key,
        isSection(value) && isSection(below[key]) ? merge(below[key], value) : value,
      ]),
    ),
  });
  return merge(kept, given);
}

function requireParts(options: TrainOptions | ResumeOptions, recorded: ConfigLayer | null): void {
  const { devices = [] } = options;
  const model: unknown = options.model ?? recorded?.model;
  const data: unknown = options.data ?? recorded?.data;
  const isList = Array.isArray(devices) && devices.every((device) => typeof device === 'string');
  if (!isList) throw wrong('devices', "a list of TensorFlow's names, such as ['GPU:0', 'GPU:1']", devices);
  const isModel =
    typeof model === 'string' ||
    (typeof model === 'object' && model !== null && typeof (model as Partial<tfjs.LayersModel>).toJSON === 'function');
  if (!isModel) throw wrong('model', 'a tf.LayersModel, gluon_cnn, or a path to model.json or model.mjs', model);
  const isData = ['string', 'function'].includes(typeof data) || (typeof data === 'object' && data !== null);
  if (!isData)
    throw wrong(
      'data',
      '{ train, validation, inputShape } of typed arrays, a tf.data.Dataset, a function that makes an iterator of examples, or mnist, synthetic, idx or a path to data.mjs',
      data,
    );
}
