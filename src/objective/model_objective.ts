/**
 * Owns: what a model of any number of outputs is judged by: each output's objective, the losses added by their weights, and values under the names that
 * tfjs gives them (`a_loss`, `a_acc`).
 * Does not: know losses and metrics (create_objective.ts, for one output). Next hop: there.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../common/errors.js';
import type { MetricDescription, ObjectiveDescription } from '../common/objective.js';
import type { Compiled } from './compiled.js';
import { createObjective, overriddenWeights, type Objective, type ObjectiveValue, type TargetFacts } from './create_objective.js';
import type { Counted } from './example_sums.js';
import type { LabeledData } from './labels.js';
import { ANY_SUM, type CrossEntropies } from './loss.js';
import { lossWeightsOf, requestsOf, weightsByOutput } from './per_output.js';
import type { ObjectiveRequest } from './request.js';

/** One output of n examples, and what it should be. */
export interface Judged {
  readonly labels: tfjs.Tensor;
  readonly output: tfjs.Tensor;
  /** Which of it counts, and how much; left out: all alike. */
  readonly counted?: Counted;
}

export interface ModelObjective extends Pick<Objective, 'description'> {
  /** `lossWeights`: where the model's file says them. */
  readonly asked: Objective['asked'] & { readonly lossWeights?: readonly string[] };
  /** By output: whether its labels are int32 indices of classes; otherwise float32. */
  readonly indices: readonly boolean[];
  /** Of other examples, by output. @throws DataError DATA_LABELS */
  requireLabels(data: readonly LabeledData[]): void;
  /** By output. */
  readonly targets: readonly TargetFacts[];
  /** Of a model of one output that says which class each example is: float32 [2 × n], classes and then their probabilities. */
  readonly tellClasses?: (output: tfjs.Tensor) => tfjs.Tensor;
  /** In the order of the model's outputs. */
  evaluate(outputs: readonly Judged[]): ObjectiveValue;
}

interface OutputFacts {
  /** The model's name of it. */
  readonly name: string;
  readonly data: LabeledData;
  /** Its positions may be masked. */
  readonly masked: boolean;
  /** Examples count by weights. */
  readonly weighted: boolean;
  /** Labels that are indices come as rows of shares. */
  readonly softened?: boolean;
}

interface ModelFacts {
  readonly request: ObjectiveRequest;
  readonly compiled: Compiled | null;
  readonly model: tfjs.LayersModel;
  readonly outputs: readonly OutputFacts[];
  /** Shapes of one example of each input. */
  readonly inputShapes: readonly (readonly number[])[];
}

/** @throws UsageError or DataError where losses, metrics, model and labels do not go together */
export function createModelObjective(tf: typeof tfjs, fused: CrossEntropies, facts: ModelFacts): ModelObjective {
  const { request, compiled, model, outputs, inputShapes } = facts;
  const names = outputs.map(({ name }) => name);
  const weights = weightsByOutput(lossWeightsOf(request, compiled), names);
  const asked = requestsOf(request, names);
  const before = compiledByOutput(compiled, names);
  requireLosses({ asked, before, names });
  const objectives = outputs.map(({ data, ...counted }, output) =>
    createObjective(tf, fused, {
      ...{ request: asked[output], compiled: before[output], model, dataset: data, output, inputShapes, ...counted },
    }),
  );
  const indices = objectives.map((objective) => objective.indices);
  const targets = objectives.map((objective) => objective.target);
  const weighed = (sum: tfjs.Scalar, output: number): tfjs.Scalar => (weights[output] === 1 ? sum : tf.mul(sum, weights[output]));
  const whole = (description: ObjectiveDescription): ObjectiveDescription => ({
    ...description,
    ...(outputs.some((output) => output.masked) && { masked: true as const }),
    notes: [...new Set([...description.notes, ...overriddenWeights(request, compiled)])].slice(0, 8),
  });
  const ofFile = compiled?.lossWeights !== undefined && { lossWeights: lossWeightsOf(request, compiled) };
  const requireLabels = (data: readonly LabeledData[]): void =>
    objectives.forEach((objective, output) => objective.requireLabels(data[output]));
  if (objectives.length === 1) {
    const [objective] = objectives;
    const told = outputs[0].masked ? null : objective.told;
    return {
      ...objective,
      ...(told !== null && { tellClasses: (output) => told.of(output) }),
      ...{ indices, targets, requireLabels },
      asked: { ...objective.asked, ...ofFile },
      description: {
        ...whole(weights[0] === 1 ? objective.description : withSum(objective.description, weights)),
        ...(told !== null && { classes: told.classes }),
      },
      evaluate: ([{ labels, output, counted }]) => {
        const { sum, sums } = objective.evaluate(labels, output, counted);
        return { sum: weighed(sum, 0), sums };
      },
    };
  }
  return {
    description: whole(together(objectives, names, weights)),
    asked: { ...askedOf(objectives, names), ...ofFile },
    ...{ indices, targets, requireLabels },
    evaluate: (judged) => {
      const values = judged.map(({ labels, output, counted }, at) => objectives[at].evaluate(labels, output, counted));
      const total = values.map(({ sum }, at) => weighed(sum, at)).reduce((left, right) => tf.add(left, right));
      return { sum: total, sums: [...values.map(({ sum }) => sum), ...values.flatMap(({ sums }) => sums)] };
    },
  };
}

