/**
 * Owns: the options of fit() and fitDataset(), checked: tfjs's by tfjs's names, and those of a run that spans devices.
 * Does not: act on them (fit.ts), or look at data (fit_data.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { checkConfig } from '../../common/config_checks.js';
import { UNNAMED } from '../../common/dataset.js';
import { UsageError } from '../../common/errors.js';
import type { RunObserver } from '../../common/run_events.js';
import { optionTexts } from '../option_texts.js';
import { configLayerSchema } from '../../common/settings/schema.js';
import { completeConfig, type LibrarySetting } from '../../common/settings/table.js';
import { renameKeys, toSnakeCase } from '../../common/snake_case.js';
import type { TrainConfig } from '../../common/train_config.js';
import { DATA_OPTIONS } from '../../data/sources/source.js';
import { readTfjsOptimizer } from '../../optimizers/from_tfjs.js';
import type { RateFunction } from '../callback_runner.js';
import { WATCHES, type AugmentationOption, type ByName } from '../train_options.js';
import { invalid, OFFERED, refuseUnknown, wrong } from '../option_checks.js';
import type { FitCallbacks } from './callback_list.js';
import type { WeightOptions } from './example_weights.js';
import type { BatchSource, NamedRows } from './rows.js';

/** Of the model, its compile() and tfjs's own option names. */
type NotOffered =
  | ('batch' | 'epochs' | 'shuffle' | 'runDir' | 'loss' | 'metrics' | 'trainLimit' | 'validationLimit' | 'dataDir' | 'maxSteps')
  | ('fastDevRun' | 'shuffleBuffer')
  | (typeof DATA_OPTIONS)[number];

/** Settings of a run (docs/settings.md), beside tfjs's options. */
type RunSettings = Partial<
  Omit<Pick<TrainConfig, Exclude<LibrarySetting, NotOffered | 'augment'>>, 'lossWeights'> & Pick<ByName, 'lossWeights'>
>;

/** Weights as a third item, which tfjs's own type has, are refused: a program's `tf.ModelFitArgs` is taken as it is. */
type RowPair = readonly [NamedRows, NamedRows] | readonly [NamedRows, NamedRows, NamedRows];

/** Of fit() and fitDataset() alike. */
export interface SharedFitOptions extends RunSettings {
  /** Epochs before this one are taken as done. Default 0. */
  readonly initialEpoch?: number;
  readonly callbacks?: FitCallbacks;
  /** Ends the call when a value gets no better; `restoreBest` gives the best epoch's weights back (tfjs throws for restoreBestWeights). */
  readonly earlyStopping?: Partial<TrainConfig['earlyStopping']>;
  /** Lowers the learning rate when a value gets no better. */
  readonly reduceOnPlateau?: Partial<TrainConfig['reduceOnPlateau']>;
  /** 1: progress on standard error; 0: silent; 2 is 1, as in tfjs. Default 1. */
  readonly verbose?: 0 | 1 | 2;
  readonly yieldEvery?: 'auto' | 'batch' | 'epoch' | 'never' | number;
  /** TensorFlow's names, one replica on each: `['GPU:0', 'GPU:1']`. Default: every GPU, or the CPU where there is none. */
  readonly devices?: readonly string[];
  /** The rate of each epoch, in place of the optimizer's. */
  readonly learningRate?: RateFunction;
  /** Copies the weights into the model before each batch callback too. */
  readonly weightsInBatchCallbacks?: boolean;
  /** Aborted: the step in flight is finished, and the call resolves with what was trained so far. */
  readonly signal?: AbortSignal;
  /** Everything that the run tells, as data. */
  readonly observer?: RunObserver;
  /** Hears lines about what takes long before the first step. Default: none. */
  readonly onProgress?: (line: string) => void;
}

