/**
 * Owns: reading what a model's file was compiled with: `trainingConfig` of model.save({ includeOptimizer }), `training_config` of a converted Keras model,
 * in the spellings of tfjs, Keras 2 and Keras 3.
 * Does not: refuse: a run may name another loss and optimizer. What is not known is said.
 */
import type { ModelFile } from '../common/model_file.js';
import { ExpectedError } from '../common/errors.js';
import { toCamelCase } from '../common/snake_case.js';
import { findLoss, findMetric } from '../objective/find_names.js';
import { describedOptimizer, type CompiledOptimizer } from '../optimizers/compiled.js';
import { readKerasOptimizer } from '../optimizers/from_keras.js';
import { readTfjsConfig } from '../optimizers/from_tfjs.js';
import type { CompiledByName } from './model_source.js';

type Json = Readonly<Record<string, unknown>>;

/** Where a file of each kind has it: beside the topology (tfjs), in it (.h5), in the model's own configuration (.keras). Null where it is not compiled. */
export function compiledInFile({ training, topology }: Pick<ModelFile, 'training' | 'topology'>): CompiledByName | null {
  const compiledConfig = isRecord(topology.model_config) ? topology.model_config.compile_config : topology.compile_config;
  for (const found of [training, topology.training_config, compiledConfig])
    if (isRecord(found) && Object.keys(found).length > 0) return readTrainingConfig(found);
  return null;
}

function readTrainingConfig(training: Json): CompiledByName {
  const notes: string[] = [];
  const loss = readLoss(training.loss, training.loss_weights);
  const metrics = readMetrics(training.metrics, notes);
  if (isUsed(training.weighted_metrics))
    notes.push('the model is compiled with weighted_metrics, which are left out: examples have no weights here');
  return {
    ...loss,
    metrics,
    optimizer: readOptimizer(training.optimizer_config ?? training.optimizer),
    ...(notes.length > 0 && { notes }),
  };
}

function readOptimizer(value: unknown): CompiledOptimizer | null {
  // `optimizer: 'adam'` in a .keras file has that class's defaults.
  if (typeof value === 'string')
    return readOptimizer({ class_name: value, config: { learning_rate: value.toLowerCase() === 'sgd' ? 0.01 : 0.001 } });
  if (!isRecord(value) || typeof value.class_name !== 'string') return null;
  const { class_name: className } = value;
  const config = isRecord(value.config) ? value.config : {};
  const isOfTfjs = 'learningRate' in config;
  return describedOptimizer(className, () =>
    isOfTfjs ? readTfjsConfig(className, config) : readKerasOptimizer(className, config),
  );
}

function readLoss(value: unknown, weights: unknown): Pick<CompiledByName, 'loss' | 'unknownLoss'> {
  const all = entries(value);
  const unknown = (what: string) => ({ loss: null, unknownLoss: what.slice(0, 300) });
  if (all.length === 0) return { loss: null };
  if (all.length > 1) return unknown(`${all.length} losses, one for each output`);
  if (isUsed(weights) && !entries(weights).every((weight) => weight === 1))
    return unknown(`the loss weights ${JSON.stringify(weights)}`);
  const read = named(all[0], LOSS_CONFIG);
  const shown = `the loss ${read.shown}`;
  if (read.name === null) return unknown(shown);
  const name = (read.fromLogits ? FROM_LOGITS[toCamelCase(read.name)] : null) ?? OTHER_NAMES[read.name] ?? read.name;
  if (read.fromLogits && !(toCamelCase(read.name) in FROM_LOGITS)) return unknown(shown);
  return isKnown(() => findLoss(name)) ? { loss: findLoss(name).name } : unknown(`${shown}, which is not known here`);
}

/** What is not known is left out, which a note says: metrics change no result. */
function readMetrics(value: unknown, notes: string[]): string[] | null {
  const all = entries(value);
  const known: string[] = [];
  for (const one of all) {
    const read = named(one, METRIC_CONFIG);
    const name = read.name === null ? null : read.fromLogits ? null : (OTHER_NAMES[read.name] ?? read.name);
    if (name !== null && isKnown(() => findMetric(name))) {
      const key = findMetric(name).key;
      if (!known.some((other) => findMetric(other).key === key)) known.push(name);
    } else notes.push(`the model is compiled with the metric ${read.shown}, which is not known here and left out`.slice(0, 500));
  }
  return all.length === 0 || known.length === 0 ? null : known;
}

