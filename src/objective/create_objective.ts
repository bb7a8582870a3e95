/**
 * Owns: putting a run's objective together in a replica: which loss and metrics, what the labels are to them, and their graph.
 * Does not: average: sums over examples are exact under sharding, means are not. Next hop: losses.ts, metrics.ts.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { ObjectiveDescription } from '../common/objective.js';
import { UsageError } from '../common/errors.js';
import { chooseLoss } from './choose_loss.js';
import { requireKnownLoss, type Compiled, type Given, type UserFunction } from './compiled.js';
import { sumOverExamples, type Counted } from './example_sums.js';
import { findLoss, findMetric } from './find_names.js';
import { requireLabels, type LabeledData } from './labels.js';
import { ANY_SUM, PROBABILITIES, SHARES, type CrossEntropies, type Loss } from './loss.js';
import { LOSSES } from './losses.js';
import { maskedMetric } from './masked_metric.js';
import { requireSaid } from './opaque_output.js';
import { outputKindOf } from './output_kind.js';
import { partOf, partsOf } from './per_output.js';
import type { ObjectiveRequest } from './request.js';
import { takesIndices } from './shapes.js';
import { classesTold, tellClasses } from './told_classes.js';
import { isPerExample, lossOfFunction, metricOfFunction } from './user_functions.js';

export interface ObjectiveValue {
  /** Scalar: the loss, summed over the examples. */
  readonly sum: tfjs.Scalar;
  /** The metrics' sums, in the order of the description. */
  readonly sums: tfjs.Tensor[];
}

export interface Objective {
  readonly description: ObjectiveDescription;
  /** Names by which the same is asked for; null where a function of the model's module judges. */
  readonly asked: { readonly loss: string | null; readonly metrics: readonly string[] | null };
  /** Whether labels are int32 indices of classes; otherwise float32. */
  readonly indices: boolean;
  /** @throws DataError DATA_LABELS for other examples' labels that the loss has no meaning for */
  requireLabels(data: LabeledData): void;
  readonly target: TargetFacts;
  /** Which class each example is, where the output tells one for each: float32 [2 × n], classes and then their probabilities. */
  readonly told: { readonly classes: number; of(output: tfjs.Tensor): tfjs.Tensor } | null;
  /** Of n labels in the shape that the data set has, and the model's output. */
  evaluate(labels: tfjs.Tensor, output: tfjs.Tensor, counted?: Counted): ObjectiveValue;
}

/** What labels are to the loss, for whoever changes them. */
export interface TargetFacts {
  readonly loss: string;
  /** As the data have them. */
  readonly indices: boolean;
  /** Rows of shares of classes, probabilities of yes, values, or whatever a function of the module's takes. */
  readonly labels: 'shares' | 'yes_no' | 'values' | 'own';
  /** Of each position: the last axis of the output, and the others. */
  readonly classes: number;
  readonly positions: readonly number[];
  /** Whether a label may lie between two. */
  readonly mixes: boolean;
}

interface ObjectiveFacts {
  readonly request: ObjectiveRequest;
  /** What the model was compiled with; null where it was not. */
  readonly compiled: Compiled | null;
  readonly model: tfjs.LayersModel;
  readonly dataset: LabeledData;
  /** Which of the model's outputs; the first where nothing is said. */
  readonly output?: number;
  /** Of one example of each input, for a model that takes any. */
  readonly inputShapes: readonly (readonly number[])[];
  /** Whether positions of the output may be masked. */
  readonly masked?: boolean;
  /** Whether examples count by weights. */
  readonly weighted?: boolean;
  /** Where labels are indices, `evaluate` is given rows of shares in their place. */
  readonly softened?: boolean;
}