/** As tfjs orders them: all losses, then each output's metrics. */
function together(
  objectives: readonly Objective[],
  outputs: readonly string[],
  weights: readonly number[],
): ObjectiveDescription {
  const descriptions = objectives.map(({ description }) => description);
  const loss = (output: number): MetricDescription => ({
    ...{ name: keyOf(outputs[output], 'loss'), sums: [descriptions[output].loss.sum], per: 1, value: 'mean', direction: 'min' },
  });
  const metrics = descriptions.flatMap((description, output) =>
    description.metrics.map((metric) => ({ ...metric, name: keyOf(outputs[output], metric.name) })),
  );
  const all = [...descriptions.map((_, output) => loss(output)), ...metrics];
  const twice = all.find(({ name }, at) => all.findIndex((other) => other.name === name) !== at);
  if (twice !== undefined)
    throw new UsageError({
      code: 'METRIC_TWICE',
      message: `two values of the run would be called ${twice.name}`,
      next: 'Give the layers of the outputs names of their own.',
    });
  const named = descriptions.map(({ loss: { name } }, output) => `${outputs[output]}=${name}`).join(', ');
  const first = { ...descriptions[0], loss: { ...descriptions[0].loss, name: named.slice(0, 100) } };
  return {
    ...withSum(first, weights),
    metrics: all,
    wholeBatch: descriptions.flatMap(({ wholeBatch }) => wholeBatch),
    notes: descriptions.flatMap(({ notes }) => notes),
  };
}

/** The weighted total of losses is bounded where none of them counts negatively. */
function withSum(description: ObjectiveDescription, weights: readonly number[]): ObjectiveDescription {
  const { loss } = description;
  const least = weights.length === 1 && weights[0] >= 0 && loss.sum.least === 0 ? 0 : null;
  return { ...description, loss: { ...loss, sum: { ...ANY_SUM, least } } };
}

/** A name of the model's as a key of records, before a value's. */
function keyOf(output: string, value: string): string {
  const plain = output.replace(/[^A-Za-z0-9_]/g, '_');
  return `${/^[A-Za-z]/.test(plain) ? plain : `o${plain}`}_${value}`.slice(0, 61);
}

/** All by name, or null: what names one output alone says nothing of functions that judge the others. */
function askedOf(objectives: readonly Objective[], outputs: readonly string[]): Objective['asked'] {
  const named = (one: string, output: number): string => `${outputs[output]}=${one}`;
  const losses = objectives.flatMap(({ asked: { loss } }, output) => (loss === null ? [] : named(loss, output)));
  const metrics = objectives.map(({ asked }, output) => asked.metrics?.map((metric) => named(metric, output)) ?? null);
  return {
    loss: losses.length === outputs.length ? losses.join(', ') : null,
    metrics: metrics.every((of) => of !== null) ? metrics.flat() : null,
  };
}

/** Where some outputs have a loss, the others may be meant not to learn, as in tfjs: nothing is chosen for them. @throws UsageError LOSS_NEEDED */
function requireLosses(of: { asked: ObjectiveRequest[]; before: (Compiled | null)[]; names: readonly string[] }): void {
  const { asked, before, names } = of;
  const left = names.filter((_, output) => {
    const compiled = before[output];
    return asked[output].loss === null && (compiled?.loss ?? null) === null && compiled?.unknownLoss === undefined;
  });
  if (left.length === 0 || left.length === names.length) return;
  throw new UsageError({
    code: 'LOSS_NEEDED',
    message: `${names.filter((name) => !left.includes(name)).join(', ')} ${names.length - left.length === 1 ? 'has' : 'have'} a loss, and ${left.join(', ')} ${left.length === 1 ? 'has' : 'have'} none`,
    next: `Compile the model with one, or name it with --loss ${left[0]}=mean_squared_error; where that output is not to learn, --loss-weights ${left[0]}=0 besides.`,
  });
}

/** Of names (an object's, a file's, a cluster's), or as a module's model was compiled. */
function compiledByOutput(compiled: Compiled | null, outputs: readonly string[]): (Compiled | null)[] {
  if (compiled === null || outputs.length === 1) return outputs.map(() => compiled);
  if (compiled.outputs !== undefined) return [...compiled.outputs];
  const { loss, metrics, unknownLoss, unknownOutputs, notes = [] } = compiled;
  const texts = metrics?.filter((metric) => typeof metric === 'string') ?? null;
  const request = requestsOf({ loss: typeof loss === 'string' ? loss : null, metrics: texts }, outputs);
  const isUnknown = (output: string): boolean => unknownLoss !== undefined && unknownOutputs?.includes(output) !== false;
  return request.map((one, at) => ({ ...one, notes, ...(isUnknown(outputs[at]) && { unknownLoss }) }));
}
