/**
 * Owns: one training step's computation on one shard: forward, loss sum, backward, as one graph function (or op by op with --no-compile).
 * Does not: see the other shards, average, or update: the coordinator adds gradients and applies SGD. Next hop: engine/compile/graph_function.ts.
 *
 * In: weights (the model's variables), the shard's rows, the dropout position. Out: sums over the shard's examples.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { invariant } from '../../common/errors.js';
import type { BucketLayout } from '../../common/bucket_layout.js';
import { deriveKey, PURPOSE, type PhiloxKey } from '../../common/random.js';
import type { CompiledFunction, Engine } from '../../engine/index.js';
import { intoFloat32, scaledFloat, withBatchStatistics, withDropout } from '../../engine/index.js';
import type { ObjectiveValue } from '../../objective/create_objective.js';
import type { ModelObjective } from '../../objective/model_objective.js';
import type { Augment } from '../augment/augment.js';
import type { Binding, TensorBatch } from './bind_fields.js';
import type { OutputMasks } from './output_masks.js';
import type { CountPositions } from './read_batch.js';
import { stepOptions } from './execution.js';
import { orModelFails } from './model_fails.js';
import { flattenLayers } from './model_layout.js';
import type { ReplicaSpec } from './replica_spec.js';

/** Tensors of one shard's result; disposed by the caller. */
interface TrainOutputs {
  /** Scalar, sum over examples. */
  readonly loss: tfjs.Tensor;
  /** Of each metric, in the order of the objective: its sums over examples. */
  readonly sums: tfjs.Tensor[];
  /** Summed over examples, one per trained slot, in layout order. */
  readonly gradients: tfjs.Tensor[];
  /** Batch mean and biased variance, in `layout.statistics` order. */
  readonly statistics: tfjs.Tensor[];
}

interface EvaluateOutputs {
  readonly loss: tfjs.Tensor;
  readonly sums: tfjs.Tensor[];
}

/**
 * What the training step is called with. `position` is int32 [4]: step low word, step high word, first example's index in the global batch, 0.
 * `regularization` is a scalar.
 */
export type Feed = [batch: TensorBatch, position: tfjs.Tensor, regularization: tfjs.Tensor];
/** Compiled, it can be called in another compiled function. */
export type TrainStep = ((...feed: Feed) => TrainOutputs) &
  Partial<Pick<CompiledFunction<Feed, TrainOutputs>, 'nested' | 'prepare'>>;
export type EvaluateStep = (batch: TensorBatch, regularization: tfjs.Tensor) => EvaluateOutputs;

export interface StepParts {
  readonly engine: Engine;
  readonly model: tfjs.LayersModel;
  readonly layout: BucketLayout;
  readonly objective: ModelObjective;
  /** Null where training examples are taken as they are. */
  readonly augment: Augment | null;
  /** Of augmented labels. */
  readonly softObjective: ModelObjective;
  readonly binding: Binding;
  readonly masks: OutputMasks;
  readonly spec: ReplicaSpec;
  /** Hears the graph of the training step, where it is compiled. */
  readonly onGraph: (graphDef: Uint8Array) => void;
}

interface BatchNormInternals {
  movingMean: tfjs.LayerVariable;
  movingVariance: tfjs.LayerVariable;
  call(inputs: tfjs.Tensor | tfjs.Tensor[], kwargs: Record<string, unknown>): tfjs.Tensor | tfjs.Tensor[];
}

const BACKWARD = {
  during: 'the backward pass',
  next: 'Replace the layer or op that has no gradient; tf.variableGrads on one batch shows the same outside of tfjs-parallel.',
};

