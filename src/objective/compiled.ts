/**
 * Owns: reading what a tf.LayersModel was compiled to be judged by: names as they are, tfjs's own functions by identity, other functions as functions.
 * Does not: read the optimizer's settings (optimizers/from_tfjs.ts does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../common/errors.js';
import { findLoss, findMetric } from './find_names.js';
import { partOf, partsOf, requestsOf } from './per_output.js';
import type { ObjectiveRequest } from './request.js';

/** tfjs's type LossOrMetricFn. */
export type UserFunction = (labels: tfjs.Tensor, output: tfjs.Tensor) => tfjs.Tensor;
export type Given = string | UserFunction;

export interface Compiled {
  readonly loss: Given | null;
  /** Null where none were named. */
  readonly metrics: readonly Given[] | null;
  /** Of a file: the loss that it names and nobody knows, with why; a run that names none is refused. */
  readonly unknownLoss?: string;
  /** Which outputs' that is; left out: all. */
  readonly unknownOutputs?: readonly string[];
  /** Of a file: how much each output's loss counts, as a run's setting says it. */
  readonly lossWeights?: readonly string[];
  /** Of a file: what else in it is not used, one sentence each. */
  readonly notes?: readonly string[];
  /** Of a model of several outputs: each one's, in their order. */
  readonly outputs?: readonly Compiled[];
}

interface CompiledModel {
  readonly optimizer?: object | null;
  readonly loss?: unknown;
  readonly metrics?: unknown;
}

/** Functions of `tf.losses`, by the rows that compute them for each example. Those of `tf.metrics` are called as their rows are. */
const TF_LOSSES: Readonly<Record<string, string>> = {
  absoluteDifference: 'meanAbsoluteError',
  huberLoss: 'huber',
  meanSquaredError: 'mean_squared_error',
  sigmoidCrossEntropy: 'sigmoid_cross_entropy_from_logits',
  softmaxCrossEntropy: 'softmax_cross_entropy_from_logits',
  hingeLoss: 'hinge_loss',
  logLoss: 'log_loss',
};

/** Null where the model is not compiled. */
export function compiledOf(tf: typeof tfjs, model: tfjs.LayersModel): Compiled | null {
  const { optimizer, loss, metrics } = model as unknown as CompiledModel;
  if (optimizer === undefined || optimizer === null) return null;
  const read = (ofLoss: unknown, ofMetrics: unknown): Compiled => ({
    loss: given(ofLoss).map((one) => named(tf, one, 'loss'))[0] ?? null,
    metrics: ofMetrics === undefined || ofMetrics === null ? null : given(ofMetrics).map((one) => named(tf, one, 'metric')),
  });
  const { outputNames } = model;
  if (model.outputs.length === 1) return read(loss, metrics);
  const outputs = outputNames.map((name, at) => read(entryOf(loss, name, at), metricsOf(metrics, name, at, outputNames.length)));
  return { loss: null, metrics: null, outputs };
}

/** Of a list by position, of a record by name; one alone is every output's. */
function entryOf(value: unknown, name: string, at: number): unknown {
  if (Array.isArray(value)) return value[at] as unknown;
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : value;
}

/** A list of names is every output's; a list of lists goes by position. */
function metricsOf(value: unknown, name: string, at: number, outputs: number): unknown {
  const isByPosition = Array.isArray(value) && value.length === outputs && value.every(Array.isArray);
  return Array.isArray(value) && !isByPosition ? value : entryOf(value, name, at);
}

/** @throws UsageError LOSS_UNKNOWN where the file's loss is not known and the run names none */
export function requireKnownLoss(compiled: Compiled | null, { loss }: Pick<ObjectiveRequest, 'loss'>): void {
  if (compiled?.unknownLoss === undefined) return;
  const named = loss === null ? [] : partsOf(loss).map((part) => partOf(part).output);
  const { unknownOutputs } = compiled;
  if (
    unknownOutputs === undefined
      ? loss !== null
      : unknownOutputs.every((output) => named.includes(output) || named.includes(null))
  )
    return;
  throw new UsageError({
    code: 'LOSS_UNKNOWN',
    message: `the model's file says that it is compiled with ${compiled.unknownLoss}`,
    next: 'Name a loss with --loss, which then counts, such as --loss mean_squared_error; docs/models.md lists them.',
  });
}

/** What can cross to a replica. @throws UsageError FUNCTION_UNREACHABLE for a function, where the request does not name something else */
export function requireNames(
  { loss, metrics, outputs }: Compiled,
  request: ObjectiveRequest,
  outputNames: readonly string[] = [],
): ObjectiveRequest {
  if (outputs !== undefined) {
    const asked = requestsOf(request, outputNames);
    const each = outputs.map((output, at) => requireNames(output, asked[at]));
    const losses = each.flatMap((one, at) => (one.loss === null ? [] : [`${outputNames[at]}=${one.loss}`]));
    const named = each.flatMap((one, at) => (one.metrics ?? []).map((metric) => `${outputNames[at]}=${metric}`));
    return { loss: losses.join(', ') || null, metrics: each.some((one) => one.metrics !== null) ? named : null };
  }
  const unreachable = request.loss === null && typeof loss === 'function' ? loss : undefined;
  const metric = request.metrics === null ? metrics?.find((one) => typeof one === 'function') : undefined;
  for (const [what, found] of [['loss', unreachable] as const, ['metric', metric] as const]) {
    if (typeof found !== 'function') continue;
    const option = what === 'loss' ? 'loss' : 'metrics';
    throw new UsageError({
      code: 'FUNCTION_UNREACHABLE',
      message: `the model is compiled with the ${what} ${found.name === '' ? 'of a nameless function' : found.name.replace(/__op$/, '')}: replicas run in threads and on other machines, where a function of this program cannot be sent`,
      next: `Compile the model by names or with those functions of tf.losses and tf.metrics that docs/models.md names; or compile it in createModel(tf) of a module and give train() the module's path as the model, or ${option} in its options.`,
    });
  }
  return {
    loss: typeof loss === 'string' ? loss : null,
    metrics: metrics?.filter((one) => typeof one === 'string') ?? null,
  };
}

/** One output: a list or a record of one says the same as its entry. */
function given(value: unknown): Given[] {
  if (typeof value === 'string' || typeof value === 'function') return [value as Given];
  if (Array.isArray(value)) return value.flatMap(given);
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(given) : [];
}

function named(tf: typeof tfjs, one: Given, what: 'loss' | 'metric'): Given {
  if (typeof one === 'string') return one;
  const ofLosses = keyOf(tf.losses, one);
  if (ofLosses !== null && Object.hasOwn(TF_LOSSES, ofLosses)) return TF_LOSSES[ofLosses];
  const ofMetrics = keyOf(tf.metrics, one);
  return ofMetrics !== null && isKnown(ofMetrics, what) ? ofMetrics : one;
}

function keyOf(functions: object, one: UserFunction): string | null {
  return Object.entries(functions).find(([, value]) => value === one)?.[0] ?? null;
}

function isKnown(name: string, what: 'loss' | 'metric'): boolean {
  try {
    if (what === 'loss') findLoss(name);
    else findMetric(name);
    return true;
  } catch {
    return false;
  }
}