export interface FitOptions extends SharedFitOptions, WeightOptions {
  /** Changes training examples at random, in this order. */
  readonly augment?: readonly AugmentationOption[];
  /** Examples a step, over all devices together. Default 32. */
  readonly batchSize?: number;
  /** Number of the last epoch. Default 1. */
  readonly epochs?: number;
  /** `[x, y]`. */
  readonly validationData?: RowPair;
  /** The last part of the rows, as tfjs takes it: from `floor(rows × (1 − split))` on. */
  readonly validationSplit?: number;
  /** Another order in each epoch, drawn from `seed`. Default true. */
  readonly shuffle?: boolean;
  /** Nothing is written unless this is given: then a folder in it has the run's metrics, states and models. */
  readonly runDir?: string;
  /** Folder of a run that a call with the same model, rows and options began: it goes on where its newest state is. */
  readonly resume?: string;
  /** A run folder, one of its states or a saved model, whose weights are the first ones. */
  readonly initFrom?: string;
  /** Of a resume, `relaxed`: also where the arithmetic is another. Default `strict`. */
  readonly numerics?: 'strict' | 'relaxed';
  /** Of a resume: callbacks of your own know nothing of the epochs before, and are called from here on. */
  readonly callbacksFromHere?: boolean;
}

/** Batches come in the dataset's order and sizes. */
export interface FitDatasetOptions extends Omit<SharedFitOptions, OfFolders>, Pick<WeightOptions, 'classWeight'> {
  /** Number of the last epoch. */
  readonly epochs: number;
  /** Batches of an epoch, from one iterator for all epochs. By default each epoch takes a new iterator to its end. */
  readonly batchesPerEpoch?: number;
  /** Batches that are read ahead of the step that takes them. Default 2; 0: each when it is asked for, as tfjs reads. */
  readonly prefetch?: number;
  /** `[x, y]`, or a dataset, which is read after each epoch. */
  readonly validationData?: RowPair | BatchSource;
  /** Of a validation dataset: so many batches and no more. */
  readonly validationBatches?: number;
  /** Examples that are evaluated at once, where validationData is arrays. Default 32. */
  readonly validationBatchSize?: number;
}

const SHARED = ['epochs', 'initialEpoch', 'validationData', 'callbacks', 'verbose', 'yieldEvery'];
const OURS = [...WATCHES, 'devices', 'learningRate', 'weightsInBatchCallbacks', 'signal', 'observer', 'onProgress'];
const NOT_OFFERED: readonly string[] = [
  ...['batch', 'loss', 'metrics', 'trainLimit', 'validationLimit', 'dataDir', 'maxSteps'],
  ...['fastDevRun', 'shuffleBuffer', ...DATA_OPTIONS],
];
const SETTINGS_OFFERED = OFFERED.filter((name) => !NOT_OFFERED.includes(name));
/** A stream cannot be gone on with: nothing is saved. */
const OF_FOLDERS = ['runDir', 'name', 'keep', 'stateEvery', 'onSaveFailure', 'saveAbove'] as const;
type OfFolders = (typeof OF_FOLDERS)[number];
const KNOWN = {
  'fit()': [
    ...[
      ...SHARED,
      'batchSize',
      'validationSplit',
      'sampleWeight',
      'classWeight',
      'shuffle',
      'resume',
      'initFrom',
      'numerics',
      'callbacksFromHere',
    ],
    ...[...SETTINGS_OFFERED, ...OURS],
  ],
  'fitDataset()': [
    ...[...SHARED, 'batchesPerEpoch', 'prefetch', 'validationBatches', 'validationBatchSize', 'classWeight', ...OURS],
    ...SETTINGS_OFFERED.filter(
      (name) => name !== 'shuffle' && name !== 'augment' && !(OF_FOLDERS as readonly string[]).includes(name),
    ),
  ],
} as const;
export type FitCall = keyof typeof KNOWN;

/** Options of tfjs that do nothing or throw there, and are not here. */
const REFUSED: Readonly<Record<string, string>> = {
  overfit: 'give it the rows to learn by heart, as x, y and validationData',
  fastDevRun: 'it writes nothing as it is; train() has it',
  stepsPerEpoch: 'fit ignores it in tfjs; fitDataset has batchesPerEpoch',
  validationSteps: 'tfjs throws for it; the whole validation set is evaluated',
};