export function createTrainStep(parts: StepParts): TrainStep {
  const { engine, model, layout, spec, augment, softObjective, onGraph } = parts;
  const { tf } = engine;
  const variables = trainedVariables(model);
  const statisticIndex = indexStatistics(model, layout);
  const dropoutLayers = new Map(flattenLayers(model).map((layer, index) => [layer, index]));
  if (spec.batchNorm === 'fixed') fixBatchNorm(model);

  const step: TrainStep = (batch, position, regularization) => {
    /** By statistic: one tensor for each time its layer was called, more than one where a layer is shared or repeated over time. */
    const reported = layout.statistics.map((): tfjs.Tensor[] => []);
    const keyOf = keysOfStep(dropoutLayers, spec.seed);
    let sums: tfjs.Tensor[] | undefined;
    const keyed = <Result>(body: () => Result): Result => withDropout((layer) => ({ key: keyOf(layer), position }), body);
    const changed = augment === null ? null : keyed(() => augment.apply(batch));
    const forward = (): tfjs.Scalar => {
      const x =
        changed === null ? scaledInputs(parts, batch) : parts.binding.inputs.map(({ field }) => changed.inputs[field.name]);
      const result = keyed(() =>
        withBatchStatistics(
          (layer, mean, variance) => {
            const at = statisticIndex.get(layer);
            invariant(at, `batch norm ${layer.name} is in the layout`);
            reported[at.mean].push(tf.keep(mean));
            reported[at.variance].push(tf.keep(variance));
          },
          () => applyModel(parts, x, true),
        ),
      );
      const judged = changed === null ? parts : { ...parts, objective: softObjective };
      const value = judge(judged, changed === null ? batch : { ...batch, targets: changed.targets }, result);
      sums = value.sums.map((sum) => tf.keep(sum));
      return addRegularization(tf, model, value.sum, regularization);
    };
    const { value, grads } = orModelFails(() => tf.variableGrads(forward, variables), BACKWARD);
    invariant(sums, 'the forward pass ran');
    if (changed !== null) tf.dispose(changed as unknown as tfjs.TensorContainer);
    const gradients = variables.map((variable) => grads[variable.name] ?? tf.zerosLike(variable));
    // A batch norm that was not called reports what it has.
    const statistics = layout.statistics.map(({ slot, momentum }, index) => {
      const running = model.weights[slot].read();
      return reported[index].length === 0 ? tf.clone(running) : inTurn(tf, reported[index], { running, momentum });
    });
    return { loss: value, sums, gradients, statistics };
  };
  return spec.compile ? engine.compile(step, { name: 'train_step', onGraph, ...stepOptions(parts) }) : step;
}

/** Forward pass and loss with moving statistics and no dropout. */
export function createEvaluateStep(parts: Omit<StepParts, 'augment' | 'softObjective' | 'onGraph'>): EvaluateStep {
  const { engine, model, spec } = parts;
  const { tf } = engine;
  const step: EvaluateStep = (batch, regularization) =>
    tf.tidy(() => {
      const value = judge(parts, batch, applyModel(parts, scaledInputs(parts, batch), false));
      return { loss: addRegularization(tf, model, value.sum, regularization), sums: value.sums };
    });
  return spec.compile ? engine.compile(step, { name: 'evaluate_step' }) : step;
}

type Applied = ReturnType<OutputMasks['during']>;

function judge(
  { engine, objective, binding }: Pick<StepParts, 'engine' | 'objective' | 'binding'>,
  batch: TensorBatch,
  { outputs, masks }: Applied,
): ObjectiveValue {
  const judged = binding.targets.map(({ field: { name } }, at) => {
    const [weight, positions] = [batch.weights[name], masks[at]];
    const mask = positions === null ? undefined : { positions, scale: batch.scales[name] };
    const counted = { ...(weight !== undefined && { weight }), ...(mask !== undefined && { mask }) };
    return { labels: batch.targets[name], output: intoFloat32(outputs[at]), counted };
  });
  const value = objective.evaluate(judged);
  engine.tf.dispose(masks as tfjs.TensorContainer);
  return value;
}

/** Positions of each masked output that count, by its target's name; null where none is masked. */
export function createPositionCount(
  parts: Omit<StepParts, 'objective' | 'layout' | 'augment' | 'softObjective' | 'onGraph'>,
): CountPositions | null {
  const { engine, binding, masks, spec } = parts;
  const { tf } = engine;
  if (!masks.masked.includes(true)) return null;
  const count: CountPositions = (inputs) =>
    tf.tidy(() => {
      const applied = applyModel(parts, scaledInputs(parts, { inputs }), false);
      const counts = binding.targets.flatMap(({ field }, at) => {
        const positions = applied.masks[at];
        return positions === null ? [] : [[field.name, tf.sum(tf.cast(positions, 'int32'))] as const];
      });
      tf.dispose(applied.masks as tfjs.TensorContainer);
      return Object.fromEntries(counts);
    });
  return spec.compile ? engine.compile(count, { name: 'count_positions' }) : count;
}

/** In the model's order. */
export function scaledInputs({ binding }: Pick<StepParts, 'binding'>, { inputs }: Pick<TensorBatch, 'inputs'>): tfjs.Tensor[] {
  return binding.inputs.map(({ field }) => scaledFloat(inputs[field.name], field.scale));
}