/** @throws UsageError or DataError where loss, metrics, model and labels do not go together */
export function createObjective(tf: typeof tfjs, fused: CrossEntropies, facts: ObjectiveFacts): Objective {
  const { request, compiled, model, dataset, output: at = 0, masked = false } = facts;
  const outputShape = outputShapeOf(tf, model, facts.inputShapes, at);
  const said = outputKindOf(model, at);
  requireKnownLoss(compiled, request);
  const given = request.loss ?? compiled?.loss ?? chooseLoss({ kind: said, outputShape, dataset });
  const { name, loss } = typeof given === 'string' ? findLoss(given) : { name: nameOf(given), loss: lossOfFunction(given) };
  if (said === 'opaque') requireSaid({ name, loss });
  // What reads logits now was told that they are.
  const kind = said === 'opaque' ? 'unknown' : said;
  const shapes = { output: outputShape, label: dataset.labelShape, classes: dataset.classes, drawn: dataset.drawn };
  // A function takes labels as the data set has them; one value per example stands in a column, as model.fit puts it.
  const own = typeof given === 'string' ? null : dataset.labelShape.length === 0 ? [1] : dataset.labelShape;
  const indices = own === null && takesIndices({ name, loss }, shapes);
  const classes = outputShape[outputShape.length - 1] ?? 1;
  const judge = (data: LabeledData): void =>
    requireLabels({ name, labels: loss.labels }, data, { indices, classes: indices ? classes : null });
  judge(dataset);

  const predicts = loss.predicts ?? (classes === 1 ? 'each' : 'class');
  const sparse = indices && facts.softened !== true;
  const labels = own !== null ? 'own' : indices ? 'shares' : labelsOf(loss);
  const likelihoods = labels === 'shares' || labels === 'yes_no';
  const parts = { tf, fused, kind, indices: sparse, predicts, outputShape, readsLogits: loss.readsLogits, likelihoods };
  const isOfRows = sparse || loss.labels.indices !== 'always';
  const values = (isOfRows ? loss : LOSSES.categoricalCrossentropy).create(parts);
  const asked = request.metrics ?? compiled?.metrics ?? loss.metrics;
  const metrics = asked.map((metric) => {
    const found =
      typeof metric === 'string' ? findMetric(metric, parts) : { key: keyOf(metric), metric: metricOfFunction(metric) };
    const used = masked ? maskedMetric(found.metric) : found.metric;
    const { wholeBatch } = found.metric;
    return { description: { name: found.key, ...used.describe(parts) }, create: used.create(parts), wholeBatch };
  });
  requireOnce(metrics.map(({ description }) => description.name));
  const target: TargetFacts = {
    ...{ loss: name, indices, classes, positions: outputShape.slice(0, -1) },
    labels,
    mixes: own === null ? indices || loss.labels.values?.isRight(0.5) !== false : dataset.classes === undefined,
  };
  const told = classesTold(target);
  const shapesOfFunctions = { output: outputShape, label: own ?? (indices ? outputShape.slice(0, -1) : outputShape) };
  return {
    description: {
      // Penalties of the layers are added to the sum.
      loss: { name, sum: facts.weighted || hasPenalties(tf, model) ? ANY_SUM : loss.sum },
      metrics: metrics.map(({ description }) => description),
      wholeBatch: [
        ...metrics.flatMap(({ description, wholeBatch }) => (wholeBatch ? [description.name] : [])),
        ...[given, ...asked].flatMap((one) =>
          typeof one === 'string' || isPerExample(tf, one, shapesOfFunctions) ? [] : [nameOf(one)],
        ),
      ],
      notes: overriddenBy(request, compiled),
    },
    asked: {
      loss: typeof given === 'string' ? name : null,
      metrics: asked.every((metric) => typeof metric === 'string') ? asked : null,
    },
    indices,
    requireLabels: judge,
    target,
    told: told === null ? null : { classes: told, of: (output) => tellClasses(parts, output) },
    evaluate: (labels, output, counted) => {
      const shape = own === null ? (sparse ? output.shape.slice(0, -1) : output.shape) : [output.shape[0], ...own];
      const taken = asTaken(tf, labels, shape, sparse);
      return {
        sum: sumOverExamples(tf, values(taken, output), counted),
        sums: metrics.flatMap(({ create }) => create(taken, output, counted?.mask)),
      };
    },
  };
}

