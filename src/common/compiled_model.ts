/**
 * Owns: what a replica says a model was compiled with, as data that crosses threads and the wire, and what a run makes of it: the model's optimizer,
 * loss and metrics, unless a setting says otherwise, which is told.
 * Does not: read a compiled model (src/objective, src/optimizers) or its file (src/models).
 */
import { z } from 'zod';
import { OPTIMIZER_NAMES, OPTIMIZER_SETTINGS } from '../optimizers/settings.js';
import type { CompiledOptimizer } from '../optimizers/compiled.js';
import { checkConfig, type Provenance } from './config_checks.js';
import { ClusterError, UsageError } from './errors.js';
import { LIMITS } from './limits.js';
import { configLayerSchema } from './settings/schema.js';
import { renameKeys, toSnakeCase } from './snake_case.js';
import type { TrainConfig } from './train_config.js';

const words = z.string().max(500);
const optimizerSchema: z.ZodType<CompiledOptimizer> = z.strictObject({
  className: words,
  settings: z
    .object({ name: z.enum(OPTIMIZER_NAMES), learningRate: z.number() })
    .catchall(z.union([z.number(), z.boolean()]))
    .refine((settings) => configLayerSchema.safeParse({ optimizer: renameKeys(settings, toSnakeCase) }).success)
    .nullable(),
  refusal: z.strictObject({ code: words, message: z.string().max(2_000), next: z.string().max(2_000) }).nullable(),
  notes: z.array(words).max(8),
});

/** With the model's description. */
export const compiledModelSchema = z.strictObject({
  /** Names by which a run is judged as this one is; null where a function of the model's module judges it. */
  loss: z.string().max(LIMITS.maxLossTextLength).nullable(),
  metrics: z.array(z.string().max(LIMITS.maxLossTextLength)).max(64).nullable(),
  /** Of a file that says how much each output's loss counts. */
  lossWeights: z.array(z.string().max(LIMITS.maxLossTextLength)).max(64).optional(),
  /** Of a model that is compiled; null otherwise. */
  optimizer: optimizerSchema.nullable(),
});
export type CompiledModel = z.infer<typeof compiledModelSchema>;

export interface SettledRun {
  readonly config: TrainConfig;
  /** Of what was not in the configuration before. */
  readonly sources: Provenance;
  /** One sentence each: what of the compiled model is not used. */
  readonly notes: readonly string[];
}

const OF_THE_MODEL = 'the model, as it is compiled';

/**
 * The configuration of a run whose model is known. `given`: the settings that somebody named, with where.
 * @throws UsageError OPTIMIZER_UNSUPPORTED or OPTIMIZER_SETTING where the model's optimizer cannot be the run's and no setting names another
 */
export function settleOn(compiled: CompiledModel, { config, given }: { config: TrainConfig; given: Provenance }): SettledRun {
  const settled = withOptimizer(compiled.optimizer, { config, given });
  const { metrics, lossWeights = [] } = compiled;
  const sources: Record<string, string> = { ...settled.sources };
  // One named for some outputs is completed by those of the others.
  const loss = config.loss === null || config.loss.includes('=') ? (compiled.loss ?? config.loss) : config.loss;
  if (loss !== config.loss) sources.loss = 'the model and its labels';
  if (config.metrics === null && metrics !== null) sources.metrics = 'the model and its loss';
  if (config.lossWeights.length === 0 && lossWeights.length > 0) sources.loss_weights = OF_THE_MODEL;
  return {
    config: {
      ...settled.config,
      loss,
      lossWeights: config.lossWeights.length > 0 ? config.lossWeights : [...lossWeights],
      metrics: config.metrics ?? (metrics === null ? null : [...metrics]),
    },
    sources,
    notes: settled.notes,
  };
}

function withOptimizer(
  compiled: CompiledOptimizer | null,
  { config, given }: { config: TrainConfig; given: Provenance },
): SettledRun {
  if (compiled === null) return { config, sources: {}, notes: [] };
  const { className, settings, refusal, notes } = compiled;
  const { optimizer } = config;
  if (given['optimizer.name'] !== undefined) {
    const used = `the model is compiled with the optimizer ${className}; ${placeOf('optimizer.name', given)} is used instead: ${optimizer.name}`;
    const isSame = settings !== null && Object.entries(settings).every(([name, value]) => valueIn(optimizer, name) === value);
    return { config, sources: {}, notes: isSame ? [] : [used] };
  }
  if (settings === null) throw refusedAs(refusal);
  const named = Object.keys(settings).filter((name) => given[pathOf(name)] !== undefined);
  // Settings of the same optimizer that its tfjs class has not: a momentum for tf.train.sgd.
  const added = [...OPTIMIZER_SETTINGS].flatMap(([name, { setting, of }]) => {
    const value = valueIn(optimizer, name);
    const isAdded =
      of.includes(settings.name) && !(name in settings) && given[pathOf(name)] !== undefined && value !== setting.default;
    return isAdded
      ? `the model is compiled with the optimizer ${className}; ${placeOf(pathOf(name), given)} is used with it: ${String(value)}`
      : [];
  });
  const own = Object.fromEntries(Object.entries(settings).filter(([name]) => !named.includes(name)));
  const merged: TrainConfig = { ...config, optimizer: { ...optimizer, ...own } };
  const overridden = named.flatMap((name) => {
    const [theirs, ours] = [valueIn(settings, name), valueIn(optimizer, name)];
    if (theirs === ours) return [];
    return `the model's optimizer ${className} is compiled with ${name} ${String(theirs)}; ${placeOf(pathOf(name), given)} is used instead: ${String(ours)}`;
  });
  const told = new Set(checkConfig(config, given));
  const unused = checkConfig(merged, given).filter((warning) => !told.has(warning));
  return {
    config: merged,
    sources: Object.fromEntries(Object.keys(own).map((name) => [pathOf(name), OF_THE_MODEL])),
    notes: [...notes, ...overridden, ...added, ...unused],
  };
}

const pathOf = (name: string): string => `optimizer.${toSnakeCase(name)}`;
const valueIn = (settings: object, name: string): unknown => (settings as Record<string, unknown>)[name];

/** In the words of whoever gave it: the library has options, files and flags have settings. */
function placeOf(path: string, given: Provenance): string {
  const source = given[path];
  return source.startsWith('option ') ? `the ${source}` : `${path} (${source})`;
}

function refusedAs(refusal: CompiledOptimizer['refusal']): UsageError | ClusterError {
  if (refusal === null)
    return new ClusterError({ code: 'WIRE_INVALID', message: 'an optimizer without settings', next: 'Update the worker.' });
  return new UsageError(refusal);
}
