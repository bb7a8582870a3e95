/**
 * Owns: the options of the library call, checked: a wrong or misspelled one is an error, as in a configuration file.
 * Does not: act on them (library.ts does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { TrainCallbacks } from './callback_runner.js';
import { checkConfig } from './common/config_checks.js';
import { configLayerSchema } from './common/config_schema.js';
import { UsageError } from './common/errors.js';
import type { RunObserver } from './common/run_events.js';
import { renameKeys, toCamelCase, toSnakeCase } from './common/snake_case.js';
import { suggest } from './common/suggest.js';
import { DEFAULT_TRAIN_CONFIG, type OptimizerConfig, type ScheduleConfig, type TrainConfig } from './common/train_config.js';
import type { ArraysSource } from './data/arrays.js';

type NumericOptions = Partial<
  Pick<
    TrainConfig,
    | 'loss'
    | 'epochs'
    | 'maxSteps'
    | 'batch'
    | 'shards'
    | 'seed'
    | 'trainLimit'
    | 'validationLimit'
    | 'workers'
    | 'gpus'
    | 'threadsPerWorker'
    | 'precision'
    | 'compile'
    | 'runDir'
    | 'name'
    | 'saveAbove'
    | 'keep'
    | 'checkpointEvery'
    | 'onCheckpointFailure'
    | 'dataDir'
  >
>;

/**
 * Everything but `model` and `data` has a default (docs/data.md, config/mnist.yaml). A run leaves a folder with its metrics, states and last model under
 * `runDir`, which is `runs` in the current folder unless given.
 */
export interface TrainOptions extends NumericOptions {
  /** A tf.LayersModel (its weights are the initial ones, and it is trained in place), `gluon_cnn`, or a path to model.json or model.mjs. */
  readonly model: tfjs.LayersModel | string;
  /** Your arrays, `mnist`, `synthetic`, `idx` (with `dataDir`), or a path to data.mjs. */
  readonly data: ArraysSource | string;
  readonly learningRate?: number;
  readonly optimizer?: Partial<Omit<OptimizerConfig, 'schedule'>> & { readonly schedule?: Partial<ScheduleConfig> };
  /** TensorFlow's names, one replica on each: `['GPU:0', 'GPU:1']`. Overrides `gpus` and `workers`. */
  readonly devices?: readonly string[];
  readonly callbacks?: TrainCallbacks;
  /** Aborted: the step in flight is finished, a state is written, and `train` resolves with `end.reason` `interrupted`. */
  readonly signal?: AbortSignal;
  /** Everything that the run tells, as data. */
  readonly observer?: RunObserver;
  /** Hears lines about what takes long before the first step (fetching TensorFlow). Default: none. */
  readonly onProgress?: (line: string) => void;
}

/** Settings of the configuration that the library call offers by the same name. */
const SETTINGS = [
  ...(['loss', 'epochs', 'maxSteps', 'batch', 'shards', 'seed', 'trainLimit', 'validationLimit', 'dataDir'] as const),
  ...(['workers', 'gpus', 'threadsPerWorker', 'precision', 'compile'] as const),
  ...(['runDir', 'name', 'saveAbove', 'keep', 'checkpointEvery', 'onCheckpointFailure'] as const),
] satisfies readonly (keyof NumericOptions)[];
const OTHERS = ['model', 'data', 'learningRate', 'optimizer', 'devices', 'callbacks', 'signal', 'observer', 'onProgress'];
const CALLBACKS = ['onTrainBegin', 'onEpochEnd', 'onBatchEnd', 'onTrainEnd'];

/** What model.fit calls it. */
const FAMILIAR: Record<string, string> = {
  batchSize: 'batch',
  lr: 'learningRate',
  validationData: 'data',
  validationSplit: 'data',
};

/** @throws UsageError OPTION_UNKNOWN, OPTION_INVALID, and those of checkConfig */
export function configOf(options: TrainOptions): TrainConfig {
  refuseUnknown(options, [...SETTINGS, ...OTHERS], '');
  refuseUnknown(options.callbacks ?? {}, CALLBACKS, 'callbacks.');
  requireParts(options);
  const { optimizer, learningRate } = options;
  const given = {
    ...Object.fromEntries(SETTINGS.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]]))),
    optimizer: { ...optimizer, ...(learningRate !== undefined && { learningRate }) },
  };
  const checked = configLayerSchema.safeParse(renameKeys(given, toSnakeCase));
  if (!checked.success) throw invalid(checked.error.issues[0], given);
  const settings = renameKeys(checked.data, toCamelCase) as unknown as Partial<TrainConfig>;
  const defaults = DEFAULT_TRAIN_CONFIG.optimizer;
  const config: TrainConfig = {
    ...DEFAULT_TRAIN_CONFIG,
    ...settings,
    model: typeof options.model === 'string' ? options.model : options.model.name,
    data: typeof options.data === 'string' ? options.data : (options.data.name ?? 'arrays'),
    optimizer: { ...defaults, ...settings.optimizer, schedule: { ...defaults.schedule, ...settings.optimizer?.schedule } },
  };
  checkConfig(config, {});
  return config;
}

function requireParts({ model, data, devices = [] }: TrainOptions): void {
  const isList = Array.isArray(devices) && devices.every((device) => typeof device === 'string');
  if (!isList) throw wrong('devices', "a list of TensorFlow's names, such as ['GPU:0', 'GPU:1']", devices);
  const isModel =
    typeof model === 'string' || (typeof model === 'object' && model !== null && typeof model.toJSON === 'function');
  if (!isModel) throw wrong('model', 'a tf.LayersModel, gluon_cnn, or a path to model.json or model.mjs', model);
  const isData = typeof data === 'string' || (typeof data === 'object' && data !== null);
  if (!isData)
    throw wrong(
      'data',
      '{ train, validation, inputShape } of typed arrays, or mnist, synthetic, idx or a path to data.mjs',
      data,
    );
}

function refuseUnknown(given: object, known: readonly string[], prefix: string): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const meant = suggest(key, known) ?? FAMILIAR[key];
    throw new UsageError({
      code: 'OPTION_UNKNOWN',
      message: `train() has no option ${prefix}${key}${meant === undefined ? '' : `, did you mean ${prefix}${meant}?`}`,
      next: `leave it out; it knows ${known.map((name) => `${prefix}${name}`).join(', ')}`,
    });
  }
}

type Issue = NonNullable<ReturnType<typeof configLayerSchema.safeParse>['error']>['issues'][number];

function invalid(issue: Issue, given: Record<string, unknown>): UsageError {
  const path = issue.path.map((key) => toCamelCase(String(key)));
  if (issue.code === 'unrecognized_keys') {
    const key = [...path, toCamelCase(issue.keys[0])].join('.');
    return new UsageError({
      code: 'OPTION_UNKNOWN',
      message: `train() has no option ${key}`,
      next: 'correct the name, or leave it out',
    });
  }
  const found = path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], given);
  return wrong(path.join('.'), issue.message, found);
}

function wrong(option: string, wanted: string, found: unknown): UsageError {
  const shown = typeof found === 'object' || typeof found === 'string' ? JSON.stringify(found) : String(found);
  return new UsageError({
    code: 'OPTION_INVALID',
    message: `${option} must be ${wanted}, found ${shown}`,
    next: 'correct the value',
  });
}