function labelsOf({ predicts, labels }: Loss): TargetFacts['labels'] {
  if (labels.values === SHARES) return 'shares';
  return labels.values === PROBABILITIES && predicts === 'each' ? 'yes_no' : 'values';
}

/** What the run's settings say in place of what the model was compiled with, and what of that is not known. One sentence each. */
export function overriddenBy(request: ObjectiveRequest, compiled: Compiled | null): string[] {
  const show = (one: Given): string => (typeof one === 'string' ? one : nameOf(one));
  if (compiled === null) return [];
  const notes = [...(compiled.notes ?? [])];
  if (request.loss !== null && compiled.loss !== null && !isSameLoss(request.loss, compiled.loss))
    notes.push(
      `the model is compiled with the loss ${show(compiled.loss)}; the run's setting loss, ${request.loss}, is used instead`,
    );
  const before = compiled.metrics?.map(show).join(', ');
  if (request.metrics !== null && before !== undefined && before !== request.metrics.join(', '))
    notes.push(
      `the model is compiled with the metrics ${before || 'none'}; the run's setting metrics, ${request.metrics.join(', ') || 'none'}, is used instead`,
    );
  return [...notes, ...overriddenWeights(request, compiled)].map((note) => note.slice(0, 500));
}

/** The same of loss weights. */
export function overriddenWeights({ lossWeights = [] }: ObjectiveRequest, compiled: Compiled | null): string[] {
  const before = compiled?.lossWeights?.join(', ');
  if (before === undefined || lossWeights.length === 0 || before === lossWeights.join(', ')) return [];
  return [
    `the model is compiled with the loss weights ${before}; the run's setting loss_weights, ${lossWeights.join(', ')}, is used instead`,
  ];
}

function isSameLoss(asked: string, compiled: Given): boolean {
  const known = (text: string): string =>
    partsOf(text)
      .map(partOf)
      .map(({ output, name }) => `${output ?? ''}=${findLoss(name).name}`)
      .join();
  return typeof compiled === 'string' && known(asked) === known(compiled);
}

function nameOf({ name }: UserFunction): string {
  return name === '' ? 'function' : name.slice(0, 100);
}

/** Its name as a key of records. */
function keyOf(given: UserFunction): string {
  const plain = nameOf(given)
    .replace(/[^A-Za-z0-9_]/g, '_')
    .slice(0, 60);
  return /^[A-Za-z]/.test(plain) ? plain : `f${plain}`.slice(0, 60);
}

/** @throws UsageError METRIC_TWICE: two values of one name would be one. */
function requireOnce(names: readonly string[]): void {
  const twice = names.find((name, at) => name === 'loss' || names.indexOf(name) !== at);
  if (twice === undefined) return;
  throw new UsageError({
    code: 'METRIC_TWICE',
    message: `two values of the run would be called ${twice}`,
    next: 'Name each metric once; give functions names of their own.',
  });
}

function hasPenalties(tf: typeof tfjs, model: tfjs.LayersModel): boolean {
  return tf.tidy(() => model.calculateLosses().length > 0);
}

/** Of one example. A model that takes examples of any size is given one of these: tfjs's computeOutputShape does not know sequential models. */
function outputShapeOf(
  tf: typeof tfjs,
  model: tfjs.LayersModel,
  inputShapes: readonly (readonly number[])[],
  at: number,
): number[] {
  const shape = model.outputs[at].shape.slice(1);
  if (!shape.includes(null)) return shape as number[];
  return tf.tidy(() => {
    const inputs = inputShapes.map((input) => tf.zeros([1, ...input]));
    const outputs = model.apply(inputs.length === 1 ? inputs[0] : inputs, { training: false }) as tfjs.Tensor | tfjs.Tensor[];
    return [outputs].flat()[at].shape.slice(1);
  });
}

function asTaken(tf: typeof tfjs, labels: tfjs.Tensor, shape: number[], indices: boolean): tfjs.Tensor {
  const typed = indices ? labels : tf.cast(labels, 'float32');
  return typed.shape.join() === shape.join() ? typed : tf.reshape(typed, shape);
}
