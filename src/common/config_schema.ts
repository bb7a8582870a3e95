/**
 * Owns: the schema of a configuration file: which keys there are, and which values each takes. Keys are in snake_case, as users write them.
 * Does not: read files or say where a wrong value stands (src/cli/config_file.ts), or compare keys with each other (src/common/config_checks.ts).
 *
 * Each message finishes the sentence "<key> must be …".
 */
import { z } from 'zod';
import { OPTIMIZER_NAMES, OPTIMIZER_SETTINGS, type OptimizerSettings } from '../optimizers/settings.js';
import { LIMITS } from './limits.js';
import { toSnakeCase, type SnakeCase } from './snake_case.js';

/** A number JavaScript counts exactly up to, far beyond any run. */
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

function whole({ atLeast, atMost = MAX_COUNT }: { atLeast: number; atMost?: number }) {
  const error = `a whole number of at least ${atLeast}${atMost === MAX_COUNT ? '' : ` and at most ${atMost}`}`;
  return z.int({ error }).min(atLeast, { error }).max(atMost, { error });
}

function real({ atLeast, above, atMost, below }: { atLeast?: number; above?: number; atMost?: number; below?: number }) {
  const bounds = [
    atLeast === undefined ? null : `at least ${atLeast}`,
    above === undefined ? null : `above ${above}`,
    atMost === undefined ? null : `at most ${atMost}`,
    below === undefined ? null : `below ${below}`,
  ].filter((bound) => bound !== null);
  const within = (value: number) =>
    (atLeast === undefined || value >= atLeast) &&
    (above === undefined || value > above) &&
    (atMost === undefined || value <= atMost) &&
    (below === undefined || value < below);
  const error = `a number, ${bounds.join(' and ')}`;
  return z.number({ error }).refine(within, { error });
}

const choice = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z.enum(names, { error: `one of ${names.join(', ')}` });

const text = (what: string) => z.string({ error: what }).min(1, { error: what });

const fraction = () => {
  const error = 'a fraction from 0 to 1 (99.3 % is 0.993)';
  return z.number({ error }).min(0, { error }).max(1, { error });
};

const NAME = 'letters, digits, dots, dashes and underscores, in quotes where it is a number';

const flag = z.boolean({ error: 'true or false' });

/** YAML reads `gpus: 0` as a number and people write `gpus: [0, 1]`: both mean what `--gpus` means. */
const gpus = z.preprocess(
  (value) => (typeof value === 'number' || Array.isArray(value) ? [value].flat().join(',') : value),
  text('indices such as 0,1 or 0-3, all or none'),
);

const schedule = z.strictObject(
  {
    name: choice(['constant', 'step', 'cosine']),
    warmup_epochs: real({ atLeast: 0 }),
    milestones: z.array(whole({ atLeast: 1 }), { error: 'a list of epochs, such as [60, 90]' }),
    decay: real({ above: 0, atMost: 1 }),
    final_fraction: real({ atLeast: 0, atMost: 1 }),
  },
  { error: 'a mapping with name: constant, step or cosine' },
);

type SettingSchemas = {
  [Name in keyof OptimizerSettings as SnakeCase<Name>]: z.ZodType<OptimizerSettings[Name]>;
};

/** Each optimizer's own settings, under the names that users write. */
function optimizerSettings(): SettingSchemas {
  const schemas = [...OPTIMIZER_SETTINGS].map(([name, { setting }]) => {
    if (setting.kind === 'flag') return [toSnakeCase(name), flag];
    return [toSnakeCase(name), setting.default === null ? real(setting).nullable() : real(setting)];
  });
  return Object.fromEntries(schemas) as SettingSchemas;
}

const optimizer = z.strictObject(
  {
    name: choice(OPTIMIZER_NAMES),
    learning_rate: real({ above: 0 }),
    ...optimizerSettings(),
    weight_decay: real({ atLeast: 0 }),
    clip_norm: real({ above: 0 }).nullable(),
    schedule: schedule.partial(),
  },
  { error: 'a mapping with a name, such as sgd or adam' },
);

/** What one layer (a file, the environment, the flags) may hold: any part of a configuration. */
export const configLayerSchema = z
  .strictObject(
    {
      model: text('gluon_cnn, a path to model.json, or a path to a module'),
      data: text('mnist, idx, synthetic, or a path to a module'),
      data_dir: text('a folder').nullable(),
      loss: choice(['softmax_cross_entropy', 'sigmoid_cross_entropy', 'mean_squared_error']),
      epochs: whole({ atLeast: 0 }),
      max_steps: whole({ atLeast: 1 }).nullable(),
      batch: whole({ atLeast: 1 }),
      shards: whole({ atLeast: 1, atMost: LIMITS.maxShards }).nullable(),
      seed: whole({ atLeast: 0 }),
      optimizer: optimizer.partial(),
      train_limit: whole({ atLeast: 1 }).nullable(),
      validation_limit: whole({ atLeast: 1 }).nullable(),
      gpus: gpus.nullable(),
      workers: whole({ atLeast: 1, atMost: LIMITS.maxShards }).nullable(),
      threads_per_worker: whole({ atLeast: 1, atMost: 1024 }).nullable(),
      precision: choice(['fp32', 'bf16']),
      compile: flag,
      run_dir: text('a folder'),
      name: text(NAME)
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, { error: NAME })
        .nullable(),
      save_above: fraction().nullable(),
      target: fraction().nullable(),
      keep: whole({ atLeast: 1 }),
      checkpoint_every: text('epoch, a time such as 60s, or 500 steps'),
      on_checkpoint_failure: choice(['continue', 'stop']),
      reporter: choice(['text', 'json']),
      log_every: whole({ atLeast: 1 }).nullable(),
    },
    { error: 'a mapping of keys to values' },
  )
  .partial();

export type ConfigLayer = z.infer<typeof configLayerSchema>;

/** Dotted paths of all settings, sections left out: `batch`, `optimizer.learning_rate`, `optimizer.schedule.name`, … */
export const SETTING_PATHS: readonly string[] = leafPaths(configLayerSchema, []);

function leafPaths(section: z.ZodObject, prefix: readonly string[]): string[] {
  return Object.entries(section.shape).flatMap(([key, optional]) => {
    const inner = optional instanceof z.ZodOptional ? optional.unwrap() : optional;
    const path = [...prefix, key];
    return inner instanceof z.ZodObject ? leafPaths(inner, path) : [path.join('.')];
  });
}

/**
 * Settings of one call, not of the run: where it computes, what it says, when it stops for now. A new run's config.yaml records those of the call that
 * began it; what a later call is told is never written there. All other settings are the run's: what a resume changes, the run keeps.
 */
const CALL_SETTINGS = ['max_steps', 'gpus', 'workers', 'run_dir', 'name', 'reporter', 'log_every'];

export function isOfTheRun(path: string): boolean {
  return !CALL_SETTINGS.includes(path);
}

/** The schema of one setting. */
function settingSchema(path: string): z.ZodType | null {
  let current: z.core.$ZodType = configLayerSchema;
  for (const key of path.split('.')) {
    if (current instanceof z.ZodOptional) current = current.unwrap();
    if (!(current instanceof z.ZodObject) || !Object.hasOwn(current.shape, key)) return null;
    current = current.shape[key];
  }
  return current as z.ZodType;
}

/** Whether the setting holds text: then `--name 7` and `TFJS_PARALLEL_NAME=7` mean "7". */
export function isText(path: string): boolean {
  return settingSchema(path)?.safeParse('7').success === true;
}