const REFUSED_OF_STREAMS: Readonly<Record<string, string>> = {
  augment: 'its numbers are those of an example by its place in the data, which a stream does not tell; fit() has it',
  batchSize: "batches are the dataset's own: dataset.batch(32)",
  shuffle: "the order is the dataset's own: dataset.shuffle(1000), before its batch()",
  runDir: 'nothing is kept of it; train({ data: dataset, runDir }) keeps states and models',
  resume: 'nothing is kept of it; train({ data: dataset, runDir }) is resumed',
  sampleWeight: 'a dataset gives { xs, ys }; fit() takes weights of arrays',
};

export interface FitPlan {
  readonly config: TrainConfig;
  readonly initialEpoch: number;
}

/** @throws UsageError OPTION_UNKNOWN, OPTION_INVALID, OPTION_REFUSED, MODEL_NOT_COMPILED, and those of checkConfig */
export function planOf(call: FitCall, model: tfjs.LayersModel, given: FitOptions | FitDatasetOptions): FitPlan {
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null));
  const refused = call === 'fit()' ? REFUSED : { ...REFUSED, ...REFUSED_OF_STREAMS };
  for (const [name, why] of Object.entries(refused)) {
    if (!Object.hasOwn(options, name)) continue;
    throw new UsageError({ code: 'OPTION_REFUSED', message: `${call} does not take ${name}: ${why}`, next: 'Leave it out.' });
  }
  refuseUnknown(options, { call, known: KNOWN[call], prefix: '', all: KNOWN[call] });
  const { batchSize = 32, shuffle = true } = given as FitOptions;
  const { epochs = 1, initialEpoch = 0, verbose = 1 } = given;
  if (!isWhole(initialEpoch, 0)) throw wrong('initialEpoch', 'a whole number of at least 0', initialEpoch);
  if (!isWhole(batchSize, 1)) throw wrong('batchSize', 'a whole number of at least 1', batchSize);
  if (![0, 1, 2].includes(verbose)) throw wrong('verbose', '0, 1 or 2', verbose);
  if (given.learningRate !== undefined && typeof given.learningRate !== 'function')
    throw wrong('learningRate', "a function of the epoch; a number is the compiled optimizer's", given.learningRate);
  const devices = given.devices ?? [];
  if (!Array.isArray(devices) || !devices.every((device) => typeof device === 'string'))
    throw wrong('devices', "a list of TensorFlow's names, such as ['GPU:0', 'GPU:1']", devices);
  const settings = Object.fromEntries(
    Object.entries(options).filter(([name]) => [...SETTINGS_OFFERED, ...WATCHES].includes(name)),
  );
  const layer = renameKeys(optionTexts({ ...settings, batch: batchSize, epochs, shuffle }), toSnakeCase);
  const checked = configLayerSchema.safeParse(layer);
  if (!checked.success) throw invalid(checked.error.issues[0], { ...options }, call);
  const complete = completeConfig(checked.data);
  const optimizer = { ...complete.optimizer, ...optimizerOf(call, model) };
  const config: TrainConfig = { ...complete, optimizer, model: model.name, data: UNNAMED.arrays };
  checkConfig(config, {});
  return { config, initialEpoch };
}

function optimizerOf(call: string, model: tfjs.LayersModel): ReturnType<typeof readTfjsOptimizer>['settings'] {
  const own = (model as { optimizer?: tfjs.Optimizer | null }).optimizer ?? null;
  if (own !== null) return readTfjsOptimizer(own).settings;
  throw new UsageError({
    code: 'MODEL_NOT_COMPILED',
    message: `${call} trains with the optimizer, loss and metrics that the model is compiled with, and this one is not compiled`,
    next: "Call model.compile({ optimizer: 'adam', loss: 'meanSquaredError' }) with yours before.",
  });
}

function isWhole(value: unknown, atLeast: number): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= atLeast;
}
