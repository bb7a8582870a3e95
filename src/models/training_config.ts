/**
 * Owns: reading what a model's file was compiled with: `trainingConfig` of model.save({ includeOptimizer }), `training_config` of a converted Keras model,
 * in the spellings of tfjs, Keras 2 and Keras 3.
 * Does not: refuse: a run may name another loss and optimizer. What is not known is said.
 */
import { ExpectedError } from '../common/errors.js';
import type { ModelFile } from '../common/model_file.js';
import { toCamelCase } from '../common/snake_case.js';
import { findLoss, findMetric } from '../objective/find_names.js';
import { describedOptimizer, type CompiledOptimizer } from '../optimizers/compiled.js';
import { readKerasOptimizer } from '../optimizers/from_keras.js';
import { readTfjsConfig } from '../optimizers/from_tfjs.js';
import { kerasGeneration, modelOf } from './keras/convert.js';
import type { CompiledByName } from './model_source.js';

type Json = Readonly<Record<string, unknown>>;

/** Where a file of each kind has it: beside the topology (tfjs), in it (.h5), in the model's own configuration (.keras). Null where it is not compiled. */
export function compiledInFile({ training, topology }: Pick<ModelFile, 'training' | 'topology'>): CompiledByName | null {
  const compiledConfig = isRecord(topology.model_config) ? topology.model_config.compile_config : topology.compile_config;
  for (const found of [training, topology.training_config, compiledConfig])
    if (isRecord(found) && Object.keys(found).length > 0) return readTrainingConfig(found, outputsOf(topology));
  return null;
}

interface Output {
  /** Its layer's, by which a run names it. */
  readonly name: string;
  /** What else it is called in records: Keras 3 has models that give their outputs by name. */
  readonly key: string;
}
interface Outputs {
  readonly all: readonly Output[];
  /** Keras 3 takes a flat list of metrics by position; Keras 2 and tfjs give all of it to each output. */
  readonly metricsByPosition: boolean;
}

function outputsOf(topology: Json): Outputs {
  const model = modelOf(topology);
  const config = isRecord(model) && isRecord(model.config) ? model.config : {};
  return { all: endsOf(config.output_layers), metricsByPosition: kerasGeneration(topology) === 3 };
}

/** Of a sequential model, which lists none, one without a name. */
function endsOf(layers: unknown): Output[] {
  const named = (end: unknown, key?: string): Output[] =>
    Array.isArray(end) && typeof end[0] === 'string' ? [{ name: end[0], key: key ?? end[0] }] : [];
  if (isRecord(layers)) return Object.entries(layers).flatMap(([key, end]) => named(end, key));
  const found = Array.isArray(layers) ? (named(layers).length > 0 ? named(layers) : layers.flatMap((end) => named(end))) : [];
  return found.length > 0 ? found : [{ name: '', key: '' }];
}

function readTrainingConfig(training: Json, outputs: Outputs): CompiledByName {
  const notes: string[] = [];
  const { all } = outputs;
  const loss = all.length === 1 ? readLoss(entries(training.loss)) : readLosses(training.loss, all);
  const metrics =
    all.length === 1 ? readMetrics(entries(training.metrics), notes) : readMetricsOf(training.metrics, outputs, notes);
  const weights = readWeights(training.loss_weights, all);
  if (isUsed(training.weighted_metrics))
    notes.push('the model is compiled with weighted_metrics, which are left out: metrics count all examples alike here');
  return {
    ...loss,
    metrics,
    ...(weights.some((weight) => !weight.endsWith('=1') && weight !== '1') && { lossWeights: weights }),
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

/** What a list has in an output's place, or a record under its name; what is neither is every output's. */
function entryOf(value: unknown, { name, key }: Output, at: number): unknown {
  if (Array.isArray(value)) return value[at] as unknown;
  if (!isRecord(value) || 'class_name' in value) return value;
  return Object.hasOwn(value, key) ? value[key] : value[name];
}

function readLosses(value: unknown, outputs: readonly Output[]): Pick<CompiledByName, 'loss' | 'unknownLoss' | 'unknownOutputs'> {
  const read = outputs.map((output, at) => ({ ...readLoss(entries(entryOf(value, output, at))), name: output.name }));
  const known = read.flatMap(({ name, loss }) => (loss === null ? [] : [`${name}=${loss}`]));
  const unknown = read.flatMap(({ name, unknownLoss }) => (unknownLoss === undefined ? [] : [`${unknownLoss} for ${name}`]));
  const isOutput = (key: string): boolean => outputs.some((output) => [output.name, output.key].includes(key));
  const strays = isRecord(value) && !('class_name' in value) ? Object.keys(value).filter((key) => !isOutput(key)) : [];
  unknown.push(...strays.map((key) => `a loss for ${key}, which is none of its outputs`));
  const loss = known.length === 0 ? null : known.join(', ');
  if (unknown.length === 0) return { loss };
  const unknownOutputs = read.flatMap(({ name, loss: own }) => (own === null ? [name] : []));
  return { loss, unknownLoss: unknown.join(', ').slice(0, 300), unknownOutputs };
}

function readWeights(value: unknown, outputs: readonly Output[]): string[] {
  return outputs.flatMap((output, at) => {
    const [weight] = entries(outputs.length === 1 ? value : entryOf(value, output, at));
    return typeof weight !== 'number' ? [] : output.name === '' ? [String(weight)] : [`${output.name}=${weight}`];
  });
}

function readLoss(all: readonly unknown[]): Pick<CompiledByName, 'loss' | 'unknownLoss'> {
  const unknown = (what: string) => ({ loss: null, unknownLoss: what.slice(0, 300) });
  if (all.length === 0) return { loss: null };
  if (all.length > 1) return unknown(`${all.length} losses for one output`);
  const read = named(all[0], LOSS_CONFIG);
  const shown = `the loss ${read.shown}`;
  if (read.name === null) return unknown(shown);
  const name = (read.fromLogits ? FROM_LOGITS[toCamelCase(read.name)] : null) ?? OTHER_NAMES[read.name] ?? read.name;
  if (read.fromLogits && !(toCamelCase(read.name) in FROM_LOGITS)) return unknown(shown);
  return isKnown(() => findLoss(name)) ? { loss: findLoss(name).name } : unknown(`${shown}, which is not known here`);
}

/** What is not known is left out, which a note says: metrics change no result. */
function readMetricsOf(value: unknown, { all, metricsByPosition }: Outputs, notes: string[]): string[] | null {
  const isEach = Array.isArray(value) && (value.some(Array.isArray) || (metricsByPosition && value.length === all.length));
  const read = all.map((output, at) => {
    const own = Array.isArray(value) && !isEach ? value : entryOf(value, output, at);
    return (readMetrics(entries(own), notes) ?? []).map((metric) => `${output.name}=${metric}`);
  });
  return read.every((of) => of.length === 0) ? null : read.flat();
}

function readMetrics(all: readonly unknown[], notes: string[]): string[] | null {
  const known: string[] = [];
  for (const one of all) {
    const read = named(one, METRIC_CONFIG);
    const name = read.name === null ? null : read.fromLogits ? null : (OTHER_NAMES[read.name] ?? read.name);
    if (name !== null && isKnown(() => findMetric(name))) {
      const key = findMetric(name).key;
      if (!known.some((other) => findMetric(other).key === key)) known.push(name);
      continue;
    }
    const note = `the model is compiled with the metric ${read.shown}, which is not known here and left out`.slice(0, 500);
    if (!notes.includes(note)) notes.push(note);
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
