/**
 * Owns: the options of the library call, checked: a wrong or misspelled one is an error, as in a configuration file.
 * Does not: act on them (library.ts does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { RateFunction, TrainCallbacks } from './callback_runner.js';
import { checkConfig } from '../common/config_checks.js';
import { UsageError } from '../common/errors.js';
import type { RunObserver } from '../common/run_events.js';
import { knownElsewhere, nearestSetting } from '../common/settings/hints.js';
import { configLayerSchema } from '../common/settings/schema.js';
import type { Section, Setting } from '../common/settings/setting.js';
import { completeConfig, isSection, SETTINGS, type LibrarySetting } from '../common/settings/table.js';
import { renameKeys, toCamelCase, toSnakeCase } from '../common/snake_case.js';
import { suggest } from '../common/suggest.js';
import type { OptimizerConfig, ScheduleConfig, TrainConfig } from '../common/train_config.js';
import { OPTIMIZER_NAMES } from '../optimizers/settings.js';
import type { ArraysSource } from '../data/arrays.js';

type SettingOptions = Partial<Pick<TrainConfig, LibrarySetting>>;

/**
 * Everything but `model` and `data` has a default (docs/data.md, config/mnist.yaml). A run leaves a folder with its metrics, states and last model under
 * `runDir`, which is `runs` in the current folder unless given.
 */
export interface TrainOptions extends SettingOptions {
  /** A tf.LayersModel (its weights are the initial ones, and it is trained in place), `gluon_cnn`, or a path to model.json or model.mjs. */
  readonly model: tfjs.LayersModel | string;
  /** Your arrays, `mnist`, `synthetic`, `idx` (with `dataDir`), or a path to data.mjs. */
  readonly data: ArraysSource | string;
  /** Of the optimizer, or a function that gives it for each epoch. */
  readonly learningRate?: number | RateFunction;
  readonly optimizer?: Partial<Omit<OptimizerConfig, 'schedule'>> & { readonly schedule?: Partial<ScheduleConfig> };
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

/** Settings of the configuration that the library call offers by the same name. */
const OFFERED: readonly string[] = Object.entries<Setting | Section>(SETTINGS).flatMap(([name, item]) =>
  !isSection(item) && item.library ? [name] : [],
);
const OTHERS = [
  ...['model', 'data', 'learningRate', 'optimizer', 'devices'],
  ...['callbacks', 'weightsInBatchCallbacks', 'signal', 'observer', 'onProgress'],
];
const CALLBACKS = ['onTrainBegin', 'onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd', 'onTrainEnd'];

/** @throws UsageError OPTION_UNKNOWN, OPTION_INVALID, and those of checkConfig */
export function configOf(options: TrainOptions): TrainConfig {
  refuseUnknown(options, [...OFFERED, ...OTHERS], '');
  refuseUnknown(options.callbacks ?? {}, CALLBACKS, 'callbacks.');
  requireParts(options);
  const { optimizer, model, data } = options;
  const learningRate = typeof options.learningRate === 'function' ? undefined : options.learningRate;
  if (typeof optimizer === 'object') refuseUnknown(optimizer, Object.keys(SETTINGS.optimizer.items), 'optimizer.');
  const given = {
    ...Object.fromEntries(Object.entries(options).filter(([key, value]) => OFFERED.includes(key) && value !== undefined)),
    optimizer: typeof optimizer === 'object' ? { ...optimizer, ...(learningRate !== undefined && { learningRate }) } : optimizer,
    ...(optimizer === undefined && learningRate !== undefined && { optimizer: { learningRate } }),
  };
  const checked = configLayerSchema.safeParse(renameKeys(given, toSnakeCase));
  if (!checked.success) throw invalid(checked.error.issues[0], given);
  const config: TrainConfig = {
    ...completeConfig(checked.data),
    model: typeof model === 'string' ? model : model.name,
    data: typeof data === 'string' ? data : (data.name ?? 'arrays'),
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
    const hint = optionMeant(key, known, prefix);
    throw new UsageError({
      code: 'OPTION_UNKNOWN',
      message: `train() has no option ${prefix}${key}${hint.meant === undefined ? '' : `, did you mean ${hint.meant}?`}`,
      next: hint.advice ?? `leave it out; it knows ${known.map((name) => `${prefix}${name}`).join(', ')}`,
    });
  }
}

/** Of the same place first, then what other tools call it. `setting.path` becomes `optimizer: { momentum }` where the option is a part. */
function optionMeant(key: string, known: readonly string[], prefix: string): { meant?: string; advice?: string } {
  const elsewhere = prefix === 'callbacks.' ? null : knownElsewhere(key);
  if (elsewhere?.advice !== undefined) return { advice: `leave it out: ${elsewhere.advice}` };
  const near = suggest(toCamelCase(key), known);
  const path = elsewhere?.path ?? (near === null && prefix !== 'callbacks.' ? nearestSetting(key)?.path : undefined);
  if (path === undefined) return near === null ? {} : { meant: `${prefix}${near}` };
  const [first, ...rest] = path.split('.').map(toCamelCase);
  if (rest.length === 0)
    return known.includes(first) || OTHERS.includes(first) || OFFERED.includes(first) ? { meant: first } : {};
  return {
    meant: rest.join('.') === 'learningRate' ? 'learningRate' : `${first}: { ${rest.join(': { ')}${' }'.repeat(rest.length)}`,
  };
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
  const isName = (value: unknown): boolean => OPTIMIZER_NAMES.some((name) => name === value);
  if (path.join('.') === 'optimizer' && isName(given.optimizer))
    return wrong('optimizer', `an object: { name: '${given.optimizer as string}' }`, given.optimizer);
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