/** Keras names and classes that are not ours in another case. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  kl_divergence: 'kullbackLeiblerDivergence',
  KLDivergence: 'kullbackLeiblerDivergence',
  cosine_similarity: 'cosineProximity',
  CosineSimilarity: 'cosineProximity',
  log_cosh: 'logcosh',
  LogCosh: 'logcosh',
  huber_loss: 'huber',
  AUC: 'auc',
  TopKCategoricalAccuracy: 'top_5_accuracy',
  SparseTopKCategoricalAccuracy: 'top_5_accuracy',
  top_k_categorical_accuracy: 'top_5_accuracy',
  sparse_top_k_categorical_accuracy: 'top_5_accuracy',
};

const FROM_LOGITS: Readonly<Record<string, string>> = {
  categoricalCrossentropy: 'softmax_cross_entropy_from_logits',
  sparseCategoricalCrossentropy: 'softmax_cross_entropy_from_logits',
  binaryCrossentropy: 'sigmoid_cross_entropy_from_logits',
};

/** What a class's configuration may say besides its name and dtype: the values that our losses and metrics have. */
const COMMON = { dtype: [], name: [], fn: [], from_logits: [false, true], axis: [-1] } as const;
const LOSS_CONFIG: Readonly<Record<string, readonly unknown[]>> = {
  ...COMMON,
  reduction: ['sum_over_batch_size', 'auto'],
  label_smoothing: [0],
  delta: [1],
  ignore_class: [null],
  apply_class_balancing: [false],
};
const METRIC_CONFIG: Readonly<Record<string, readonly unknown[]>> = {
  ...COMMON,
  label_smoothing: [0],
  threshold: [0.5],
  thresholds: [null, 0.5],
  top_k: [null],
  class_id: [null],
  k: [5],
  num_thresholds: [200],
  curve: ['ROC'],
  summation_method: ['interpolation'],
  multi_label: [false],
  num_labels: [null],
  label_weights: [null],
  ignore_class: [null],
};

interface Named {
  /** Null where its configuration says what ours do not do. */
  readonly name: string | null;
  readonly fromLogits: boolean;
  readonly shown: string;
}

/** A name, or `{ class_name, config }`; a wrapper names its function. */
function named(value: unknown, allowed: Readonly<Record<string, readonly unknown[]>>): Named {
  if (typeof value === 'string') return { name: value, fromLogits: false, shown: value };
  if (!isRecord(value) || typeof value.class_name !== 'string')
    return { name: null, fromLogits: false, shown: JSON.stringify(value).slice(0, 200) };
  const { class_name: className } = value;
  const config = isRecord(value.config) ? value.config : {};
  const fn = isRecord(config.fn) ? config.fn.config : config.fn;
  const isWrapper = /(Wrapper|Function)$/.test(className) && typeof fn === 'string';
  const other = Object.entries(config).find(([key, given]) => {
    const plain = key === 'reduction' && typeof given === 'string' ? given.toLowerCase() : given;
    return !(key in allowed) || (allowed[key].length > 0 && !allowed[key].some((one) => one === plain));
  });
  return {
    name: other !== undefined ? null : isWrapper ? fn : (OTHER_NAMES[className] ?? lowerFirst(className)),
    fromLogits: config.from_logits === true,
    shown: other === undefined ? (isWrapper ? fn : className) : `${className} with ${other[0]} ${JSON.stringify(other[1])}`,
  };
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

function isKnown(find: () => unknown): boolean {
  try {
    find();
    return true;
  } catch (error) {
    if (error instanceof ExpectedError) return false;
    throw error;
  }
}

/** One output: a list or a record of one says the same as its entry. */
function entries(value: unknown): unknown[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap(entries);
  return isRecord(value) && !('class_name' in value) ? Object.values(value).flatMap(entries) : [value];
}

function isUsed(value: unknown): boolean {
  return entries(value).length > 0;
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