export function applyModel({ model, masks }: Pick<StepParts, 'model' | 'masks'>, x: tfjs.Tensor[], training: boolean): Applied {
  const next = `Mend the model; model.apply(x, { training: ${training} }) on one batch shows the same outside of tfjs-parallel.`;
  const apply = (): tfjs.Tensor[] => [model.apply(x.length === 1 ? x[0] : x, { training }) as tfjs.Tensor | tfjs.Tensor[]].flat();
  return orModelFails(() => masks.during(apply), { during: training ? 'training' : 'evaluation', next });
}

/** Regularization losses count once per step: the first shard carries them, times the global batch that the sum is divided by. */
function addRegularization(tf: typeof tfjs, model: tfjs.LayersModel, sum: tfjs.Scalar, weight: tfjs.Tensor): tfjs.Scalar {
  const losses = model.calculateLosses();
  if (losses.length === 0) return sum;
  return tf.add(sum, tf.mul(tf.addN(losses), weight));
}

export function trainedVariables(model: tfjs.LayersModel): tfjs.Variable[] {
  return model.trainableWeights.map((weight) => (weight as unknown as { val: tfjs.Variable }).val);
}

function indexStatistics(
  model: tfjs.LayersModel,
  layout: BucketLayout,
): Map<tfjs.layers.Layer, { mean: number; variance: number }> {
  const position = new Map(layout.statistics.map(({ slot }, index) => [model.weights[slot].name, index]));
  const result = new Map<tfjs.layers.Layer, { mean: number; variance: number }>();
  // Fixed ones have nothing to report.
  if (layout.statistics.length === 0) return result;
  for (const layer of batchNorms(model)) {
    const { movingMean, movingVariance } = layer as unknown as BatchNormInternals;
    const mean = position.get(movingMean.name);
    const variance = position.get(movingVariance.name);
    invariant(mean !== undefined && variance !== undefined, 'moving statistics are in the layout');
    result.set(layer, { mean, variance });
  }
  return result;
}

/** Calls of one layer in one step that have keys apart from those of other layers. */
const CALL_STRIDE = 2 ** 20;

/**
 * A dropout layer's mask is keyed by its place in the model and which call of it this is; every other draw (noise, masks of recurrent layers, users'
 * layers) by which of them it is in the step. Names, which tfjs numbers per thread, do not matter.
 */
function keysOfStep(places: Map<tfjs.layers.Layer, number>, seed: number): (layer: tfjs.layers.Layer | undefined) => PhiloxKey {
  const calls = new Map<tfjs.layers.Layer, number>();
  let others = 0;
  return (layer) => {
    // No place: not a dropout layer, or one in a wrapper that the layout does not look into (Bidirectional).
    const place = layer && places.get(layer);
    if (layer === undefined || place === undefined) return deriveKey({ seed, purpose: PURPOSE.noise, layer: others++ });
    invariant(place < CALL_STRIDE, `dropout layer ${layer.name} has a place in the model`);
    const call = calls.get(layer) ?? 0;
    calls.set(layer, call + 1);
    return deriveKey({ seed, purpose: PURPOSE.dropout, layer: place + call * CALL_STRIDE });
  };
}

/**
 * The one value s with which `m · running + (1 − m) · s` is what the values give in turn, each moving what the one before it left: as tfjs and
 * Keras update a layer that is called several times. Linear in the values, so a mean over shards stays right. The inputs are disposed unless
 * there is but one, which is returned.
 */
function inTurn(
  tf: typeof tfjs,
  values: tfjs.Tensor[],
  { running, momentum }: { running: tfjs.Tensor; momentum: number },
): tfjs.Tensor {
  if (values.length === 1) return values[0];
  const one = tf.tidy(() => {
    let owed = 0;
    let sum = values[0];
    for (const value of values.slice(1)) {
      sum = tf.add(tf.mul(sum, momentum), value);
      owed = momentum * (owed + 1);
    }
    return tf.sub(sum, tf.mul(running, owed));
  });
  tf.dispose(values);
  return one;
}

function batchNorms(model: tfjs.LayersModel): tfjs.layers.Layer[] {
  return flattenLayers(model).filter((layer) => layer.getClassName() === 'BatchNormalization');
}

/** Makes every batch norm use its moving statistics in training too. */
function fixBatchNorm(model: tfjs.LayersModel): void {
  for (const layer of batchNorms(model)) {
    const internals = layer as unknown as BatchNormInternals;
    const call = internals.call.bind(layer);
    internals.call = (inputs, kwargs) => call(inputs, { ...kwargs, training: false });
  }
}
